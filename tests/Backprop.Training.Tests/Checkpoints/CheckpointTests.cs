using System.Buffers.Binary;
using System.Security.Cryptography;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training.Tests.Checkpoints;

public sealed class CheckpointTests
{
    private const int VersionAt = 8;
    private const int HeaderLengthAt = 12;
    private const int HeaderAt = 16;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_written_is_read_back(bool hasBest)
    {
        using Checkpoint written = Example(hasBest);
        using Checkpoint read = Checkpoint.ReadFrom(new MemoryStream(Bytes(written)));

        Assert.Equal(written.Weights.Span.ToArray(), read.Weights.Span.ToArray());
        Assert.Equal(written.OptimizerState.Span.ToArray(), read.OptimizerState.Span.ToArray());
        Assert.Equal(written.BestWeights?.Span.ToArray(), read.BestWeights?.Span.ToArray());
        Assert.Equal(written.Header.Name, read.Header.Name);
        Assert.Equal(written.Header.Fingerprint, read.Header.Fingerprint);
        Assert.Null(read.Header.Plan.DifferenceFrom(written.Header.Plan));
        Assert.Equal(
            written.Header.Parameters.Select(p => p.ToString()),
            read.Header.Parameters.Select(p => p.ToString()));
    }

    [Fact]
    public void The_position_comes_back_to_the_last_bit()
    {
        using Checkpoint written = Example(hasBest: true);
        using Checkpoint read = Checkpoint.ReadFrom(new MemoryStream(Bytes(written)));
        TrainingPosition before = written.Header.Position, after = read.Header.Position;

        Assert.Equal(
            BitConverter.DoubleToInt64Bits(before.EpochLossSum),
            BitConverter.DoubleToInt64Bits(after.EpochLossSum));
        Assert.Equal(before.Stopping, after.Stopping);
        Assert.Equal(before.Plateau, after.Plateau);
        Assert.Equal(before.Elapsed, after.Elapsed);
        Assert.Equal(before.Ended, after.Ended);
        Assert.Equal<string>([.. before.Notes], [.. after.Notes]);
        EpochReport epoch = Assert.Single(after.History);
        Assert.Equal(double.NaN, epoch.Metric);
        Assert.Equal<LayerNorms>([.. before.History[0].Layers], [.. epoch.Layers]);
        ClassificationMetrics classes = epoch.Validation!.Classification!;
        Assert.Equal(3, classes.Confusion[1, 0]);
        Assert.Equal(before.History[0].Validation!.Classification!.MacroF1, classes.MacroF1);
    }

