using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>What parameter servers tell of the digests of their versions, to the wire and back.
/// </summary>
internal static class DigestMessages
{
    public static Wire.DigestReport ToWire(DigestReport report)
    {
        var bytes = new byte[report.Digests.Length * VersionDigest.Bytes];
        for (int i = 0; i < report.Digests.Length; i++)
        {
            DigestFormat.Write(report.Digests[i], bytes.AsSpan(i * VersionDigest.Bytes));
        }

        return new Wire.DigestReport
        {
            Run = report.Run.Value,
            Generation = report.Generation.Value,
            Server = report.Server.Value,
            Slice = report.Slice,
            FirstVersion = report.FirstVersion,
            Digests = UnsafeByteOperations.UnsafeWrap(bytes),
        };
    }

    public static DigestReport FromWire(Wire.DigestReport message)
    {
        ReadOnlySpan<byte> bytes = message.Digests.Span;
        if (bytes.Length % VersionDigest.Bytes != 0
            || bytes.Length > DigestBacklog.MaxReported * VersionDigest.Bytes)
        {
            throw new SerializationException(
                $"{bytes.Length:N0} bytes of digests, where {VersionDigest.Bytes} a version of at"
                + $" most {DigestBacklog.MaxReported:N0} belong");
        }

        var digests = ImmutableArray.CreateBuilder<VersionDigest>(
            bytes.Length / VersionDigest.Bytes);
        for (; !bytes.IsEmpty; bytes = bytes[VersionDigest.Bytes..])
        {
            digests.Add(DigestFormat.Read(bytes));
        }

        return new DigestReport(
            ProtocolParts.Run(message.Run), new Generation(message.Generation),
            ProtocolParts.Node(message.Server), message.Slice, message.FirstVersion,
            digests.MoveToImmutable());
    }

    public static Wire.DigestsTaken ToWire(DigestsTaken taken) => new()
    {
        Run = taken.Run.Value,
        Generation = taken.Generation.Value,
        EndVersion = taken.EndVersion,
    };

    public static DigestsTaken FromWire(Wire.DigestsTaken message) => new(
        ProtocolParts.Run(message.Run), new Generation(message.Generation), message.EndVersion);
}
