using Backprop.Training.Simulation;

namespace Backprop.Training.Tests.Simulation;

/// <summary>Clusters in which everything goes wrong end in the single process's bits, and a
/// simulation would find it if they did not.</summary>
public sealed class ClusterSimulatorTests
{
    private const ulong Seeds = 1_000;

    public static TheoryData<PlantedBug> Bugs =>
        [.. Enum.GetValues<PlantedBug>().Where(bug => bug != PlantedBug.None)];

    [Fact]
    public void A_thousand_seeds_end_in_the_single_processs_bits_and_every_fault_has_struck()
    {
        var statistics = new SimulationStatistics();
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            SimulationOutcome outcome = ClusterSimulator.Run(seed);
            Assert.True(
                outcome.Failure is null,
                $"'backprop simulate --seeds {seed} --trace' shows it: {outcome.Failure}");
            statistics.Add(outcome.Statistics);
        }

        // A dispute that comes when its run has just ended is one in ten thousand.
        Assert.All(
            statistics.All().Where(
                one => one.Name != nameof(SimulationStatistics.LateDisputes)),
            one => Assert.True(one.Count > 0, $"no {one.Name}"));
    }

    [Theory]
    [MemberData(nameof(Bugs))]
    public void A_planted_bug_is_found(PlantedBug bug)
    {
        ulong seed = 1;
        while (ClusterSimulator.Run(seed, bug).Failure is null)
        {
            seed++;
            Assert.True(seed <= Seeds, $"{bug} is not found");
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(17)]
    [InlineData(137)]
    public void A_seed_repeats_its_simulation_event_by_event(ulong seed)
    {
        SimulationOutcome first = ClusterSimulator.Run(seed, traceLines: int.MaxValue);
        SimulationOutcome second = ClusterSimulator.Run(seed, traceLines: int.MaxValue);

        Assert.Equal(first.Trace, second.Trace);
        Assert.Equal(first.Statistics.All(), second.Statistics.All());
    }

    [Fact]
    public void A_failure_says_what_is_wrong_and_what_has_led_to_it()
    {
        SimulationOutcome outcome = ClusterSimulator.Run(
            2, PlantedBug.ReplicaNotWhole, ClusterSimulator.UsualTraceLines);

        Assert.Contains("differs from the single process", outcome.Failure);
        Assert.InRange(outcome.Trace.Count, 10, ClusterSimulator.UsualTraceLines);
        Assert.Contains(outcome.Failure!, outcome.Trace[^1]);
    }
}
