using System.Diagnostics;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>A moment by which something must be done.</summary>
internal readonly struct Deadline
{
    private readonly long _start;
    private readonly TimeSpan _span;

    private Deadline(TimeSpan span)
    {
        _start = Stopwatch.GetTimestamp();
        _span = span;
    }

    /// <summary>What is left, negative when it has passed.</summary>
    public TimeSpan Left => _span - Stopwatch.GetElapsedTime(_start);

    /// <summary>From now.</summary>
    public static Deadline After(TimeSpan span) => new(span);
}
