namespace Backprop.Faults.Measuring;

/// <summary>A run that is watched while it trains.</summary>
internal abstract class WatchedRun : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan s_mostForStep = TimeSpan.FromMinutes(2);

    /// <summary>Its steps, as far as they were read.</summary>
    public Timeline Steps { get; } = new();

    /// <summary>Starts what is not running, and waits until all take part again and steps are
    /// regular.</summary>
    public abstract Task SettleAsync();

    /// <summary>Kills the process of a worker.</summary>
    /// <returns>When.</returns>
    public abstract long KillWorker(int worker);

    /// <summary>Waits for the first new step that begins after a time.</summary>
    /// <returns>Seconds since then.</returns>
    public async Task<double> NewStepAsync(long since)
    {
        long? at = null;
        await UntilAsync(
            () => (at = Steps.NewStepBegunAfter(since)) is not null, s_mostForStep, "no new step");
        return Clock.Seconds(since, at!.Value);
    }

    /// <summary>Looks at what is written until something holds.</summary>
    /// <param name="holds">That.</param>
    /// <param name="limit">For so long at most.</param>
    /// <param name="otherwise">What is wrong if it does not hold by then.</param>
    /// <exception cref="TimeoutException">It does not.</exception>
    public async Task UntilAsync(Func<bool> holds, TimeSpan limit, string otherwise)
    {
        long end = Clock.After(Clock.Now, limit);
        while (true)
        {
            Read();
            if (holds())
            {
                return;
            }

            if (Clock.Now > end)
            {
                throw new TimeoutException(
                    $"{otherwise} within {limit.TotalSeconds:0} s:\n{Describe()}");
            }

            await Task.Delay(s_look);
        }
    }

    /// <summary>Only looks, for so long.</summary>
    public Task WatchAsync(TimeSpan time)
    {
        long end = Clock.After(Clock.Now, time);
        return UntilAsync(() => Clock.Now >= end, time + s_mostForStep, "");
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Takes in what was written since the last call.</summary>
    protected abstract void Read();

    /// <summary>All that may help to find out what is wrong.</summary>
    protected abstract string Describe();
}
