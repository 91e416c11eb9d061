using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using Backprop.Distributed.Serialization;
using AkkaSerialization = Akka.Serialization.Serialization;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>Nobody can make a node write, or make, a type that is not ours.</summary>
public sealed class StrictSerializationTests : IDisposable
{
    private readonly ActorSystem _system =
        ActorSystem.Create("strict", SerializationConfiguration.Config);

    private AkkaSerialization Akka => ((ExtendedActorSystem)_system).Serialization;

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Our_messages_meet_our_serializer() =>
        Assert.All(WireKind.All, kind =>
            Assert.IsType<WireSerializer>(Akka.FindSerializerForType(kind.Type)));

    [Fact]
    public void A_foreign_type_is_not_written() =>
        Assert.Throws<SerializationException>(() => Akka.Serialize(new Foreign()));

    [Fact]
    public void JSON_that_names_a_type_makes_nothing_of_it()
    {
        byte[] json = Encoding.UTF8.GetBytes(
            $$"""{"$type":"{{typeof(Foreign).AssemblyQualifiedName}}"}""");
        string manifest = typeof(Foreign).AssemblyQualifiedName!;
        Assert.Throws<SerializationException>(() =>
            Akka.Deserialize(json, RefusingSerializer.JsonIdentifier, manifest));
        Assert.Throws<SerializationException>(() => Akka.Deserialize(
            json, RefusingSerializer.JsonIdentifier, typeof(Foreign)));
        Assert.False(Foreign.WasMadeBySomeoneElse);
    }

    private sealed class Foreign
    {
        private string _text = "";

        public static bool WasMadeBySomeoneElse { get; private set; }

        public string Text
        {
            get => _text;
            set
            {
                _text = value;
                WasMadeBySomeoneElse = true;
            }
        }
    }
}
