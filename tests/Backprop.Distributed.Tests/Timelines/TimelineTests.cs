using System.Collections.Immutable;
using Akka.Configuration;
using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Timelines;

/// <summary>A cluster that trains is asked what it has done lately.</summary>
public sealed class TimelineTests : IAsyncLifetime
{
    private const int Workers = 3;
    private const int Servers = 2;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly EmbeddedCluster _cluster = new(new EmbeddedOptions
    {
        Workers = Workers,
        ParameterServers = Servers,
        Threads = 1,
        // Akka's supervisor of restarts sends itself what no serializer of ours takes.
        Persistence = ConfigurationFactory.ParseString("akka.actor.serialize-messages = off")
            .WithFallback(ActorConfiguration.Config),
        Data = new DataSourceOpener(),
        MemoryLimitBytes = long.MaxValue,
        OnHung = reason => throw new TimeoutException(reason),
    });

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _cluster.DisposeAsync().AsTask();

    [Fact]
    public async Task Every_node_tells_what_it_did_step_by_step()
    {
        TimelineView view = await AwaitAsync(await TrainAsync(), IsFull);

        Assert.Equal(TestRun.Plan.MicroBatches, view.MicroBatches);
        Assert.InRange(view.EndStep - view.FirstStep, 1, StepTimeline.Steps);
        Assert.Empty(view.Missing);
        Assert.Equal(
            ["worker-1", "worker-2", "worker-3"],
            view.Workers.Select(worker => worker.Node.Value).Order());
        Assert.Equal([0, 1], view.Servers.Select(server => server.Slice));
        Assert.All(view.Workers, worker => AssertTold(
            view, worker.Spans, SpanKind.Compute, SpanKind.Push, SpanKind.Wait));
        AssertComputedWhatCame(view);
        Assert.All(view.Servers, server => AssertTold(
            view, server.Spans, SpanKind.Gather, SpanKind.Apply, SpanKind.Broadcast));
    }

    [Fact]
    public async Task The_gradient_tree_of_each_step_counts_every_micro_batch_once()
    {
        TimelineView view = await AwaitAsync(await TrainAsync(), IsFull);

        foreach (int slice in (int[])[0, 1])
        {
            TreeView[] trees = [.. view.Trees.Where(tree => tree.Slice == slice)];
            TreeView[] whole = [.. trees.Where(tree => tree.Whole is not null)];
            Assert.Equal(ArrivalTimeline.Steps, whole.Length);
            Assert.InRange(trees.Length - whole.Length, 0, 1);
            Assert.Equal(
                Enumerable.Range(0, whole.Length).Select(i => whole[0].Step + i),
                whole.Select(tree => tree.Step));
            Assert.All(whole, tree => Assert.Equal(
                Enumerable.Range(0, view.MicroBatches),
                tree.Arrivals.SelectMany(
                    one => Enumerable.Range(one.FirstMicroBatch, one.Count))));
            Assert.All(whole, tree => Assert.All(
                tree.Arrivals, arrival => Assert.InRange(arrival.At, 0, tree.Whole!.Value)));
            Assert.Subset(
                view.Workers.Select(worker => worker.Node).ToHashSet(),
                whole.SelectMany(tree => tree.Arrivals).Select(one => one.Worker).ToHashSet());
        }
    }

    [Fact]
    public async Task Many_that_ask_at_once_are_all_answered()
    {
        RunId run = await TrainAsync();
        await AwaitAsync(run, one => one.EndStep > 0);

        CoordinatorAnswer[] answers = await Task.WhenAll(
            Enumerable.Range(0, 50).Select(_ => AskAsync(run))).WaitAsync(s_limit);

        Assert.All(answers, answer => Assert.IsType<CoordinatorAnswer.Timeline>(answer));
    }

