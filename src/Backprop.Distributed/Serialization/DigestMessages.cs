using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>What parameter servers tell of the digests of their versions, to the wire and back.
/// </summary>
internal static class DigestMessages
{
    // Of the longest flat vector; and of a tree.
    private const int MaxSlices = int.MaxValue / ParameterLayout.DefaultBlockLength;
    private const int MaxNodes = GradientTree.MaxMicroBatches;

    public static Wire.DigestReport ToWire(DigestReport report) => new()
    {
        Run = report.Run.Value,
        Generation = report.Generation.Value,
        Server = report.Server.Value,
        Slice = report.Slice,
        FirstVersion = report.FirstVersion,
        Digests = ToWire(report.Digests.AsSpan()),
    };

    public static DigestReport FromWire(Wire.DigestReport message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation),
        ProtocolParts.Node(message.Server), message.Slice, message.FirstVersion,
        FromWire(message.Digests, DigestBacklog.MaxReported));

    public static Wire.DigestsTaken ToWire(DigestsTaken taken) => new()
    {
        Run = taken.Run.Value,
        Generation = taken.Generation.Value,
        EndVersion = taken.EndVersion,
    };

    public static DigestsTaken FromWire(Wire.DigestsTaken message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation), message.EndVersion);

    public static Wire.PushReport ToWire(PushReport report)
    {
        var message = new Wire.PushReport
        {
            Run = report.Run.Value,
            Generation = report.Generation.Value,
            Server = report.Server.Value,
            Slice = report.Slice,
            Step = report.Step,
        };
        message.Nodes.Add(report.Nodes.Select(node => new Wire.PushedNode
        {
            Worker = node.Worker.Value,
            Range = ProtocolParts.ToWire(node.Range),
            Digest = ToWire([node.Digest]),
        }));
        return message;
    }

    public static PushReport FromWire(Wire.PushReport message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation),
        ProtocolParts.Node(message.Server), message.Slice, message.Step,
        WireChecks.List(message.Nodes, MaxNodes, "nodes", node => new PushedNode(
            ProtocolParts.Node(node.Worker), ProtocolParts.FromWire(node.Range),
            One(node.Digest))));

    public static Wire.CheckReport ToWire(CheckReport report)
    {
        var message = new Wire.CheckReport
        {
            Run = report.Run.Value,
            Generation = report.Generation.Value,
            Worker = report.Worker.Value,
            Step = report.Step,
        };
        message.Nodes.Add(report.Nodes.Select(node => new Wire.CheckedNode
        {
            Range = ProtocolParts.ToWire(node.Range),
            Whole = ToWire([node.Whole]),
            Slices = ToWire(node.Slices.AsSpan()),
        }));
        return message;
    }

    public static CheckReport FromWire(Wire.CheckReport message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation),
        ProtocolParts.Node(message.Worker), message.Step,
        WireChecks.List(message.Nodes, MaxNodes, "nodes", node => new CheckedNode(
            ProtocolParts.FromWire(node.Range), One(node.Whole),
            FromWire(node.Slices, MaxSlices))));

    public static Wire.WorkersDisputed ToWire(WorkersDisputed disputed) => new()
    {
        Generation = disputed.Generation.Value,
        Step = disputed.Dispute.Step,
        Range = ProtocolParts.ToWire(disputed.Dispute.Range),
        Pushed = disputed.Dispute.Pushed.Value,
        Checked = disputed.Dispute.Checked.Value,
        Digest = ToWire([disputed.Dispute.Digest]),
    };

    public static WorkersDisputed FromWire(DateTimeOffset at, Wire.WorkersDisputed message) => new(
        at, new Generation(message.Generation), new Dispute(
            message.Step, ProtocolParts.FromWire(message.Range),
            ProtocolParts.Node(message.Pushed), ProtocolParts.Node(message.Checked),
            One(message.Digest)));

    private static ByteString ToWire(ReadOnlySpan<VersionDigest> digests)
    {
        var bytes = new byte[digests.Length * VersionDigest.Bytes];
        for (int i = 0; i < digests.Length; i++)
        {
            DigestFormat.Write(digests[i], bytes.AsSpan(i * VersionDigest.Bytes));
        }

        return UnsafeByteOperations.UnsafeWrap(bytes);
    }

    private static VersionDigest One(ByteString message) =>
        FromWire(message, 1) is [var digest]
            ? digest
            : throw new SerializationException("a digest is missing");

    private static ImmutableArray<VersionDigest> FromWire(ByteString message, int most)
    {
        ReadOnlySpan<byte> bytes = message.Span;
        if (bytes.Length % VersionDigest.Bytes != 0
            || bytes.Length / VersionDigest.Bytes > most)
        {
            throw new SerializationException(
                $"{bytes.Length:N0} bytes of digests, where {VersionDigest.Bytes} each of at most"
                + $" {most:N0} belong");
        }

        var digests = ImmutableArray.CreateBuilder<VersionDigest>(
            bytes.Length / VersionDigest.Bytes);
        for (; !bytes.IsEmpty; bytes = bytes[VersionDigest.Bytes..])
        {
            digests.Add(DigestFormat.Read(bytes));
        }

        return digests.MoveToImmutable();
    }
}
