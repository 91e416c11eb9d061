using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>Who is asked what it did.</summary>
/// <param name="Node">The node.</param>
/// <param name="Slice">The slice that it has; null: it is asked as a worker.</param>
/// <param name="Actor">How it is reached; null: it is not.</param>
internal sealed record AskedNode(NodeId Node, int? Slice, ICanTell? Actor);

/// <summary>Answers of a run's nodes, and the view that they come to. One caller at a time.
/// </summary>
/// <remarks>Clocks of machines differ. What a node calls now lies, by the clock of who asks,
/// between the question and the answer: a node that says otherwise is moved to the nearer of them,
/// so that its times are right to within that.</remarks>
/// <param name="run">The run.</param>
/// <param name="generation">The generation.</param>
/// <param name="dimensions">The run's sizes.</param>
/// <param name="asked">Who is asked.</param>
/// <param name="askedAt">When, by the clock of who asks.</param>
internal sealed class TimelineGathering(
    RunId run, Generation generation, RunDimensions dimensions, ImmutableArray<AskedNode> asked,
    DateTimeOffset askedAt)
{
    /// <summary>Workers of a view; and servers.</summary>
    public const int MaxNodes = 64;

    /// <summary>Spans of a view: with more nodes it has fewer steps.</summary>
    public const int MaxSpans = 4_096;

    /// <summary>Arrivals of a view: with more micro-batches it has fewer trees.</summary>
    public const int MaxArrivals = 2_048;

    // Of a worker or a slice in one step.
    private const int SpansAStep = 3;

    private readonly Dictionary<(NodeId Node, int? Slice), Gathered> _gathered = [];

    /// <summary>Whether everybody who can be reached has answered.</summary>
    public bool IsWhole => asked.All(
        one => one.Actor is null || _gathered.ContainsKey((one.Node, one.Slice)));

    /// <summary>Takes an answer in.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="now">The time, by the clock of who asks.</param>
    /// <returns>Why it is dropped, in words; null: it is taken.</returns>
    public string? Enter(TimelineAnswer answer, DateTimeOffset now)
    {
        if (RefusalOf(answer) is { } reason)
        {
            return reason;
        }

        DateTimeOffset latest = now < askedAt ? askedAt : now;
        DateTimeOffset at = answer.At < askedAt ? askedAt
            : answer.At > latest ? latest
            : answer.At;
        _gathered.Add((answer.Node, answer.Slice), new Gathered(answer, at - askedAt));
        return null;
    }

    /// <summary>What the answers so far come to.</summary>
    /// <param name="taken">The time.</param>
    public TimelineView View(DateTimeOffset taken)
    {
        ImmutableArray<(AskedNode From, Gathered Told)> told =
        [
            .. asked.Where(one => _gathered.ContainsKey((one.Node, one.Slice)))
                .Select(one => (one, _gathered[(one.Node, one.Slice)])),
        ];
        (long first, long end) = StepsOf(told.Select(one => one.Told));
        ImmutableArray<(int Slice, TreeArrivals Tree)> trees = TreesOf(told, first);
        TimeSpan origin = OriginOf(told, trees, first);
        return new TimelineView
        {
            Run = run,
            Taken = taken,
            FirstStep = first,
            EndStep = end,
            MicroBatches = dimensions.MicroBatches,
            Workers =
            [
                .. told.Where(one => one.From.Slice is null).Select(one =>
                    new WorkerTimelineView(one.From.Node, SpansOf(one.Told, first, origin))),
            ],
            Servers =
            [
                .. told.Where(one => one.From.Slice is not null).Select(one =>
                    new ServerTimelineView(
                        one.From.Node, one.From.Slice!.Value, SpansOf(one.Told, first, origin))),
            ],
            Trees = [.. trees.Select(one => ViewOf(one.Slice, one.Tree, origin))],
            Links =
            [
                .. told.GroupBy(one => one.From.Node).Select(node => new LinkTrafficView(
                    node.Key, node.Max(one => one.Told.Answer.Traffic.Sent),
                    node.Max(one => one.Told.Answer.Traffic.Received))),
            ],
            Missing =
            [
                .. asked.Where(one => !_gathered.ContainsKey((one.Node, one.Slice)))
                    .Select(one => one.Node).Distinct(),
            ],
        };
    }

    private string? RefusalOf(TimelineAnswer answer)
    {
        if (answer.Run != run || answer.Generation != generation)
        {
            return $"it is of {answer.Run} in {answer.Generation}";
        }

        if (!asked.Any(one => one.Node == answer.Node && one.Slice == answer.Slice))
        {
            return $"{answer.Node} was not asked for slice {answer.Slice}";
        }

        if (_gathered.ContainsKey((answer.Node, answer.Slice)))
        {
            return $"{answer.Node} has answered before";
        }

        bool isOfRun =
            answer.Spans.All(span => IsStep(span.Step) && span.Begin <= span.End)
            && answer.Trees.All(tree => IsStep(tree.Step) && tree.Arrivals.All(arrival =>
                new MicroBatchRange(
                    arrival.FirstMicroBatch, arrival.FirstMicroBatch + arrival.Count)
                    .LiesWithin(dimensions.MicroBatches)));
        return isOfRun ? null : $"{answer.Node} tells of what is not in the run";
    }

    private bool IsStep(long step) => step >= 0 && step < dimensions.TotalSteps;

    private (long First, long End) StepsOf(IEnumerable<Gathered> told)
    {
        long[] steps =
        [
            .. told.SelectMany(one => one.Answer.Spans.Select(span => span.Step)
                .Concat(one.Answer.Trees.Select(tree => tree.Step))),
        ];
        if (steps.Length == 0)
        {
            return (0, 0);
        }

        long end = steps.Max() + 1;
        int most = Math.Clamp(
            MaxSpans / (SpansAStep * Math.Max(1, asked.Length)), 1, StepTimeline.Steps);
        return (Math.Max(steps.Min(), end - most), end);
    }

    // The newest first, as long as there is room; then in order.
    private static ImmutableArray<(int Slice, TreeArrivals Tree)> TreesOf(
        ImmutableArray<(AskedNode From, Gathered Told)> told, long first)
    {
        IEnumerable<(int Slice, TreeArrivals Tree)> newestFirst =
            from one in told
            from tree in one.Told.Answer.Trees
            where one.From.Slice is not null && tree.Step >= first
            orderby tree.Step descending, one.From.Slice
            select (one.From.Slice!.Value, one.Told.At(tree));
        var trees = new List<(int Slice, TreeArrivals Tree)>();
        int left = MaxArrivals;
        foreach ((int Slice, TreeArrivals Tree) one in newestFirst)
        {
            left -= one.Tree.Arrivals.Length;
            if (left < 0)
            {
                break;
            }

            trees.Add(one);
        }

        return [.. trees.OrderBy(one => one.Tree.Step).ThenBy(one => one.Slice)];
    }

    private static TimeSpan OriginOf(
        ImmutableArray<(AskedNode From, Gathered Told)> told,
        ImmutableArray<(int Slice, TreeArrivals Tree)> trees, long first) =>
        told.SelectMany(one => one.Told.Answer.Spans
                .Where(span => span.Step >= first)
                .Select(span => one.Told.Shift + span.Begin))
            .Concat(trees.SelectMany(one => one.Tree.Arrivals.Select(arrival => arrival.At)))
            .DefaultIfEmpty().Min();

    private static ImmutableArray<SpanView> SpansOf(Gathered told, long first, TimeSpan origin) =>
    [
        .. told.Answer.Spans.Where(span => span.Step >= first).Select(span => new SpanView(
            span.Step, span.Kind, (told.Shift + span.Begin - origin).TotalSeconds,
            (told.Shift + span.End - origin).TotalSeconds)),
    ];

    private static TreeView ViewOf(int slice, TreeArrivals tree, TimeSpan origin) => new(
        tree.Step, slice,
        [
            .. tree.Arrivals.Select(arrival => new ArrivalView(
                arrival.Worker, arrival.FirstMicroBatch, arrival.Count,
                (arrival.At - origin).TotalSeconds)),
        ],
        tree.Whole is { } whole ? (whole - origin).TotalSeconds : null);

    /// <summary>An answer, and when it was given: so long after it was asked for.</summary>
    private sealed record Gathered(TimelineAnswer Answer, TimeSpan Shift)
    {
        /// <summary>A tree with its times told from the question.</summary>
        public TreeArrivals At(TreeArrivals tree) => tree with
        {
            Arrivals =
            [
                .. tree.Arrivals.Select(arrival => arrival with { At = arrival.At + Shift }),
            ],
            Whole = tree.Whole + Shift,
        };
    }
}