    [Fact]
    public async Task A_run_that_is_not_open_keeps_nothing()
    {
        RunId run = await TrainAsync();
        await AwaitAsync(run, one => one.EndStep > 0);
        await _cluster.Client.AskAsync(
            new CoordinatorRequest.ControlRun(run, RunControl.Pause), default);

        CoordinatorAnswer answer;
        using var limit = new CancellationTokenSource(s_limit);
        while ((answer = await AskAsync(run)) is CoordinatorAnswer.Timeline)
        {
            await Task.Delay(5, limit.Token);
        }

        var refused = Assert.IsType<CoordinatorAnswer.Refused>(answer);
        Assert.Equal(RefusalKind.Conflict, refused.Kind);
        Assert.Contains("paused", refused.Reason);
        refused = Assert.IsType<CoordinatorAnswer.Refused>(await AskAsync(new RunId("none-1")));
        Assert.Equal(RefusalKind.NotFound, refused.Kind);
    }

    private static bool IsFull(TimelineView view) =>
        view.EndStep > 100 && view.Workers.Length == Workers && view.Servers.Length == Servers;

    // Who is slow for a while has nothing to compute in some steps; whoever sent gradients had. Not
    // all are asked at the same moment, so that only steps count that both sides have told.
    private static void AssertComputedWhatCame(TimelineView view)
    {
        ILookup<NodeId, long> sent = (
            from tree in view.Trees
            from arrival in tree.Arrivals
            select (tree.Step, arrival.Worker)).ToLookup(one => one.Worker, one => one.Step);
        long[] all = [];
        foreach (WorkerTimelineView worker in view.Workers.Where(one => !one.Spans.IsEmpty))
        {
            HashSet<long> computed =
            [
                .. worker.Spans.Where(span => span.Kind == SpanKind.Compute)
                    .Select(span => span.Step),
            ];
            long[] told =
            [
                .. sent[worker.Node]
                    .Where(step => step >= computed.Min() && step <= computed.Max()).Distinct(),
            ];
            Assert.Subset(computed, told.ToHashSet());
            all = [.. all, .. told];
        }

        Assert.NotEmpty(all);
    }

    // One span of a kind in a step, each begins where the one before it ended or later, and steps
    // stand in order.
    private static void AssertTold(
        TimelineView view, ImmutableArray<SpanView> spans, params SpanKind[] kinds)
    {
        Assert.Subset(kinds.ToHashSet(), spans.Select(span => span.Kind).ToHashSet());
        Assert.All(spans, span =>
        {
            Assert.InRange(span.Step, view.FirstStep, view.EndStep - 1);
            Assert.InRange(span.Begin, 0, span.End);
        });
        Assert.Equal(
            spans.OrderBy(span => span.Step).ThenBy(span => span.Kind), spans.AsEnumerable());
        foreach (IGrouping<long, SpanView> step in spans.GroupBy(span => span.Step))
        {
            SpanView[] told = [.. step];
            Assert.Equal(told.Length, told.Select(span => span.Kind).Distinct().Count());
            for (int i = 1; i < told.Length; i++)
            {
                Assert.InRange(told[i].Begin, told[i - 1].End, double.MaxValue);
            }
        }

        // All but those that are under way are whole.
        Assert.InRange(
            spans.GroupBy(span => span.Step).Count(step => step.Count() < kinds.Length), 0, 2);
    }

    private async Task<RunId> TrainAsync()
    {
        CoordinatorAnswer submitted = await _cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(
                Guid.NewGuid(),
                TestRun.Specification.Replace("epochs = 4", "epochs = 100000"), "test.conf", 0),
            default);
        return Assert.IsType<CoordinatorAnswer.Submitted>(submitted).Id;
    }

    private Task<CoordinatorAnswer> AskAsync(RunId run) =>
        _cluster.Client.AskAsync(new CoordinatorRequest.ShowTimeline(run), default);

    private async Task<TimelineView> AwaitAsync(RunId run, Func<TimelineView, bool> isSeen)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            CoordinatorAnswer answer = await AskAsync(run);
            if (answer is CoordinatorAnswer.Timeline { View: var view } && isSeen(view))
            {
                return view;
            }

            Assert.False(limit.IsCancellationRequested, answer.ToString());
            await Task.Delay(5);
        }
    }
}
