using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;

namespace Backprop.Distributed.Serialization;

/// <summary>
/// Stands where Akka has its JSON serializer, under that one's identifier, and refuses both ways:
/// JSON names CLR types, and whoever could send it could choose what is made here. To leave the
/// place empty would not do, since Akka's own configuration fills it.
/// </summary>
public sealed class RefusingSerializer : Serializer
{
    /// <summary>That of Akka's JSON serializer.</summary>
    public const int JsonIdentifier = 1;

    /// <summary>Made by Akka, one an actor system.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="settings">Akka's, for its JSON serializer: whoever stands in its place is
    /// handed them.</param>
    public RefusingSerializer(ExtendedActorSystem system, Config settings)
        : base(system)
    {
    }

    /// <inheritdoc/>
    public override int Identifier => JsonIdentifier;

    /// <inheritdoc/>
    public override bool IncludeManifest => false;

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Always.</exception>
    public override byte[] ToBinary(object obj) =>
        throw new SerializationException($"{obj.GetType()} does not travel: JSON is not written");

    /// <inheritdoc/>
    /// <exception cref="SerializationException">Always.</exception>
    public override object FromBinary(byte[] bytes, Type type) =>
        throw new SerializationException($"{bytes.Length:N0} bytes of JSON came: it is not read");
}
