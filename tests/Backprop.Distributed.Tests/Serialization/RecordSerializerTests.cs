using System.Runtime.CompilerServices;
using System.Runtime.Serialization;
using Akka.Actor;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serialization;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Tests.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>What journals hold and what coordinator, nodes and users ask each other: written once,
/// it stays readable.</summary>
public sealed class RecordSerializerTests : IDisposable
{
    private const string Update = "UPDATE_GOLDEN";

    private readonly ActorSystem _system =
        ActorSystem.Create("records", SerializationConfiguration.Config);

    private readonly WireSerializer _serializer;

    public RecordSerializerTests() => _serializer = new((ExtendedActorSystem)_system);

    public static TheoryData<string> Names => new(RecordSamples.All.Keys);

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Every_event_has_a_sample()
    {
        IEnumerable<Type> events =
            new[] { typeof(RunEvent), typeof(QueueEvent), typeof(RegistryEvent) }.SelectMany(
                kind => kind.Assembly.GetTypes().Where(
                    type => type.IsSubclassOf(kind) && type != typeof(QueueChanged)));
        Assert.Empty(events.Select(type => type.Name).Except(RecordSamples.All.Keys));
    }

    /// <summary>With the variable UPDATE_GOLDEN it writes the file anew: for a message that was
    /// added, never for one that exists.</summary>
    [Fact]
    public void Bytes_are_the_golden_ones()
    {
        string[] lines =
        [
            .. RecordSamples.All.Select(sample =>
                $"{_serializer.Manifest(sample.Value)} {sample.Key}"
                + $" {Convert.ToHexStringLower(_serializer.ToBinary(sample.Value))}"),
        ];
        if (Environment.GetEnvironmentVariable(Update) is "1")
        {
            File.WriteAllLines(GoldenFile(), lines);
        }

        Assert.Equal(File.ReadAllLines(GoldenFile()), lines);
    }

    [Fact]
    public void Named_inputs_targets_and_outputs_are_read_as_they_were_written()
    {
        foreach (object sample in (object[])[RecordSamples.Several, RecordSamples.JudgedOutputs])
        {
            Assert.Equal(
                StructuralText.Of(sample),
                StructuralText.Of(_serializer.FromBinary(
                    _serializer.ToBinary(sample), _serializer.Manifest(sample))));
        }
    }

    [Fact]
    public void A_node_that_says_no_protocol_speaks_the_first()
    {
        // As the first version wrote it.
        byte[] first = Convert.FromHexString(
            "0a0463617473121d0a05633a31233910041a016320022a03312e3030043a067838362d36341801");
        var read = (Introduction)_serializer.FromBinary(first, "IN");
        Assert.Equal("1.0", read.Node.SoftwareVersion);
        Assert.Equal(new ProtocolSupport(1, 1, 1), read.Node.Protocol);
    }

    [Fact]
    public void Notes_of_a_run_are_read_as_they_were_written()
    {
        var sample = (CoordinatorAnswer.Run)RecordSamples.All["CoordinatorAnswer.Run"];
        var answer = new CoordinatorAnswer.Run(
            sample.View with { Notes = ["it is inexact", "it is odd"] });

        object read = _serializer.FromBinary(
            _serializer.ToBinary(answer), _serializer.Manifest(answer));

        Assert.Equal(StructuralText.Of(answer), StructuralText.Of(read));
    }

    [Fact]
    public void A_checkpoint_whose_version_was_past_is_told_from_one_that_could_not_be_saved()
    {
        // As the golden bytes of one that could not be saved, a third field, and the checksum.
        const string Passed =
            "088093a9f1bbb59eef0872110819120b6e6f2064617461626173651801fd7fe7e47251";
        var aborted = (CheckpointAborted)RecordSamples.All[nameof(CheckpointAborted)];
        CheckpointAborted passed = aborted with { Cause = CheckpointLoss.Passed };

        Assert.Equal(Passed, Convert.ToHexStringLower(_serializer.ToBinary(passed)));
        Assert.Equal(passed, _serializer.FromBinary(Convert.FromHexString(Passed), "RE"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_read_is_what_was_written(string name)
    {
        object sample = RecordSamples.All[name];

        object read = _serializer.FromBinary(
            _serializer.ToBinary(sample), _serializer.Manifest(sample));

        Assert.IsType(sample.GetType(), read);
        Assert.Equal(StructuralText.Of(sample), StructuralText.Of(read));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Damaged_bytes_are_refused_or_read_and_nothing_else(string name)
    {
        object sample = RecordSamples.All[name];
        string manifest = _serializer.Manifest(sample);
        byte[] golden = _serializer.ToBinary(sample);
        foreach (byte[] damaged in Mutations.CutsAndChanges(golden))
        {
            AssertReadOrRefused(damaged, manifest);
        }
    }

    public static TheoryData<string> Events => [.. RecordSamples.All
        .Where(sample => sample.Value is RunEvent or RegistryEvent).Select(sample => sample.Key)];

    [Theory]
    [MemberData(nameof(Events))]
    public void An_event_of_which_a_bit_has_turned_over_is_refused_or_means_the_same(string name)
    {
        object sample = RecordSamples.All[name];
        string manifest = _serializer.Manifest(sample);
        byte[] golden = _serializer.ToBinary(sample);
        string meaning = StructuralText.Of(sample);
        int refused = 0;
        for (int bit = 0; bit < golden.Length * 8; bit++)
        {
            byte[] damaged = [.. golden];
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                // The checksum's own tag may be what was hit: then it is another field.
                Assert.Equal(
                    meaning, StructuralText.Of(_serializer.FromBinary(damaged, manifest)));
            }
            catch (SerializationException)
            {
                refused++;
            }
        }

        Assert.InRange(refused, (golden.Length - EventChecksum.Length) * 8, golden.Length * 8);
    }

    [Theory]
    [MemberData(nameof(Events))]
    public void An_event_of_the_first_version_has_no_checksum_and_is_read(string name)
    {
        object sample = RecordSamples.All[name];
        byte[] first = _serializer.ToBinary(sample)[..^EventChecksum.Length];
        Assert.Equal(
            StructuralText.Of(sample),
            StructuralText.Of(_serializer.FromBinary(first, _serializer.Manifest(sample))));
    }

    [Fact]
    public void An_event_of_a_later_version_is_refused()
    {
        // A time, and field 1,000.
        byte[] later = Convert.FromHexString("0801" + "c23e00");
        var refusal = Assert.Throws<SerializationException>(
            () => _serializer.FromBinary(later, "RE"));
        Assert.Contains("later", refusal.Message);
    }

    private static string GoldenFile([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "golden.txt");

    private void AssertReadOrRefused(byte[] bytes, string manifest)
    {
        Exception? thrown = Record.Exception(() => _serializer.FromBinary(bytes, manifest));
        Assert.True(
            thrown is null or SerializationException,
            $"{Convert.ToHexStringLower(bytes)}: {thrown}");
    }
}
