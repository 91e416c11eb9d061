using System.Collections.Immutable;
using System.Runtime.Serialization;
using Akka.Actor;
using Backprop.Distributed.Serialization;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>What was written once stays readable, and nothing else is read.</summary>
public sealed class WireSerializerTests : IDisposable
{
    private readonly ActorSystem _system =
        ActorSystem.Create("wire", SerializationConfiguration.Config);

    private readonly WireSerializer _serializer;

    public WireSerializerTests() => _serializer = new((ExtendedActorSystem)_system);

    public static TheoryData<string> Manifests =>
        new(WireSamples.All.Select(sample => sample.Manifest));

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Every_kind_of_message_has_a_sample() =>
        Assert.Equal(
            WireKind.All.Select(kind => kind.Manifest).Order(),
            WireSamples.All.Select(sample => sample.Manifest)
                .Concat(RecordSamples.All.Values.Select(_serializer.Manifest))
                .Distinct().Order());

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Bytes_are_the_golden_ones(string manifest)
    {
        (_, object message, string hex) = Sample(manifest);
        Assert.Equal(manifest, _serializer.Manifest(message));
        Assert.Equal(hex, Convert.ToHexStringLower(_serializer.ToBinary(message)));
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Golden_bytes_are_read_and_written_again(string manifest)
    {
        (_, object message, string hex) = Sample(manifest);
        object read = _serializer.FromBinary(Convert.FromHexString(hex), manifest);
        Assert.IsType(message.GetType(), read);
        Assert.Equal(hex, Convert.ToHexStringLower(_serializer.ToBinary(read)));
    }

    [Fact]
    public void What_is_read_is_what_was_written()
    {
        var directive = (ServerDirective)Travelled(WireSamples.Directive);
        AssertSame(WireSamples.Directive.Servers, directive.Servers);
        Assert.Equal(WireSamples.Directive.Origin, directive.Origin);
        Assert.True(double.IsNegative(((SliceOrigin.Checkpoint)directive.Origin).EpochLossSum));
        Assert.Equal(0, directive.CheckpointVersion);

        var status = (ServerStatus)Travelled(WireSamples.Status);
        Assert.Equal(new SlicePhase.Failed("no memory"), status.Phase);
        AssertSame(WireSamples.Status.Saved!.Parts, status.Saved!.Parts);
        AssertSame(WireSamples.Status.Wait!.Missing, status.Wait!.Missing);
        AssertSame(WireSamples.Status.Lease!.Layers, status.Lease!.Layers);
        Assert.Equal(WireSamples.Status.NonFinite, status.NonFinite);

        status = (ServerStatus)Travelled(WireSamples.Status with { DamagedCheckpoint = 0 });
        Assert.Equal(0, status.DamagedCheckpoint);

        WorkerDirective asks = WireSamples.WorkerDirective with
        {
            Verifies = new MicroBatchRange(0, 4),
            Recheck = new Recheck(40, new MicroBatchRange(4, 6)),
        };
        var asked = (WorkerDirective)Travelled(asks);
        Assert.Equal(asks.Verifies, asked.Verifies);
        Assert.Equal(asks.Recheck, asked.Recheck);

        var worker = (WorkerStatus)Travelled(WireSamples.WorkerStatus);
        Assert.Equal(0, worker.SecondsPerMicroBatch);
        Assert.True(double.IsNegative(worker.Evaluation!.Part.LossSums[1]));
        AssertSame(
            WireSamples.WorkerStatus.Evaluation!.Part.Values[0].Targets,
            worker.Evaluation.Part.Values[0].Targets);

        EvaluationDone done = WireSamples.WorkerStatus.Evaluation!;
        worker = (WorkerStatus)Travelled(WireSamples.WorkerStatus with
        {
            Evaluation = done with
            {
                Part = new MetricsPart(1, [1.5, 2], [], []) { Outputs = [done.Part] },
            },
        });
        MetricsPart output = Assert.Single(worker.Evaluation!.Part.Outputs);
        AssertSame(done.Part.Confusion, output.Confusion);
        AssertSame(done.Part.Values[0].Targets, output.Values[0].Targets);
    }

    [Fact]
    public void What_is_absent_stays_absent()
    {
        var directive = (ServerDirective)Travelled(WireSamples.Directive with
        {
            CheckpointVersion = null,
            BestVersion = null,
            Origin = new SliceOrigin.FirstWeights(),
        });
        Assert.Null(directive.CheckpointVersion);
        Assert.Null(directive.BestVersion);
        Assert.IsType<SliceOrigin.FirstWeights>(directive.Origin);

        var status = (ServerStatus)Travelled(WireSamples.Status with
        {
            Wait = null,
            Saved = null,
            Lease = null,
            NonFinite = null,
            BestVersion = null,
        });
        Assert.Null(status.Wait);
        Assert.Null(status.Saved);
        Assert.Null(status.Lease);
        Assert.Null(status.NonFinite);
        Assert.Null(status.BestVersion);
        Assert.Null(status.DamagedCheckpoint);
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Fields_of_later_versions_are_passed_over(string manifest)
    {
        (_, _, string hex) = Sample(manifest);
        // Field 1,000: a varint; field 1,001: three bytes.
        byte[] later = Convert.FromHexString(hex + "c03e2a" + "ca3e03010203");
        object read = _serializer.FromBinary(later, manifest);
        Assert.Equal(hex, Convert.ToHexStringLower(_serializer.ToBinary(read)));
    }

    [Theory]
    [MemberData(nameof(Manifests))]
    public void Damaged_bytes_are_refused_or_read_and_nothing_else(string manifest)
    {
        byte[] golden = Convert.FromHexString(Sample(manifest).Hex);
        foreach (byte[] damaged in Mutations.CutsAndChanges(golden))
        {
            AssertReadOrRefused(damaged, manifest);
        }
    }

    [Fact]
    public void A_length_beyond_the_message_takes_no_memory()
    {
        // Field 1, a text of 2^31 - 1 bytes, of which none come.
        byte[] boast = [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x07];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(boast, "SD"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void More_nodes_than_a_run_may_have_are_refused()
    {
        ServerDirective crowded = WireSamples.Directive with
        {
            Workers = [.. Enumerable.Repeat(new NodeId("w"), AssignmentPlanner.MaxWorkers + 1)],
        };
        byte[] bytes = _serializer.ToBinary(crowded);
        var refusal = Assert.Throws<SerializationException>(
            () => _serializer.FromBinary(bytes, "SD"));
        Assert.Contains("4,097 workers", refusal.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("sd")]
    [InlineData("System.String")]
    public void An_unknown_manifest_is_refused(string manifest)
    {
        var refusal = Assert.Throws<SerializationException>(
            () => _serializer.FromBinary([], manifest));
        Assert.Contains($"'{manifest}'", refusal.Message);
    }

    [Fact]
    public void A_manifest_of_another_kind_does_not_make_one_of_it() =>
        Assert.Throws<SerializationException>(() => _serializer.FromBinary(
            Convert.FromHexString(Golden.CheckpointPiece), "WS"));

    private object Travelled(object message) =>
        _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message));

    // An immutable array equals another only if it is the same one.
    private static void AssertSame<T>(ImmutableArray<T> expected, ImmutableArray<T> actual) =>
        Assert.Equal(expected.ToArray(), actual.ToArray());

    private void AssertReadOrRefused(byte[] bytes, string manifest)
    {
        Exception? thrown = Record.Exception(() => _serializer.FromBinary(bytes, manifest));
        Assert.True(
            thrown is null or SerializationException,
            $"{Convert.ToHexStringLower(bytes)}: {thrown}");
    }

    private static (string Manifest, object Message, string Hex) Sample(string manifest) =>
        WireSamples.All.Single(sample => sample.Manifest == manifest);
}
