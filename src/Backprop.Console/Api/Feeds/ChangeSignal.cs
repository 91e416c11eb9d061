namespace Backprop.Console.Api.Feeds;

/// <summary>Wakes those who wait for a change of something. Safe for any thread; what changes, and
/// <see cref="Next"/> before it is waited for, is looked at under its owner's lock.</summary>
/// <param name="time">The clock.</param>
internal sealed class ChangeSignal(TimeProvider time)
{
    private TaskCompletionSource _next = New();

    /// <summary>Completes with the next change.</summary>
    public Task Next => Volatile.Read(ref _next).Task;

    /// <summary>Something has changed.</summary>
    public void Raise() => Interlocked.Exchange(ref _next, New()).SetResult();

    /// <summary>Waits for a change, or until a time is over.</summary>
    public async Task WaitAsync(Task next, TimeSpan most, CancellationToken cancellation)
    {
        try
        {
            await next.WaitAsync(most, time, cancellation);
        }
        catch (TimeoutException)
        {
            // There is nothing new.
        }
    }

    private static TaskCompletionSource New() =>
        new(TaskCreationOptions.RunContinuationsAsynchronously);
}
