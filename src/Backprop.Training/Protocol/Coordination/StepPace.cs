namespace Backprop.Training.Protocol.Coordination;

/// <summary>How far steps are, and how fast.</summary>
/// <param name="Version">The version of the first server.</param>
/// <param name="StepTime">What a step takes, above 0.</param>
/// <param name="At">When that was said.</param>
public sealed record StepPace(long Version, TimeSpan StepTime, DateTimeOffset At)
{
    // Of every version something is heard, or once in a fraction of a second.
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(2);

    /// <summary>A version that is made in so long, or later; null: steps may stand still.</summary>
    /// <param name="notice">So long.</param>
    /// <param name="now">The time.</param>
    public long? VersionAfter(TimeSpan notice, DateTimeOffset now)
    {
        TimeSpan silent = now - At;
        return silent <= s_silence + (2 * StepTime)
            ? Version + 1 + (long)Math.Ceiling((silent + notice) / StepTime)
            : null;
    }
}
