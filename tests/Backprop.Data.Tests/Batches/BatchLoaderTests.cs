using Backprop.Data.Augmentations;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Networks;

namespace Backprop.Data.Tests.Batches;

public sealed class BatchLoaderTests
{
    private static readonly InMemoryDataset Ten = InMemoryDataset.OfClasses(
        "ten", [.. Enumerable.Range(0, 10).Select(i => new[] { i, 100f + i })],
        [.. Enumerable.Range(0, 10).Select(i => i % 3)], ["a", "b", "c"]);

    [Fact]
    public void AnEpochIsEverySampleOnceWithASmallerLastBatch()
    {
        var loader = new BatchLoader(Ten, 5, 4, TargetEncoding.ClassIndex);
        using Batch batch = loader.NewBatch(4);
        Assert.Equal(3, loader.StepsPerEpoch);
        for (int epoch = 0; epoch < 3; epoch++)
        {
            var samples = new List<long>();
            for (int step = 3 * epoch; step < 3 * (epoch + 1); step++)
            {
                Assert.Equal(epoch, loader.Epoch(step));
                loader.Load(step, 0, loader.GlobalRows(step), batch);
                samples.AddRange(batch.Samples.Take(batch.Rows));
            }

            Assert.Equal([4, 4, 2], new[] { 0, 1, 2 }.Select(s => loader.GlobalRows(s)));
            Assert.Equal(Enumerable.Range(0, 10).Select(i => (long)i), samples.Order());
        }
    }

    [Fact]
    public void ARowHoldsItsSamplesFeaturesAndTarget()
    {
        var loader = new BatchLoader(Ten, 5, 10, TargetEncoding.ClassIndex);
        using Batch batch = loader.NewBatch(10);
        loader.Load(0, 0, 10, batch);
        for (int row = 0; row < 10; row++)
        {
            long sample = batch.Samples[row];
            Assert.Equal([sample, 100f + sample], batch.Features.Span.Slice(2 * row, 2));
            Assert.Equal(sample % 3, batch.Targets.Span[row]);
        }
    }

    [Fact]
    public void APartOfTheGlobalBatchIsTheSameRowsAsInTheWhole()
    {
        var loader = new BatchLoader(Ten, 5, 7, TargetEncoding.ClassIndex);
        using Batch whole = loader.NewBatch(7);
        using Batch part = loader.NewBatch(3);
        for (int step = 0; step < 4; step++)
        {
            loader.Load(step, 0, loader.GlobalRows(step), whole);
            loader.Load(step, 1, 3, part);
            Assert.Equal(2, part.Rows);
            Assert.Equal(whole.Samples.AsSpan(1, 2), part.Samples.AsSpan(0, 2));
            Assert.Equal(whole.Features.Span.Slice(2, 4), part.Features.Span[..4]);
            Assert.Equal(whole.Targets.Span.Slice(1, 2), part.Targets.Span[..2]);
        }
    }

    [Fact]
    public void OneHotTargetsHaveASingleOneAtTheClass()
    {
        BatchLoader loader = BatchLoader.Sequential(Ten, 3, TargetEncoding.OneHot);
        using Batch batch = loader.NewBatch(3);
        batch.Targets.Span.Fill(9);
        loader.Load(0, 0, 3, batch);
        Assert.Equal([1f, 0, 0, 0, 1, 0, 0, 0, 1], batch.Targets.Span.ToArray());
    }

    [Fact]
    public void TheClassOfATwoClassSetIsAValue()
    {
        InMemoryDataset two = InMemoryDataset.OfClasses("two", [[1f], [2f]], [1, 0], ["no", "yes"]);
        BatchLoader loader = BatchLoader.Sequential(two, 2, TargetEncoding.Values);
        using Batch batch = loader.NewBatch(2);
        loader.Load(0, 0, 2, batch);
        Assert.Equal([1f, 0], batch.Targets.Span.ToArray());
    }

    [Fact]
    public void AnEncodingThatDoesNotSuitTheTargetsIsRefused()
    {
        InMemoryDataset values = InMemoryDataset.OfValues("values", [[1f]], [[0.5f]]);
        Assert.Contains(
            "its targets are values, not classes",
            Assert.Throws<InvalidDatasetException>(
                () => BatchLoader.Sequential(values, 1, TargetEncoding.ClassIndex)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "3 classes cannot be one value",
            Assert.Throws<InvalidDatasetException>(
                () => BatchLoader.Sequential(Ten, 1, TargetEncoding.Values)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void AugmentationIsKeyedByEpochAndSampleAndLeavesTheDatasetAlone()
    {
        var loader = new BatchLoader(
            Ten, 5, 10, TargetEncoding.ClassIndex, shuffle: true, new Recorder());
        using Batch batch = loader.NewBatch(10);
        loader.Load(2, 0, 10, batch);
        for (int row = 0; row < 10; row++)
        {
            Assert.Equal(5_002_000 + batch.Samples[row], batch.Features.Span[2 * row]);
            Assert.Equal(100f + batch.Samples[row], batch.Features.Span[(2 * row) + 1]);
        }

        Assert.Equal([3f, 103], Ten.Features(3));
    }

    [Fact]
    public void LoadingAllocatesNothing()
    {
        var loader = new BatchLoader(
            Ten, 5, 4, TargetEncoding.OneHot, shuffle: true, new Recorder());
        using Batch batch = loader.NewBatch(4);
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            for (int step = 0; step < 100; step++)
            {
                loader.Load(step, 0, loader.GlobalRows(step), batch);
            }
        }));
    }

    // As a worker does whose micro-batches change while it reads ahead.
    [Fact]
    public void TwoThreadsThatLoadAtOnceGetWhatOneGets()
    {
        const int Samples = 64;
        const int Steps = 300;
        using var images = new InMemoryDataset(
            "images", Shape.Of(9, 9), new TargetSchema.Values(["y"]),
            [.. Enumerable.Range(0, Samples * 81).Select(i => (float)i)], new float[Samples]);
        IAugmentation augmentation = ImageAugmentation.Compose(
            [
                new ImageAugmentation.Rotate(30), new ImageAugmentation.Shift(2),
                new ImageAugmentation.CropPad(2),
            ],
            images.FeatureShape)!;
        var loader = new BatchLoader(
            images, 5, 16, TargetEncoding.Values, shuffle: true, augmentation, new Mixup(0.4));
        float[][] alone = Load(0);
        float[][] beside = [];
        var other = new Thread(() => beside = Load(Steps));
        other.Start();
        float[][] together = Load(0);
        other.Join();

        Assert.Equal(alone, together);
        Assert.Equal(Load(Steps), beside);

        float[][] Load(int firstStep)
        {
            using Batch batch = loader.NewBatch(16);
            var steps = new float[Steps][];
            for (int step = 0; step < Steps; step++)
            {
                loader.Load(firstStep + step, 0, 16, batch);
                steps[step] = batch.Features.Span[..(16 * 81)].ToArray();
            }

            return steps;
        }
    }

    [Fact]
    public void RowsBeyondTheGlobalBatchAreRefused()
    {
        BatchLoader loader = BatchLoader.Sequential(Ten, 4, TargetEncoding.ClassIndex);
        using Batch batch = loader.NewBatch(4);
        Assert.Throws<ArgumentOutOfRangeException>(() => loader.Load(2, 0, 3, batch));
    }

    private sealed class Recorder : IAugmentation
    {
        public void Apply(
            ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch) =>
            features[0] = ((long)seed * 1_000_000) + (epoch * 1000) + sample;
    }
}
