using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>A machine's clock that is put right changes no wait.</summary>
public sealed class SteadyTimeTests
{
    private static readonly DateTimeOffset s_noon = new(2026, 5, 6, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_time_goes_on_evenly_whatever_the_machines_clock_does()
    {
        var machine = new JumpingTime { Day = s_noon };
        var steady = new SteadyTime(machine);
        machine.Elapsed = TimeSpan.FromSeconds(5);
        machine.Day = s_noon.AddHours(-3);
        Assert.Equal(s_noon.AddSeconds(5), steady.Now);

        steady.NotBefore(s_noon.AddHours(1));
        machine.Elapsed = TimeSpan.FromSeconds(7);
        Assert.Equal(s_noon.AddHours(1).AddSeconds(2), steady.Now);
        steady.NotBefore(s_noon);
        Assert.Equal(s_noon.AddHours(1).AddSeconds(2), steady.Now);
    }

    private sealed class JumpingTime : TimeProvider
    {
        public DateTimeOffset Day { get; set; }

        public TimeSpan Elapsed { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override DateTimeOffset GetUtcNow() => Day;

        public override long GetTimestamp() => Elapsed.Ticks;
    }
}
