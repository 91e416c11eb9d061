namespace Backprop.Distributed.Links;

/// <summary>The listeners and links of a transport, which end with it. Safe for any thread.
/// </summary>
internal sealed class LinkParts : IDisposable
{
    private readonly Lock _gate = new();
    private readonly HashSet<IDisposable> _parts = [];
    private bool _disposed;

    /// <summary>Has a part begin and takes note of it; if it ends at once, it is forgotten only
    /// then.</summary>
    /// <exception cref="ObjectDisposedException">The transport was disposed.</exception>
    public TPart Add<TPart>(Func<TPart> begin)
        where TPart : IDisposable
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            TPart part = begin();
            _parts.Add(part);
            return part;
        }
    }

    /// <summary>A part has ended.</summary>
    public void Forget(IDisposable part)
    {
        lock (_gate)
        {
            _parts.Remove(part);
        }
    }

    /// <summary>Closes them, and returns when their threads have ended.</summary>
    public void Dispose()
    {
        IDisposable[] parts;
        lock (_gate)
        {
            _disposed = true;
            parts = [.. _parts];
        }

        // All are asked first, so that their goodbyes overlap.
        foreach (ITensorLink link in parts.OfType<ITensorLink>())
        {
            link.Close("the node stops");
        }

        foreach (IDisposable part in parts)
        {
            part.Dispose();
        }
    }
}
