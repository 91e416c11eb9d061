using Akka.Configuration;
using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Tests.Persistence;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A run's curves, held against what the single process says of each of its steps.
/// </summary>
public sealed class CurveTests
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    // Of so many epochs that it is not over when its first checkpoint is seen: what was not stored
    // when everything died at its end would be gone.
    private static readonly string s_specification = TestRun.Specification.Replace(
        "epochs = 4", "epochs = 40", StringComparison.Ordinal);

    private static readonly Lazy<StepList> s_oracle = new(Train);

    private static readonly Config s_inMemory =
        ConfigurationFactory.ParseString("akka.actor.serialize-messages = off")
            .WithFallback(ActorConfiguration.Config);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Every_step_is_on_record_as_the_single_process_makes_it(int servers)
    {
        await using EmbeddedCluster cluster = Start(servers, s_inMemory);
        RunId run = await SubmitAsync(cluster);

        Check(await ReadAsync(cluster, run));
    }

    [Fact]
    public async Task What_was_recorded_is_there_when_the_cluster_is_started_again()
    {
        using var folder = new StateFolder();
        await StateDatabase.PrepareAsync(folder.Options, StateFolder.Patience, default);
        Config persistence = PersistenceConfiguration.ToAkka(folder.Options);
        RunId run;
        await using (EmbeddedCluster before = Start(2, persistence))
        {
            run = await SubmitAsync(before);
            await FollowAsync(before, run, view => !view.Checkpoints.IsEmpty);
        }

        CurvesView told;
        await using (EmbeddedCluster after = Start(1, persistence))
        {
            told = await ReadAsync(after, run);
            // What had not been stored when everything died at once is not made again.
            Check(told, mayHaveGaps: true);
            await AwaitStoredAsync(after, run);
        }

        await using EmbeddedCluster later = Start(1, persistence);
        CurvesView stored = await ReadAsync(later, run);
        Assert.Equal(told.Segment.Points.AsEnumerable(), stored.Segment.Points);
        Assert.Equal(told.Segment.LayerNorms.AsEnumerable(), stored.Segment.LayerNorms);
    }

    [Fact]
    public async Task A_run_that_is_over_has_stored_its_curves_to_the_end()
    {
        using var folder = new StateFolder();
        await StateDatabase.PrepareAsync(folder.Options, StateFolder.Patience, default);
        await using EmbeddedCluster cluster =
            Start(2, PersistenceConfiguration.ToAkka(folder.Options));
        RunId run = await SubmitAsync(cluster);
        await FollowAsync(cluster, run, IsOver);

        CurveRecord stored =
            await cluster.Curves.LoadAsync(run, s_oracle.Value.LayerCount, default);
        Assert.Equal(s_oracle.Value.Steps.Count, stored.EndStep);
    }

    [Fact]
    public async Task Who_follows_a_run_is_told_only_what_is_new()
    {
        await using EmbeddedCluster cluster = Start(1, s_inMemory);
        RunId run = await SubmitAsync(cluster);
        CoordinatorAnswer.Followed all = await FollowAsync(cluster, run, IsOver);

        CoordinatorAnswer.Followed rest = await AskAsync(
            cluster, run, new RunCursor(3, all.View.Happenings[^2].Number, 7));

        Assert.Equal(s_oracle.Value.Epochs.Count, all.View.History.Length);
        Assert.Equal(
            all.View.History.Skip(3).Select(report => report.Epoch),
            rest.View.History.Select(report => report.Epoch));
        Assert.Equal(all.View.Happenings[^1], Assert.Single(rest.View.Happenings));
        Assert.Equal(7, rest.Curves.Segment.Points[0].FirstStep);
        Assert.Equal(
            Enumerable.Range(1, all.View.Happenings.Length).Select(number => (long)number),
            all.View.Happenings.Select(happening => happening.Number));
        Assert.Empty(rest.View.Result!.History);
    }

    private static void Check(CurvesView curves, bool mayHaveGaps = false)
    {
        StepList oracle = s_oracle.Value;
        HashSet<long> recorded = [.. curves.Segment.Points.Select(point => point.FirstStep)];
        Assert.True(mayHaveGaps || recorded.Count == oracle.Steps.Count);
        Assert.Equal(
            oracle.Steps.Where(step => recorded.Contains(step.Step)).Select(step => (
                step.Step, 1L, step.Loss, step.Loss, step.Loss, step.GradientNorm,
                step.LearningRate)),
            curves.Segment.Points.Select(point => (
                point.FirstStep, point.Steps, point.LossMin, point.LossMean, point.LossMax,
                point.GradientNorm, point.LearningRate)));
        Assert.All(curves.Segment.Points, point => Assert.InRange(point.StepSeconds, 0, 60));
        foreach (EpochReport epoch in oracle.Epochs)
        {
            Assert.Equal(epoch.Layers.Select(layer => layer.Layer), curves.Layers);
            int point = curves.Segment.Points.IndexOf(curves.Segment.Points.FirstOrDefault(
                known => known.FirstStep == epoch.StepsDone - 1));
            if (point >= 0)
            {
                Assert.Equal(
                    epoch.Layers.Select(layer => (float)layer.GradientNorm),
                    curves.Segment.NormsOf(point).ToArray());
            }
        }
    }

    private static StepList Train()
    {
        using PlannedRun planned = RunPlanner.Plan(
            TestRun.Read(s_specification), new DataSourceOpener(), long.MaxValue);
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(planned.Plan, pool, TimeProvider.System);
        var steps = new StepList();
        trainer.Run(steps, null, CancellationToken.None);
        return steps;
    }

    private static EmbeddedCluster Start(int servers, Config persistence) => new(
        new EmbeddedOptions
        {
            Workers = 2,
            ParameterServers = servers,
            Threads = 1,
            Persistence = persistence,
            Data = new DataSourceOpener(),
            MemoryLimitBytes = long.MaxValue,
            OnHung = reason => throw new TimeoutException(reason),
        });

    private static async Task<RunId> SubmitAsync(EmbeddedCluster cluster) =>
        Assert.IsType<CoordinatorAnswer.Submitted>(await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), s_specification, "test", 0),
            default)).Id;

    private static async Task<CurvesView> ReadAsync(EmbeddedCluster cluster, RunId run)
    {
        await FollowAsync(cluster, run, IsOver);
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            CurvesView curves = (await AskAsync(cluster, run, default)).Curves;
            if (curves.IsRead && curves.EndIndex == s_oracle.Value.Steps.Count)
            {
                return curves;
            }

            await Task.Delay(5, limit.Token);
        }
    }

    private static async Task AwaitStoredAsync(EmbeddedCluster cluster, RunId run)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            CurveRecord stored =
                await cluster.Curves.LoadAsync(run, s_oracle.Value.LayerCount, limit.Token);
            if (stored.EndStep == s_oracle.Value.Steps.Count)
            {
                return;
            }

            await Task.Delay(20, limit.Token);
        }
    }

    private static bool IsOver(RunView view) =>
        view.Summary.Standing == RunStanding.Completed;

    private static async Task<CoordinatorAnswer.Followed> FollowAsync(
        EmbeddedCluster cluster, RunId run, Func<RunView, bool> until)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            CoordinatorAnswer.Followed followed = await AskAsync(cluster, run, default);
            if (until(followed.View))
            {
                return followed;
            }

            await Task.Delay(5, limit.Token);
        }
    }

    private static async Task<CoordinatorAnswer.Followed> AskAsync(
        EmbeddedCluster cluster, RunId run, RunCursor known) =>
        Assert.IsType<CoordinatorAnswer.Followed>(await cluster.Client.AskAsync(
            new CoordinatorRequest.FollowRun(run, known), default));

    private sealed class StepList : ITrainingObserver
    {
        public List<StepReport> Steps { get; } = [];

        public List<EpochReport> Epochs { get; } = [];

        public int LayerCount => Epochs[0].Layers.Length;

        public void OnStep(in StepReport report) => Steps.Add(report);

        public void OnEpoch(EpochReport report) => Epochs.Add(report);

        public void OnStopped(TrainingResult result)
        {
        }
    }
}
