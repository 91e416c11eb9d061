using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>The parts that several messages share, to the wire and back.</summary>
internal static class ProtocolParts
{
    public static Wire.DirectiveStamp ToWire(DirectiveStamp stamp) =>
        new() { Term = stamp.Term.Value, Sequence = stamp.Sequence };

    public static DirectiveStamp FromWire(Wire.DirectiveStamp? stamp)
    {
        stamp = WireChecks.Required(stamp, "a directive's stamp");
        return new DirectiveStamp(new Term(stamp.Term), stamp.Sequence);
    }

    public static Wire.MicroBatchRange ToWire(MicroBatchRange range) =>
        new() { First = range.First, End = range.End };

    public static MicroBatchRange FromWire(Wire.MicroBatchRange? range)
    {
        range = WireChecks.Required(range, "a range of micro-batches");
        var result = new MicroBatchRange(range.First, range.End);
        return result.LiesWithin(int.MaxValue)
            ? result
            : throw new SerializationException(
                $"micro-batches from {range.First} to {range.End} are no range");
    }

    public static ImmutableArray<MicroBatchRange> FromWire(
        RepeatedField<Wire.MicroBatchRange> ranges) =>
        WireChecks.List(
            ranges, GradientTree.MaxMicroBatches, "ranges of micro-batches", FromWire);

    public static Wire.Lease ToWire(Lease lease) =>
        new() { EndVersion = lease.EndVersion, PlateauReductions = lease.PlateauReductions };

    public static Lease FromWire(Wire.Lease? lease)
    {
        lease = WireChecks.Required(lease, "a lease");
        return new Lease(lease.EndVersion, lease.PlateauReductions);
    }

    public static IEnumerable<string> ToWire(ImmutableArray<NodeId> nodes) =>
        nodes.Select(node => node.Value);

    public static ImmutableArray<NodeId> Servers(RepeatedField<string> names) =>
        // No more slices can be cut than there are blocks in the longest flat vector.
        WireChecks.List(
            names, int.MaxValue / Engine.Networks.ParameterLayout.DefaultBlockLength, "servers",
            Node);

    public static ImmutableArray<NodeId> Workers(RepeatedField<string> names) =>
        WireChecks.List(names, AssignmentPlanner.MaxWorkers, "workers", Node);

    public static RunId Run(string name) => new(WireChecks.Name(name, "a run's name"));

    public static NodeId Node(string name) => new(WireChecks.Name(name, "a node's name"));
}
