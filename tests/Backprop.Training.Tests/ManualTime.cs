namespace Backprop.Training.Tests;

/// <summary>A clock that goes on only when it is looked at, by a step of its own.</summary>
internal sealed class ManualTime(TimeSpan stepPerLook = default) : TimeProvider
{
    private long _ticks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp()
    {
        _ticks += stepPerLook.Ticks;
        return _ticks;
    }

    public void Advance(TimeSpan time) => _ticks += time.Ticks;
}
