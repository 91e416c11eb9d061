using System.Collections.Immutable;

namespace Backprop.Distributed.Security;

/// <summary>What some files hold, read again after they have changed. What cannot be read is told,
/// and what was read before stays in use.</summary>
/// <remarks>Safe for any thread. What has been handed out stays good.</remarks>
/// <typeparam name="T">What they hold.</typeparam>
public sealed class RereadFiles<T>
    where T : class
{
    // Files are looked at no more often than this, however many connections there are.
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    private readonly ImmutableArray<string> _files;
    private readonly Func<T> _read;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private T _content;
    private string _stamps;
    private long _looked;

    /// <summary>Reads the files.</summary>
    /// <param name="files">Their names.</param>
    /// <param name="read">Reads them; throws <see cref="CertificateException"/> if they cannot be
    /// used.</param>
    /// <param name="time">The clock.</param>
    public RereadFiles(ImmutableArray<string> files, Func<T> read, TimeProvider time)
    {
        _files = files;
        _read = read;
        _time = time;

        // Before they are read: what changes while they are is seen the next time.
        _stamps = Stamps();
        _content = read();
        _looked = time.GetTimestamp();
    }

    /// <summary>They have been read again. Called on the thread of whoever wanted them.</summary>
    public event Action<T>? Reread;

    /// <summary>They have changed and cannot be used: why, in words; told once a change.</summary>
    public event Action<string>? Failed;

    /// <summary>What they hold.</summary>
    public T Current
    {
        get
        {
            CertificateException? failure = null;
            T? changed = null;
            lock (_gate)
            {
                if (_time.GetElapsedTime(_looked) >= s_look)
                {
                    _looked = _time.GetTimestamp();
                    (changed, failure) = Look();
                }
            }

            if (failure is not null)
            {
                Failed?.Invoke($"{failure.Message}; what was read before stays in use");
            }

            if (changed is not null)
            {
                Reread?.Invoke(changed);
            }

            return Volatile.Read(ref _content);
        }
    }

    private (T? Changed, CertificateException? Failure) Look()
    {
        string stamps = Stamps();
        if (stamps == _stamps)
        {
            return (null, null);
        }

        _stamps = stamps;
        try
        {
            T read = _read();
            Volatile.Write(ref _content, read);
            return (read, null);
        }
        catch (CertificateException failure)
        {
            return (null, failure);
        }
    }

    // What changes when a file is written anew, or a link to it leads elsewhere.
    private string Stamps() => string.Join(' ', _files.Select(StampOf));

    private static string StampOf(string file)
    {
        try
        {
            var info = new FileInfo(file);
            FileSystemInfo target = info.ResolveLinkTarget(returnFinalTarget: true) ?? info;
            return target.Exists
                ? $"{target.FullName}:{target.LastWriteTimeUtc.Ticks}"
                : "missing";
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return failure.Message;
        }
    }
}
