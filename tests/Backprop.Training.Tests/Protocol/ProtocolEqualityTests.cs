using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol;

/// <summary>However many servers and workers train a run, and whatever becomes of their messages,
/// they end in the weights of the single process.</summary>
public sealed class ProtocolEqualityTests
{
    private static readonly TrainingPlan Plan = Wide(TestPlans.Everything());

    private static readonly Lazy<TrainingResult> Oracle = new(() => Train(Plan));

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
        using var pool = new ComputePool(1);
        using var cluster = new InMemoryCluster(
            Plan, servers, workers, new NetworkConditions(), pool);

        cluster.RunToEnd();

        AssertIsOracle(cluster);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Messages_that_are_lost_repeated_and_reordered_change_nothing(ulong seed)
    {
        using var pool = new ComputePool(1);
        var conditions = new NetworkConditions(seed, Reorders: true, Duplicates: 0.1, Drops: 0.05);
        using var cluster = new InMemoryCluster(Plan, 2, 3, conditions, pool);

        cluster.RunToEnd();

        AssertIsOracle(cluster);
        Assert.True(cluster.StepsGoneOnWith > 0, "no step began while its weights were coming");
    }

    [Fact]
    public void Workers_that_join_and_die_change_nothing()
    {
        using var pool = new ComputePool(1);
        using InMemoryCluster cluster = Disturbed(
            pool, servers: 2, workers: 2,
            (2, one => one.Join("newcomer")), (8, one => one.Kill("worker-0")));

        cluster.RunToEnd();

        Assert.Contains(
            cluster.Journal.OfType<WorkersAssigned>(),
            assigned => assigned.Ranges.Any(range => range.Worker.Value == "newcomer"));
        Assert.Single(cluster.Journal.OfType<GenerationOpened>());
        AssertIsOracle(cluster);
    }

    [Fact]
    public void When_all_workers_die_at_once_others_take_up_the_step()
    {
        using var pool = new ComputePool(1);
        using InMemoryCluster cluster = Disturbed(
            pool, servers: 3, workers: 2,
            (4, one =>
            {
                one.Network.LoseAll();
                one.Join("newcomer");
                one.Kill("worker-0");
                one.Kill("worker-1");
            }
        ));

        cluster.RunToEnd();

        Assert.Single(cluster.Journal.OfType<GenerationOpened>());
        AssertIsOracle(cluster);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(7, 2)]
    [InlineData(10, 3)]
    public void A_lost_server_takes_the_run_back_to_a_checkpoint_and_its_slices_are_cut_anew(
        long version, int left)
    {
        using var pool = new ComputePool(1);
        using InMemoryCluster cluster = Disturbed(
            pool, servers: 2, workers: 2,
            (version, one =>
            {
                for (int i = 1; i < left; i++)
                {
                    one.Join($"server-new-{i}", isServer: true);
                }

                one.Kill("server-1");
            }
        ));

        cluster.RunToEnd();

        GenerationOpened[] opened = [.. cluster.Journal.OfType<GenerationOpened>()];
        Assert.Equal(2, opened.Length);
        Assert.Equal(left, opened[1].Servers.Length);
        Assert.Equal(version >= 6, opened[1].From is not null);
        AssertIsOracle(cluster);
    }

    [Fact]
    public void A_coordinator_that_dies_is_followed_by_another_in_the_same_generation()
    {
        using var pool = new ComputePool(1);
        using InMemoryCluster cluster = Disturbed(
            pool, servers: 2, workers: 2,
            (1, one => one.RestartCoordinator()), (3, one => one.RestartCoordinator()),
            (8, one => one.RestartCoordinator()), (14, one => one.RestartCoordinator()));

        cluster.RunToEnd();

        Assert.Single(cluster.Journal.OfType<GenerationOpened>());
        AssertIsOracle(cluster);
    }

    [Fact]
    public void Micro_batches_without_rows_are_computed_and_counted_like_others()
    {
        // The last batch of an epoch has 10 rows for 16 micro-batches.
        TrainingPlan plan = Plan with { MicroBatches = 16, Epochs = 2 };
        TrainingResult expected = Train(plan);
        using var pool = new ComputePool(1);
        using var cluster = new InMemoryCluster(plan, 2, 5, new NetworkConditions(), pool);

        cluster.RunToEnd();

        Assert.Equal(expected.StateSha256, cluster.StateSha256());
    }

    // Lets things happen, each once, when the slowest server reaches a version.
    private static InMemoryCluster Disturbed(
        ComputePool pool, int servers, int workers,
        params (long Version, Action<InMemoryCluster> Happens)[] disturbances)
    {
        var cluster = new InMemoryCluster(
            Plan, servers, workers, new NetworkConditions(8, Reorders: true), pool);
        int next = 0;
        cluster.OnStep = () =>
        {
            if (next < disturbances.Length && cluster.LeastVersion == disturbances[next].Version)
            {
                disturbances[next++].Happens(cluster);
            }
        };
        return cluster;
    }

    private static void AssertIsOracle(InMemoryCluster cluster)
    {
        TrainingResult expected = Oracle.Value;
        Assert.Equal(expected.Losses, cluster.History.Select(epoch => epoch.TrainingLoss));
        Assert.Equal(
            expected.History.Select(epoch => epoch.Validation!.Loss),
            cluster.History.Select(epoch => epoch.Validation!.Loss));
        Assert.Equal(
            expected.History.SelectMany(epoch => epoch.Layers),
            cluster.History.SelectMany(epoch => epoch.Layers));
        Assert.Equal(expected.StateSha256, cluster.StateSha256());
        Assert.Equal(expected.WeightsSha256, cluster.WeightsSha256(expected.FinalIsBest));
    }

    private static TrainingResult Train(TrainingPlan plan)
    {
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime());
        using var observer = new RecordingObserver();
        return trainer.Run(observer, checkpoints: null, CancellationToken.None);
    }

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
