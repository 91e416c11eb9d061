using Backprop.Chaos.Schedules;

namespace Backprop.Chaos.Tests;

/// <summary>
/// Whatever happens to a cluster of real processes while it trains, a run ends in the bits of one
/// that nothing happened to. More schedules, on larger clusters, are run on request: see
/// CONTRIBUTING.md.
/// </summary>
public sealed class ChaosTests : IClassFixture<ChaosTests.Undisturbed>
{
    private const int Faults = 5;

    private readonly Undisturbed _undisturbed;

    public ChaosTests(Undisturbed undisturbed) => _undisturbed = undisturbed;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 10)];

    [SkippableTheory]
    [MemberData(nameof(Seeds))]
    public async Task A_run_under_faults_ends_in_the_same_bits(int seed)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        Schedule schedule = Schedule.Of(seed, Faults, isSmall: true);
        using var run = new ScheduleRun(
            schedule, ChaosSpecification.ForSchedule(seed, Faults),
            Path.Combine(_undisturbed.Directory, $"seed-{seed}"));
        ScheduleOutcome outcome = await run.GoAsync();
        Assert.True(outcome.Failure is null, outcome.Failure);
        Assert.Equal(_undisturbed.WeightsOf(seed), outcome.Weights);
    }

    /// <summary>The runs that nothing happens to, each trained once.</summary>
    public sealed class Undisturbed : IDisposable
    {
        private readonly Dictionary<string, string> _weights = [];

        public string Directory { get; } =
            System.IO.Directory.CreateTempSubdirectory("backprop-chaos-").FullName;

        /// <summary>The digest that the run of a schedule comes to.</summary>
        public string WeightsOf(int seed)
        {
            string specification = ChaosSpecification.ForSchedule(seed, Faults);
            if (!_weights.TryGetValue(specification, out string? weights))
            {
                weights = ChaosSpecification.Undisturbed(specification, Directory);
                _weights.Add(specification, weights);
            }

            return weights;
        }

        public void Dispose() => System.IO.Directory.Delete(Directory, recursive: true);
    }
}
