namespace Backprop.Training.Protocol.Coordination;

/// <summary>The time of day as a coordinator counts it: taken from the machine's clock once and
/// counted on by one that nobody sets, so that no wait becomes shorter or longer when the machine's
/// clock is put right.</summary>
/// <param name="time">The machine's clocks.</param>
public sealed class SteadyTime(TimeProvider time)
{
    private readonly long _began = time.GetTimestamp();
    private DateTimeOffset _origin = time.GetUtcNow();

    /// <summary>Never before what it was.</summary>
    public DateTimeOffset Now => _origin + time.GetElapsedTime(_began);

    /// <summary>Goes on from a moment that is known to be over, if that is later.</summary>
    public void NotBefore(DateTimeOffset moment)
    {
        TimeSpan behind = moment - Now;
        if (behind > TimeSpan.Zero)
        {
            _origin += behind;
        }
    }
}
