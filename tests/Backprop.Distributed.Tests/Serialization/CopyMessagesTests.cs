using Akka.Actor;
using Backprop.Distributed.Serialization;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Tests.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>What messages and events say of copies in memory, and the bytes that it has for ever:
/// encoded from their text by Protocol Buffers' own compiler.</summary>
public sealed class CopyMessagesTests : IDisposable
{
    private const string Directive =
        "0a05786f722d3112040803101218032205613a3123372205623a3123382801322712250829101e19"
        + "000000000000008022090a05613a3123371802220b0a05623a312338100218034204083c10015801"
        + "6001";

    private const string Status =
        "0a05786f722d311205623a3123381803220408031012280630013802482a7a0f0828120b6e6f2064"
        + "6174616261736582010f10021829201e2900000000000000808201060802100318298a01096e6f20"
        + "6d656d6f7279";

    private const string Opened =
        "088080e0a78b9992ef08222c08031205613a31233722210a14082911000000000000f83f186420f4"
        + "032a00320012090a05613a3123371803fd7ffc2b7711";

    private readonly ActorSystem _system =
        ActorSystem.Create("copies", SerializationConfiguration.Config);

    private readonly WireSerializer _serializer;

    public CopyMessagesTests() => _serializer = new((ExtendedActorSystem)_system);

    public static TheoryData<string, object, string> Samples => new()
    {
        {
            "SD",
            WireSamples.Directive with
            {
                Stamp = new DirectiveStamp(new Term(3), 18),
                Generation = new Generation(3),
                Origin = new SliceOrigin.Memory(
                    41, 30, -0.0, [new(new("a:1#7"), 0, 2), new(new("b:1#8"), 2, 3)]),
                Workers = [],
                CheckpointVersion = null,
                BestVersion = null,
                KeepsCopies = true,
            },
            Directive
        },
        {
            "SS",
            new ServerStatus
            {
                Run = new RunId("xor-1"),
                Server = new NodeId("b:1#8"),
                Generation = new Generation(3),
                Seen = new DirectiveStamp(new Term(3), 18),
                Number = 6,
                Slice = 1,
                Phase = new SlicePhase.Open(),
                Version = 42,
                Lost = new LostCheckpoint(40, "no database"),
                Copies = [new SliceCopy(0, 2, 41, 30, -0.0), new SliceCopy(2, 3, 41, null, null)],
                CopiesOff = "no memory",
            },
            Status
        },
        {
            "RE",
            new GenerationOpened(
                new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), new Generation(3),
                [new("a:1#7")], null)
            {
                Copies = new CopiesUsed(
                    new TrainingPosition
                    {
                        Step = 41, EpochLossSum = 1.5, EpochRows = 100, RunRows = 500,
                    },
                    [new(new("a:1#7"), 0, 3)]),
            },
            Opened
        },
    };

    public void Dispose() => _system.Dispose();

    [Theory]
    [MemberData(nameof(Samples))]
    public void Bytes_are_the_golden_ones_and_are_read_again(
        string manifest, object message, string hex)
    {
        Assert.Equal(manifest, _serializer.Manifest(message));
        Assert.Equal(hex, Convert.ToHexStringLower(_serializer.ToBinary(message)));

        object read = _serializer.FromBinary(Convert.FromHexString(hex), manifest);

        Assert.Equal(StructuralText.Of(message), StructuralText.Of(read));
    }

    [Fact]
    public void Origins_that_say_the_same_are_the_same()
    {
        var sent = (ServerDirective)Samples.First()[1];

        var read = (ServerDirective)_serializer.FromBinary(_serializer.ToBinary(sent), "SD");

        Assert.Equal(sent.Origin, read.Origin);
    }
}
