using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Simulation;

namespace Backprop.Training.Tests.Protocol;

/// <summary>However many servers and workers train a run, and whatever becomes of their messages,
/// they end in the weights of the single process.</summary>
public sealed class ProtocolEqualityTests
{
    private static readonly TrainingPlan Plan = Wide(TestPlans.Everything());

    public static TheoryData<int, int> Sizes()
    {
        var sizes = new TheoryData<int, int>();
        foreach (int servers in new[] { 1, 2, 3 })
        {
            foreach (int workers in new[] { 1, 2, 3, 5 })
            {
                sizes.Add(servers, workers);
            }
        }

        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Any_number_of_servers_and_workers_ends_in_the_same_bits(int servers, int workers)
    {
        SimulationOutcome outcome = Simulate(Plan, servers, workers);

        Assert.Equal(servers, Opened(outcome).Single().Servers.Length);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Messages_that_are_lost_repeated_and_reordered_change_nothing(ulong seed)
    {
        SimulationOutcome outcome = Simulate(new Scenario
        {
            Seed = seed,
            Plan = Plan,
            Nodes = Nodes(servers: 2, workers: 3),
            Network = new NetworkConditions { Drops = 0.05, Duplicates = 0.1 },
            FaultsEnd = TimeSpan.FromHours(1),
        });

        Assert.NotEqual(0, outcome.Statistics.Drops);
        Assert.NotEqual(0, outcome.Statistics.DuplicateGradients);
        Assert.NotEqual(0, outcome.Statistics.StepsAhead);
    }

    [Fact]
    public void Workers_that_join_and_die_change_nothing()
    {
        SimulationOutcome outcome = Simulate(
            Plan, 2, 2, (2, new Fault.Join(false, true, 1)), (8, new Fault.Crash(2, null)));

        Assert.Contains(
            outcome.Events.OfType<WorkersAssigned>(),
            assigned => assigned.Ranges.Any(range => range.Worker.Value == "node-4.1"));
        Assert.Single(Opened(outcome));
    }

    [Fact]
    public void When_all_workers_die_at_once_others_take_up_the_step()
    {
        SimulationOutcome outcome = Simulate(
            Plan, 3, 2, (4, new Fault.LoseAllUnderWay()), (4, new Fault.Crash(3, null)),
            (4, new Fault.Crash(4, null)), (4, new Fault.Join(false, true, 1)));

        Assert.Single(Opened(outcome));
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(7, 2)]
    [InlineData(10, 3)]
    public void A_lost_server_takes_the_run_back_to_a_checkpoint_and_its_slices_are_cut_anew(
        long version, int left)
    {
        (long, Fault)[] faults =
        [
            .. Enumerable.Repeat<(long, Fault)>(
                (version - 1, new Fault.Join(true, false, 1)), left - 1),
            (version, new Fault.Crash(1, null)),
        ];

        SimulationOutcome outcome = Simulate(Plan, 2, 2, faults);

        GenerationOpened[] opened = Opened(outcome);
        Assert.Equal(2, opened.Length);
        Assert.Equal(left, opened[1].Servers.Length);
        Assert.Equal(version >= 6, opened[1].From is not null);
    }

    [Theory]
    [InlineData(5, 2)]
    [InlineData(8, 3)]
    [InlineData(11, 4)]
    public void A_lost_server_takes_the_run_back_to_copies_in_memory(long version, int servers)
    {
        (long, Fault)[] faults =
        [
            .. Enumerable.Repeat<(long, Fault)>(
                (version - 1, new Fault.Join(true, false, 1)), servers - 2),
            (version, new Fault.Crash(1, null)),
        ];

        SimulationOutcome outcome = Simulate(Copying(Plan, 3, 2, faults));

        GenerationOpened[] opened = Opened(outcome);
        Assert.Equal(2, opened.Length);
        Assert.Equal(Math.Min(3, servers), opened[1].Servers.Length);
        long newest = outcome.Events.TakeWhile(one => one != opened[1])
            .OfType<CheckpointCommitted>().Last().Manifest.Version;
        Assert.True(opened[1].Copies!.Version > newest);
    }

    [Fact]
    public void A_server_and_its_keeper_that_die_take_the_run_back_to_its_checkpoint()
    {
        SimulationOutcome outcome = Simulate(Copying(
            Plan, 3, 2, (8, new Fault.Crash(1, null)), (8, new Fault.Crash(2, null))));

        GenerationOpened last = Opened(outcome)[^1];
        Assert.Null(last.Copies);
        Assert.NotNull(last.From);
    }

    [Fact]
    public void A_keeper_that_dies_while_slices_open_from_it_holds_nothing_up_for_good()
    {
        SimulationOutcome outcome = Simulate(Copying(
            Plan, 3, 2, (8, new Fault.Crash(2, null)), (8, new Fault.LoseAllUnderWay()),
            (8, new Fault.Crash(0, null))));

        Assert.Null(Opened(outcome)[^1].Copies);
    }

    [Fact]
    public void A_coordinator_that_dies_is_followed_by_another_in_the_same_generation()
    {
        var moves = new Fault.MoveCoordinator(TimeSpan.FromSeconds(1), TimeSpan.Zero);

        SimulationOutcome outcome =
            Simulate(Plan, 2, 2, (1, moves), (3, moves), (8, moves), (14, moves));

        Assert.Single(Opened(outcome));
        Assert.Equal(5, outcome.Events.OfType<CoordinatorTookOver>().Count());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 3)]
    public void Several_outputs_and_what_they_are_judged_by_are_the_single_processs(
        int servers, int workers) => Simulate(new Scenario
    {
        Seed = 5,
        Plan = TestPlans.NamedOutputs(),
        Nodes = Nodes(servers, workers),
        Network = new NetworkConditions { Drops = 0.05, Duplicates = 0.1 },
        FaultsEnd = TimeSpan.FromHours(1),
    });

    [Fact]
    public void Micro_batches_without_rows_are_computed_and_counted_like_others() =>
        // The last batch of an epoch has 10 rows for 16 micro-batches.
        Simulate(Plan with { MicroBatches = 16, Epochs = 2 }, 2, 5);

    private static SimulationOutcome Simulate(
        TrainingPlan plan, int servers, int workers,
        params (long Version, Fault Fault)[] faults) =>
        Simulate(Disturbed(plan, servers, workers, faults));

    private static Scenario Copying(
        TrainingPlan plan, int servers, int workers,
        params (long Version, Fault Fault)[] faults) =>
        Disturbed(plan, servers, workers, faults) with
        {
            Copies = new CopyOptions { Share = 1, LeastInterval = TimeSpan.Zero },
        };

    private static Scenario Disturbed(
        TrainingPlan plan, int servers, int workers,
        params (long Version, Fault Fault)[] faults) => new()
    {
        Seed = 8,
        Plan = plan,
        Nodes = Nodes(servers, workers),
        Faults =
        [
            .. faults.Select(one => new ScheduledFault(one.Fault, TimeSpan.Zero, one.Version)),
        ],
    };

    // It ends in the single process's bits, or says where it does not.
    private static SimulationOutcome Simulate(Scenario scenario)
    {
        SimulationOutcome outcome = ClusterSimulator.Run(
            scenario, traceLines: ClusterSimulator.UsualTraceLines);
        Assert.True(outcome.Failure is null, string.Join('\n', outcome.Trace));
        return outcome;
    }

    private static ImmutableArray<SimulatedRoles> Nodes(int servers, int workers) =>
    [
        .. Enumerable.Repeat(new SimulatedRoles(true, false), servers),
        .. Enumerable.Repeat(new SimulatedRoles(false, true), workers),
    ];

    private static GenerationOpened[] Opened(SimulationOutcome outcome) =>
        [.. outcome.Events.OfType<GenerationOpened>()];

    // The same run with a network of three parameter blocks, so that there can be three slices.
    private static TrainingPlan Wide(TrainingPlan plan) => plan with
    {
        Network = Network.Build(
            Shape.Of(2),
            [
                new DenseDefinition(300),
                new BatchNormalizationDefinition(),
                new ReluDefinition(),
                new DropoutDefinition(0.2f),
                new DenseDefinition(480) { Activation = new TanhDefinition() },
                new DenseDefinition(3),
            ]),
    };
}
