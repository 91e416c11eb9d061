using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Serialization;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>
/// The one serializer of what travels between nodes and of what is stored: Protocol Buffers, as
/// <c>control.proto</c> defines them, under short frozen manifests. What it does not know it
/// refuses, with the exception that Akka answers by dropping the one message.
/// </summary>
public sealed class WireSerializer : SerializerWithStringManifest
{
    /// <summary>Stands beside every stored and sent message; frozen.</summary>
    public const int WireIdentifier = 7_301;

    /// <summary>Made by Akka, one an actor system.</summary>
    public WireSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    /// <inheritdoc/>
    public override int Identifier => WireIdentifier;

    /// <inheritdoc/>
    /// <exception cref="SerializationException">It is not one of ours.</exception>
    public override string Manifest(object o) => KindOf(o).Manifest;

    /// <inheritdoc/>
    /// <exception cref="SerializationException">It is not one of ours, or too long.</exception>
    public override byte[] ToBinary(object obj)
    {
        WireKind kind = KindOf(obj);
        IMessage message = kind.ToWire(obj);
        CheckLength(
            kind, message.CalculateSize() + (kind.HasChecksum ? EventChecksum.Length : 0));
        byte[] content = message.ToByteArray();
        return kind.HasChecksum ? EventChecksum.Append(content) : content;
    }

    /// <inheritdoc/>
    /// <exception cref="SerializationException">The manifest is unknown, or the bytes are not what
    /// it says.</exception>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!WireKind.ByManifest.TryGetValue(manifest, out WireKind? kind))
        {
            throw new SerializationException(
                $"no message is called '{manifest}': it is of another program or of a later"
                + " version of this one");
        }

        try
        {
            return Read(kind, bytes);
        }
        catch (SerializationException damage) when (kind.IsPiece)
        {
            // The database has answered. Were this an exception, the snapshot store would take it
            // for a failure of the database, and after some of them would ask it for nothing more.
            return new DamagedPiece(damage.Message);
        }
    }

    private static object Read(WireKind kind, byte[] bytes)
    {
        CheckLength(kind, bytes.Length);
        try
        {
            return kind.FromWire(bytes);
        }
        catch (InvalidProtocolBufferException damage)
        {
            throw new SerializationException(
                $"{bytes.Length:N0} bytes are no {kind.Type.Name}: {damage.Message}", damage);
        }
    }

    private static WireKind KindOf(object value) =>
        WireKind.Of(value.GetType()) ?? throw new SerializationException(
            $"{value.GetType()} does not travel: no .proto file defines it");

    private static void CheckLength(WireKind kind, int bytes)
    {
        if (bytes > kind.MaxBytes)
        {
            throw new SerializationException(
                $"a {kind.Type.Name} of {bytes:N0} bytes, where at most {kind.MaxBytes:N0} may be");
        }
    }
}

/// <summary>Stands for a stored piece of which the bytes cannot be read.</summary>
/// <param name="Reason">Why, in words.</param>
internal sealed record DamagedPiece(string Reason);
