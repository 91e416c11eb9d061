using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol;

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
    }

    [Fact]
    public void A_worker_that_joins_and_one_that_dies_change_nothing()
    {
        using var pool = new ComputePool(1);
        using var cluster = new InMemoryCluster(
            Plan, 2, 2, new NetworkConditions(5, Reorders: true), pool);
        var newcomer = new NodeId("newcomer");
        bool hasJoined = false, isAssigned = false, hasDied = false;
        cluster.OnStep = () =>
        {
            if (!hasJoined && cluster.LeastVersion == 2)
            {
                hasJoined = true;
                cluster.Join(newcomer);
            }
            else if (!isAssigned && cluster.IsWhole(newcomer))
            {
                isAssigned = true;
                cluster.Assign();
            }
            else if (isAssigned && !hasDied && cluster.LeastVersion == 8)
            {
                hasDied = true;
                cluster.Kill(new NodeId("worker-0"));
            }
        };

        cluster.RunToEnd();

        Assert.True(hasDied);
        AssertIsOracle(cluster);
    }

    [Theory]
    [InlineData(6, 2, 3)]
    [InlineData(7, 3, 1)]
    [InlineData(8, 1, 2)]
    public void A_checkpoint_is_taken_up_by_another_number_of_servers(
        long version, int before, int after)
    {
        using var pool = new ComputePool(1);
        using var first = new InMemoryCluster(
            Plan, before, 2, new NetworkConditions(6, Reorders: true), pool)
        {
            DieAfterCheckpoint = version,
        };
        first.RunToEnd();
        Assert.Equal(version, first.Saved.Origin!.Saved);

        using var second = new InMemoryCluster(
            Plan, after, 3, new NetworkConditions(7, Reorders: true), pool, first.Saved);
        second.RunToEnd();

        AssertIsOracle(second);
    }

    [Fact]
    public void When_all_workers_die_at_once_others_take_up_the_step()
    {
        using var pool = new ComputePool(1);
        using var cluster = new InMemoryCluster(
            Plan, 3, 2, new NetworkConditions(8, Reorders: true), pool);
        bool haveDied = false, isAssigned = false;
        cluster.OnStep = () =>
        {
            if (!haveDied && cluster.LeastVersion == 4 && cluster.MostVersion == 5)
            {
                haveDied = true;
                cluster.Network.LoseAll();
                cluster.Kill(new NodeId("worker-0"));
                cluster.Kill(new NodeId("worker-1"));
                cluster.Join(new NodeId("newcomer"));
            }
            else if (haveDied && !isAssigned && cluster.IsWhole(new NodeId("newcomer")))
            {
                isAssigned = true;
                cluster.Assign();
            }
        };

        cluster.RunToEnd();

        Assert.True(isAssigned);
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
