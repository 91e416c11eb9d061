namespace Backprop.Training.Simulation;

/// <summary>The clocks of the machines that coordinators run on: one that tells the time of day,
/// which can be set, and one that counts, which cannot.</summary>
internal sealed class SimulatedClock(EventQueue queue) : TimeProvider
{
    /// <summary>What the time of day is ahead of where it would be if nobody had set it.</summary>
    public TimeSpan DaysOffset { get; set; } = TimeSpan.FromDays(1);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() =>
        DateTimeOffset.UnixEpoch + queue.Now + DaysOffset;

    public override long GetTimestamp() => queue.Now.Ticks;
}
