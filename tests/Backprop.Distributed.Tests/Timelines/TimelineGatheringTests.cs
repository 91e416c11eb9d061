using Akka.Actor;
using Backprop.Distributed.Serialization;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Timelines;

/// <summary>What nodes tell, put together: times of several machines, and answers of strangers.
/// </summary>
public sealed class TimelineGatheringTests
{
    private static readonly DateTimeOffset s_askedAt = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);
    private static readonly Generation s_generation = new(2);
    private static readonly NodeId s_server = new("server");
    private static readonly NodeId s_worker = new("worker");

    private readonly TimelineGathering _gathering = Of(
        new AskedNode(s_server, 0, ActorRefs.Nobody),
        new AskedNode(s_worker, null, ActorRefs.Nobody));

    [Fact]
    public void It_is_whole_once_everybody_has_answered()
    {
        Assert.Null(Enter(Worker()));
        Assert.False(_gathering.IsWhole);
        Assert.Equal([s_server], View().Missing.AsEnumerable());

        Assert.Null(Enter(Server()));

        Assert.True(_gathering.IsWhole);
        Assert.Empty(View().Missing);
    }

    [Fact]
    public void Whoever_cannot_be_reached_is_missing_and_not_waited_for()
    {
        TimelineGathering gathering = Of(new AskedNode(s_worker, null, null));

        Assert.True(gathering.IsWhole);
        Assert.Equal([s_worker], gathering.View(s_askedAt).Missing.AsEnumerable());
    }

    [Fact]
    public void Times_are_seconds_from_the_first_of_them()
    {
        Enter(Worker(new TimelineSpan(3, SpanKind.Compute, -4 * s_second, -2 * s_second)));
        Enter(Server() with
        {
            Spans = [new TimelineSpan(3, SpanKind.Gather, -3 * s_second, -s_second)],
            Trees =
            [
                new TreeArrivals(
                    3, [new NodeArrival(s_worker, 0, 5, -2 * s_second)], -s_second),
            ],
        });

        TimelineView view = View();

        Assert.Equal((3L, 4L), (view.FirstStep, view.EndStep));
        Assert.Equal(TestRun.Plan.MicroBatches, view.MicroBatches);
        Assert.Equal(
            new SpanView(3, SpanKind.Compute, 0, 2), Assert.Single(view.Workers[0].Spans));
        Assert.Equal(
            new SpanView(3, SpanKind.Gather, 1, 3), Assert.Single(view.Servers[0].Spans));
        TreeView tree = Assert.Single(view.Trees);
        Assert.Equal((3L, 0, (double?)3), (tree.Step, tree.Slice, tree.Whole));
        Assert.Equal(new ArrivalView(s_worker, 0, 5, 2), Assert.Single(tree.Arrivals));
    }

    // The worker's clock is an hour late, and the server's an hour early: both answered between the
    // question and a second later.
    [Fact]
    public void Clocks_that_are_wrong_are_put_right_by_when_a_node_was_asked_and_has_answered()
    {
        TimelineSpan span = new(3, SpanKind.Compute, -s_second, TimeSpan.Zero);
        Enter(Worker(span) with { At = s_askedAt - TimeSpan.FromHours(1) });
        Enter(Server() with
        {
            At = s_askedAt + TimeSpan.FromHours(1),
            Spans = [span with { Kind = SpanKind.Gather }],
        });

        Assert.Equal(0, View().Workers[0].Spans[0].Begin);
        Assert.Equal(1, View().Servers[0].Spans[0].Begin);
    }

    [Fact]
    public void Where_many_nodes_were_asked_fewer_steps_are_told_the_newest_ones()
    {
        int most = TimelineGathering.MaxNodes;
        AskedNode[] asked =
        [
            .. Enumerable.Range(0, most).Select(
                i => new AskedNode(new NodeId($"server-{i}"), i, ActorRefs.Nobody)),
            .. Enumerable.Range(0, most).Select(
                i => new AskedNode(new NodeId($"worker-{i}"), null, ActorRefs.Nobody)),
        ];
        TimelineSpan[] spans =
        [
            .. from step in Enumerable.Range(0, 12)
               from kind in (SpanKind[])[SpanKind.Compute, SpanKind.Push, SpanKind.Wait]
               select new TimelineSpan(step, kind, -100 * s_second, -50 * s_second),
        ];
        TreeArrivals[] trees =
        [
            .. Enumerable.Range(4, 8).Select(step => new TreeArrivals(
                step,
                [
                    .. Enumerable.Range(0, TestRun.Plan.MicroBatches).Select(
                        i => new NodeArrival(asked[most + i].Node, i, 1, -60 * s_second)),
                ],
                -55 * s_second)),
        ];
        TimelineGathering gathering = Of(asked);
        foreach (AskedNode one in asked)
        {
            Assert.Null(gathering.Enter(
                Worker(spans) with
                {
                    Node = one.Node,
                    Slice = one.Slice,
                    Trees = one.Slice is null ? [] : [.. trees],
                },
                s_askedAt));
        }

        TimelineView view = gathering.View(s_askedAt);

        Assert.Equal(12, view.EndStep);
        Assert.InRange(view.FirstStep, 1, 11);
        Assert.Contains(view.Trees, tree => tree.Step == 11);
        Assert.InRange(TimelineMessages.ToWire(view).CalculateSize(), 20_000, 128_000);
    }

    [Fact]
    public void What_is_not_an_answer_to_the_question_is_dropped()
    {
        TimelineAnswer right = Server() with
        {
            Trees = [new TreeArrivals(3, [new NodeArrival(s_worker, 4, 1, TimeSpan.Zero)], null)],
        };
        TimelineAnswer[] wrong =
        [
            right with { Run = new RunId("another-1") },
            right with { Generation = new Generation(1) },
            right with { Node = new NodeId("stranger") },
            right with { Slice = 1 },
            right with { Slice = null },
            right with { Spans = [new TimelineSpan(-1, SpanKind.Apply, default, default)] },
            right with { Spans = [new TimelineSpan(3, SpanKind.Apply, s_second, default)] },
            right with { Spans = [new TimelineSpan(1 << 20, SpanKind.Apply, default, default)] },
            right with
            {
                Trees = [new TreeArrivals(3, [new NodeArrival(s_worker, 4, 2, default)], null)],
            },
        ];

        Assert.All(wrong, answer => Assert.NotNull(Enter(answer)));
        Assert.Equal(2, View().Missing.Length);
        Assert.Null(Enter(right));
        Assert.NotNull(Enter(right));
    }

    [Fact]
    public async Task Nodes_that_do_not_answer_are_waited_for_no_longer_than_the_deadline()
    {
        using ActorSystem system = ActorSystem.Create("timelines", ActorConfiguration.Config);
        IActorRef silent = system.ActorOf(Props.Create(() => new Silent()));
        var asked = new AskedNode(s_worker, null, silent);
        Props gatherer = TimelineGatherer.Props(
            new TimelineRequest(TestRun.Id, s_generation, null), [asked], Of(asked),
            TimeProvider.System, TimeSpan.FromMilliseconds(50));
        var seen = new TaskCompletionSource<TimelineView>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        system.ActorOf(Props.Create(() => new Asker(gatherer, seen)));

        TimelineView view = await seen.Task.WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal([s_worker], view.Missing.AsEnumerable());
    }

    private static TimelineGathering Of(params AskedNode[] asked) => new(
        TestRun.Id, s_generation, RunDimensions.Of(TestRun.Plan), [.. asked], s_askedAt);

    private static TimelineAnswer Worker(params TimelineSpan[] spans) => new(
        TestRun.Id, s_worker, s_generation, null, s_askedAt, [.. spans], []);

    private static TimelineAnswer Server() => new(
        TestRun.Id, s_server, s_generation, 0, s_askedAt, [], []);

    private string? Enter(TimelineAnswer answer) =>
        _gathering.Enter(answer, s_askedAt + s_second);

    private TimelineView View() => _gathering.View(s_askedAt + s_second);

    private sealed class Silent : UntypedActor
    {
        protected override void OnReceive(object message)
        {
        }
    }

    private sealed class Asker(Props gatherer, TaskCompletionSource<TimelineView> seen)
        : UntypedActor
    {
        protected override void PreStart() => Context.ActorOf(gatherer);

        protected override void OnReceive(object message) =>
            seen.TrySetResult(((TimelineGathered)message).View);
    }
}
