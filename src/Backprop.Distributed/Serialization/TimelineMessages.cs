using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Distributed.Timelines;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What nodes did lately, to the wire and back.</summary>
internal static class TimelineMessages
{
    // A step's spans, and what lies between two times, are bounded; so is what a step takes.
    private const int MaxSpans = 4 * StepTimeline.Steps;
    private const int MaxTrees = ArrivalTimeline.Steps + 1;
    private const long MaxTicks = TimeSpan.TicksPerDay * 36_525;

    public static Wire.TimelineRequest ToWire(TimelineRequest request)
    {
        var message = new Wire.TimelineRequest
        {
            Run = request.Run.Value,
            Generation = request.Generation.Value,
        };
        if (request.Slice is { } slice)
        {
            message.Slice = slice;
        }

        return message;
    }

    public static TimelineRequest FromWire(Wire.TimelineRequest message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation),
        message.HasSlice ? message.Slice : null);

    public static Wire.TimelineAnswer ToWire(TimelineAnswer answer)
    {
        var names = new NameTable();
        var message = new Wire.TimelineAnswer
        {
            Run = answer.Run.Value,
            Node = answer.Node.Value,
            Generation = answer.Generation.Value,
            AtTicks = WireChecks.ToTicks(answer.At),
            Sent = answer.Traffic.Sent,
            Received = answer.Traffic.Received,
        };
        if (answer.Slice is { } slice)
        {
            message.Slice = slice;
        }

        message.Spans.Add(answer.Spans.Select(span => ToWire(
            span.Step, span.Kind, span.Begin.Ticks, span.End.Ticks)));
        foreach (TreeArrivals tree in answer.Trees)
        {
            var entry = new Wire.TreeArrivals { Step = tree.Step };
            entry.Arrivals.Add(tree.Arrivals.Select(arrival => new Wire.NodeArrival
            {
                Worker = names.PlaceOf(arrival.Worker),
                FirstMicroBatch = arrival.FirstMicroBatch,
                Count = arrival.Count,
                AtTicks = arrival.At.Ticks,
            }));
            if (tree.Whole is { } whole)
            {
                entry.WholeTicks = whole.Ticks;
            }

            message.Trees.Add(entry);
        }

        message.ArrivedFrom.Add(names.Names);
        return message;
    }

    public static TimelineAnswer FromWire(Wire.TimelineAnswer message)
    {
        ImmutableArray<NodeId> names = Names(message.ArrivedFrom);
        return new TimelineAnswer(
            ProtocolParts.Run(message.Run), ProtocolParts.Node(message.Node),
            new Generation(message.Generation), message.HasSlice ? message.Slice : null,
            WireChecks.FromTicks(message.AtTicks),
            WireChecks.List(message.Spans, MaxSpans, "spans", span =>
            {
                Check(span);
                return new TimelineSpan(
                    span.Step, KindOf(span), new TimeSpan(span.BeginTicks),
                    new TimeSpan(span.BeginTicks + span.LengthTicks));
            }),
            WireChecks.List(message.Trees, MaxTrees, "trees", tree => new TreeArrivals(
                Step(tree.Step),
                WireChecks.List(
                    tree.Arrivals, ArrivalTimeline.MaxArrivals, "arrivals", arrival =>
                    {
                        Check(arrival, names);
                        return new NodeArrival(
                            names[arrival.Worker], arrival.FirstMicroBatch, arrival.Count,
                            new TimeSpan(arrival.AtTicks));
                    }),
                tree.HasWholeTicks ? new TimeSpan(Ticks(tree.WholeTicks)) : null)))
        {
            Traffic = new LinkTraffic(message.Sent, message.Received),
        };
    }

    public static Wire.TimelineView ToWire(TimelineView view)
    {
        var names = new NameTable();
        var message = new Wire.TimelineView
        {
            Run = view.Run.Value,
            TakenTicks = WireChecks.ToTicks(view.Taken),
            FirstStep = view.FirstStep,
            EndStep = view.EndStep,
            MicroBatches = view.MicroBatches,
        };
        message.Workers.Add(view.Workers.Select(
            worker => ToWire(worker.Node, 0, worker.Spans)));
        message.Servers.Add(view.Servers.Select(
            server => ToWire(server.Node, server.Slice, server.Spans)));
        foreach (TreeView tree in view.Trees)
        {
            var entry = new Wire.TreeArrivals { Step = tree.Step, Slice = tree.Slice };
            entry.Arrivals.Add(tree.Arrivals.Select(arrival => new Wire.NodeArrival
            {
                Worker = names.PlaceOf(arrival.Worker),
                FirstMicroBatch = arrival.FirstMicroBatch,
                Count = arrival.Count,
                AtTicks = TicksOf(arrival.At),
            }));
            if (tree.Whole is { } whole)
            {
                entry.WholeTicks = TicksOf(whole);
            }

            message.Trees.Add(entry);
        }

        message.ArrivedFrom.Add(names.Names);
        message.Missing.Add(ProtocolParts.ToWire(view.Missing));
        message.Links.Add(view.Links.Select(link => new Wire.LinkTraffic
        {
            Node = link.Node.Value,
            Sent = link.Sent,
            Received = link.Received,
        }));
        return message;
    }

    public static TimelineView FromWire(Wire.TimelineView message)
    {
        ImmutableArray<NodeId> names = Names(message.ArrivedFrom);
        return new TimelineView
        {
            Run = ProtocolParts.Run(message.Run),
            Taken = WireChecks.FromTicks(message.TakenTicks),
            FirstStep = message.FirstStep,
            EndStep = message.EndStep,
            MicroBatches = message.MicroBatches,
            Workers = WireChecks.List(
                message.Workers, TimelineGathering.MaxNodes, "workers", worker =>
                    new WorkerTimelineView(ProtocolParts.Node(worker.Node), Spans(worker))),
            Servers = WireChecks.List(
                message.Servers, TimelineGathering.MaxNodes, "servers", server =>
                    new ServerTimelineView(
                        ProtocolParts.Node(server.Node), server.Slice, Spans(server))),
            Trees = WireChecks.List(
                message.Trees, MaxTrees * TimelineGathering.MaxNodes, "trees", tree =>
                    new TreeView(
                        Step(tree.Step), tree.Slice,
                        WireChecks.List(
                            tree.Arrivals, ArrivalTimeline.MaxArrivals, "arrivals",
                            arrival => ViewOf(arrival, names)),
                        tree.HasWholeTicks ? SecondsOf(Ticks(tree.WholeTicks)) : null)),
            Links = WireChecks.List(
                message.Links, 2 * TimelineGathering.MaxNodes, "links", link =>
                    new LinkTrafficView(
                        ProtocolParts.Node(link.Node), link.Sent, link.Received)),
            Missing = WireChecks.List(
                message.Missing, 2 * TimelineGathering.MaxNodes, "missing nodes",
                ProtocolParts.Node),
        };
    }

    private static Wire.NodeTimeline ToWire(
        NodeId node, int slice, ImmutableArray<SpanView> spans)
    {
        var message = new Wire.NodeTimeline { Node = node.Value, Slice = slice };
        message.Spans.Add(spans.Select(span => ToWire(
            span.Step, span.Kind, TicksOf(span.Begin), TicksOf(span.End))));
        return message;
    }

    private static Wire.TimelineSpan ToWire(long step, SpanKind kind, long begin, long end) =>
        new()
        {
            Step = step,
            Kind = (Wire.SpanKind)(1 + (int)kind),
            BeginTicks = begin,
            LengthTicks = end - begin,
        };

    private static ImmutableArray<SpanView> Spans(Wire.NodeTimeline node) =>
        WireChecks.List(node.Spans, MaxSpans, "spans", span =>
        {
            Check(span);
            return new SpanView(
                span.Step, KindOf(span), SecondsOf(span.BeginTicks),
                SecondsOf(span.BeginTicks + span.LengthTicks));
        });

    private static ArrivalView ViewOf(Wire.NodeArrival arrival, ImmutableArray<NodeId> names)
    {
        Check(arrival, names);
        return new ArrivalView(
            names[arrival.Worker], arrival.FirstMicroBatch, arrival.Count,
            SecondsOf(arrival.AtTicks));
    }

    private static ImmutableArray<NodeId> Names(RepeatedField<string> names) => WireChecks.List(
        names, ArrivalTimeline.MaxArrivals * MaxTrees, "workers", ProtocolParts.Node);

    private static SpanKind KindOf(Wire.TimelineSpan span) =>
        WireChecks.Enum<SpanKind>((int)span.Kind - 1, "span");

    private static void Check(Wire.TimelineSpan span)
    {
        _ = Step(span.Step);
        _ = Ticks(span.BeginTicks);
        if (span.LengthTicks < 0)
        {
            throw new SerializationException($"a span of {span.LengthTicks} ticks");
        }

        _ = Ticks(span.LengthTicks);
    }

    private static void Check(Wire.NodeArrival arrival, ImmutableArray<NodeId> names)
    {
        _ = Ticks(arrival.AtTicks);
        if ((uint)arrival.Worker >= names.Length
            || (uint)arrival.FirstMicroBatch >= GradientTree.MaxMicroBatches
            || arrival.Count is < 1 or > GradientTree.MaxMicroBatches)
        {
            throw new SerializationException(
                $"{arrival.Count} micro-batches from {arrival.FirstMicroBatch} on came from worker"
                + $" {arrival.Worker} of {names.Length}");
        }
    }

    private static long Step(long step) =>
        step >= 0 ? step : throw new SerializationException($"there is no step {step}");

    private static long Ticks(long ticks) => ticks is >= -MaxTicks and <= MaxTicks
        ? ticks
        : throw new SerializationException($"{ticks} ticks are longer than a run may take");

    private static double SecondsOf(long ticks) => new TimeSpan(ticks).TotalSeconds;

    private static long TicksOf(double seconds) =>
        (long)Math.Round(seconds * TimeSpan.TicksPerSecond);

    /// <summary>Names that stand once, and their places.</summary>
    private sealed class NameTable
    {
        private readonly Dictionary<NodeId, int> _places = [];

        public List<string> Names { get; } = [];

        public int PlaceOf(NodeId node)
        {
            if (!_places.TryGetValue(node, out int place))
            {
                place = Names.Count;
                _places.Add(node, place);
                Names.Add(node.Value);
            }

            return place;
        }
    }
}
