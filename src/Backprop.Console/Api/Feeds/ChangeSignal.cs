namespace Backprop.Console.Api.Feeds;

/// <summary>Wakes those who wait for a change of something. Safe for any thread; what changes, and
/// <see cref="Next"/> before it is waited for, is looked at under its owner's lock.</summary>
/// <param name="time">The clock.</param>
internal sealed class ChangeSignal(TimeProvider time)
{
    // As many as are served in some milliseconds, so that who asks for something else in between
    // does not stand behind all the others.
    private const int AtOnce = 16;
    private static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(5);

    private TaskCompletionSource _next = New();
    private int _woken;

    /// <summary>Completes with the next change.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <summary>Something has changed.</summary>
    public void Raise()
    {
        Volatile.Write(ref _woken, 0);
        Interlocked.Exchange(ref _next, New()).SetResult();
    }

    /// <summary>Waits for a change, or until a time is over. Where many wait, some are woken after
    /// the others.</summary>
    public async Task WaitAsync(Task next, TimeSpan most, CancellationToken cancellation)
    {
        try
        {
            await next.WaitAsync(most, time, cancellation);
        }
        catch (TimeoutException)
        {
            // There is nothing new.
            return;
        }

        int before = (Interlocked.Increment(ref _woken) - 1) / AtOnce;
        if (before > 0)
        {
            await Task.Delay(before * s_between, time, cancellation);
        }
    }

    private static TaskCompletionSource New() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);
}