    [Fact]
    public void A_flipped_bit_anywhere_is_detected()
    {
        using Checkpoint checkpoint = Example(hasBest: true);
        byte[] bytes = Bytes(checkpoint);
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= (byte)(1 << (at % 8));
            Assert.Throws<CheckpointException>(
                () => Checkpoint.ReadFrom(new MemoryStream(damaged)));
        }
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_detected()
    {
        using Checkpoint checkpoint = Example(hasBest: true);
        byte[] bytes = Bytes(checkpoint);
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.Throws<CheckpointException>(
                () => Checkpoint.ReadFrom(new MemoryStream(bytes[..length])));
        }
    }

    [Fact]
    public void A_file_that_goes_on_after_its_end_is_detected()
    {
        using Checkpoint checkpoint = Example(hasBest: true);

        Assert.Throws<CheckpointException>(
            () => Checkpoint.ReadFrom(new MemoryStream([.. Bytes(checkpoint), 0])));
    }

    [Fact]
    public void Another_version_is_told_apart_from_damage()
    {
        using Checkpoint checkpoint = Example(hasBest: false);
        byte[] bytes = Bytes(checkpoint);
        bytes[VersionAt]++;

        var error = Assert.Throws<CheckpointException>(
            () => Checkpoint.ReadFrom(new MemoryStream(Signed(bytes))));

        Assert.Contains("version 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_not_taken_for_a_checkpoint()
    {
        using TrainedModel model = ExampleModel();
        using var stream = new MemoryStream();
        model.WriteTo(stream);
        stream.Position = 0;

        var error = Assert.Throws<CheckpointException>(() => Checkpoint.ReadFrom(stream));

        Assert.Contains("not a checkpoint", error.Message, StringComparison.Ordinal);
    }

    // A file with a right digest, made to harm: no memory may be taken on its word.
    [Theory]
    [InlineData(-1)]
    [InlineData(int.MaxValue)]
    [InlineData(1 << 27)]
    public void A_forged_header_length_is_refused(int length)
    {
        using Checkpoint checkpoint = Example(hasBest: false);
        byte[] bytes = Bytes(checkpoint);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(HeaderLengthAt), length);

        Assert.Throws<CheckpointException>(
            () => Checkpoint.ReadFrom(new MemoryStream(Signed(bytes))));
    }

    [Theory]
    [InlineData(-4)]
    [InlineData(1)]
    [InlineData(long.MaxValue)]
    public void A_forged_section_length_is_refused(long length)
    {
        using Checkpoint checkpoint = Example(hasBest: false);
        byte[] bytes = Bytes(checkpoint);
        int header = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(HeaderLengthAt));
        int sectionAt = HeaderAt + header + sizeof(int);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(sectionAt), length);

        Assert.Throws<CheckpointException>(
            () => Checkpoint.ReadFrom(new MemoryStream(Signed(bytes))));
    }

    [Fact]
    public void A_forged_parameter_count_takes_no_memory()
    {
        using Checkpoint checkpoint = Example(hasBest: false);
        using var forged = new Checkpoint(
            checkpoint.Header with { Length = int.MaxValue - AlignedBuffer.SlackFloats },
            checkpoint.Weights, checkpoint.OptimizerState, null);
        byte[] bytes = Bytes(forged);

        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<CheckpointException>(() => Checkpoint.ReadFrom(new MemoryStream(bytes)));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16 << 20);
    }

    [Fact]
    public void A_header_without_its_keys_is_refused()
    {
        byte[] json = "{}"u8.ToArray();
        byte[] bytes = [.. "BKPCKPT\n"u8, 1, 0, 0, 0, 2, 0, 0, 0, .. json, .. new byte[36]];

        Assert.Throws<CheckpointException>(
            () => Checkpoint.ReadFrom(new MemoryStream(Signed(bytes))));
    }

    [Fact]
    public void A_model_is_written_and_read_back()
    {
        using TrainedModel written = ExampleModel();
        using var stream = new MemoryStream();
        written.WriteTo(stream);
        stream.Position = 0;
        using TrainedModel read = TrainedModel.ReadFrom(stream);

        Assert.Equal(written.Header.Specification, read.Header.Specification);
        Assert.Equal(written.Header.Preparation, read.Header.Preparation);
        Assert.Equal<string>([.. written.Header.TargetNames], [.. read.Header.TargetNames]);
        Assert.Equal(2, read.Members.Length);
        Assert.Equal(
            written.Members.Select(m => m.Span.ToArray()),
            read.Members.Select(m => m.Span.ToArray()));
    }

    [Fact]
    public void The_key_that_differs_is_named()
    {
        var before = new PlanIdentity(42, "seed = 42\nbatch-size = 64\n", ["train 00ff"]);
        var after = before with { Specification = "seed = 42\nbatch-size = 128\n" };

        Assert.Equal(
            "'batch-size = 64' became 'batch-size = 128'", before.DifferenceFrom(after));
        Assert.Equal(
            "'train 00ff' became 'train 00fe'",
            before.DifferenceFrom(before with { DataDigests = ["train 00fe"] }));
        Assert.Null(before.DifferenceFrom(before with { }));
        Assert.NotEqual(before.Fingerprint(), after.Fingerprint());
    }

    [Fact]
    public void The_digest_is_of_the_parameters_alone_in_their_order()
    {
        Network network = ExampleNetwork();
        using var weights = new AlignedBuffer(network.Layout.Length);
        weights.Span.Fill(99);
        float[] expected = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        expected.AsSpan(0, 6).CopyTo(weights.Span[network.Layout.Views[0].Offset..]);
        expected.AsSpan(6, 3).CopyTo(weights.Span[network.Layout.Views[1].Offset..]);
        byte[] bytes = new byte[expected.Length * sizeof(float)];
        for (int i = 0; i < expected.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(
                bytes.AsSpan(i * sizeof(float)), expected[i]);
        }

        Assert.Equal(
            Convert.ToHexStringLower(SHA256.HashData(bytes)),
            WeightsDigest.OfWeights(network.Layout, weights));
    }

    private static Network ExampleNetwork()
    {
        var builder = new NetworkBuilder(Shape.Of(2));
        builder.Add(new DenseDefinition(3));
        return builder.Build();
    }

    private static Checkpoint Example(bool hasBest)
    {
        ParameterLayout layout = ExampleNetwork().Layout;
        var plan = new PlanIdentity(1, "name = example\nseed = 1\n", ["train 1234"]);
        var header = new CheckpointHeader(
            "example", plan, plan.Fingerprint(), ExamplePosition(), StoredParameter.Of(layout),
            layout.Length, 2, hasBest);
        return new Checkpoint(
            header, Filled(layout.Length, 1), Filled(2 * layout.Length, 2),
            hasBest ? Filled(layout.Length, 3) : null);
    }

    private static TrainingPosition ExamplePosition() => new()
    {
        Step = 7,
        EpochLossSum = 0.1 + 0.2,
        EpochRows = 12,
        RunRows = 112,
        Stopping = new StoppingState(1.0 / 3, 1, 0.4, 2),
        Plateau = new() { Best = 0.25, EvaluationsWithoutImprovement = 3, Reductions = 1 },
        History =
        [
            new EpochReport
            {
                Epoch = 0,
                StepsDone = 5,
                TrainingLoss = double.PositiveInfinity,
                Validation = new EvaluationMetrics
                {
                    Rows = 10,
                    Loss = Math.PI,
                    Classification = new ClassificationMetrics
                    {
                        Accuracy = 0.7,
                        Classes = [new("no", 5, 0.6, 0.7, 0.8), new("yes", 5, 0.1, 0.2, 0.3)],
                        Confusion = new(["no", "yes"], [5, 0, 3, 2]),
                    },
                },
                Layers = [new LayerNorms("dense1", 0.5, 1.5)],
                LearningRate = 0.1f,
                Metric = double.NaN,
                IsBest = false,
                Reason = "just so",
            },
        ],
        Notes = ["a note"],
        Elapsed = TimeSpan.FromTicks(123_456_789),
        Ended = new StopDecision(StopKind.Patience, "enough"),
    };

    private static TrainedModel ExampleModel()
    {
        ParameterLayout layout = ExampleNetwork().Layout;
        var header = new ModelHeader(
            "example", "seed = 1", """{"mean":[0.5]}""", ["no", "yes"],
            StoredParameter.Of(layout), layout.Length, ["aa", "bb"]);
        return new TrainedModel(header, [Filled(layout.Length, 4), Filled(layout.Length, 5)]);
    }

    private static AlignedBuffer Filled(int length, float first)
    {
        var buffer = new AlignedBuffer(length);
        for (int i = 0; i < length; i++)
        {
            buffer.Span[i] = first + (i / 7f);
        }

        return buffer;
    }

    private static byte[] Bytes(Checkpoint checkpoint)
    {
        using var stream = new MemoryStream();
        checkpoint.WriteTo(stream);
        return stream.ToArray();
    }

    private static byte[] Signed(byte[] bytes)
    {
        SHA256.HashData(bytes.AsSpan(0, bytes.Length - 32)).CopyTo(bytes.AsSpan(^32));
        return bytes;
    }
}
