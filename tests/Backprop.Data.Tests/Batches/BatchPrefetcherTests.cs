using System.Collections.Immutable;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Networks;

namespace Backprop.Data.Tests.Batches;

public sealed class BatchPrefetcherTests
{
    private static readonly TimeSpan LongEnough = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void EveryBatchIsWhatTheLoaderLoads()
    {
        var loader = new BatchLoader(
            new SlowDataset(TimeSpan.Zero), 7, 8, TargetEncoding.ClassIndex);
        using Batch expected = loader.NewBatch(8);
        using var batches = new BatchPrefetcher(loader, 8);

        // Some steps are asked for ahead and taken, some taken otherwise, some repeated.
        foreach ((long step, int first, int end) in (IEnumerable<(long, int, int)>)
            [(0, 0, 8), (1, 0, 8), (1, 2, 6), (2, 2, 6), (9, 0, 3), (10, 0, 3), (10, 0, 3)])
        {
            loader.Load(step, first, end, expected);
            Batch batch = batches.Take(step, first, end);
            batches.Prefetch(step + 1, first, end);
            Assert.Same(batch, batches.Taken);
            Assert.Equal(expected.Rows, batch.Rows);
            Assert.Equal(expected.Samples[..expected.Rows], batch.Samples[..batch.Rows]);
            Assert.Equal(Used(expected, expected.Features), Used(batch, batch.Features));
            Assert.Equal(Used(expected, expected.Targets), Used(batch, batch.Targets));
        }
    }

    [Fact]
    public void WhatTakesLongIsLoadedAhead()
    {
        var dataset = new SlowDataset(LongEnough);
        var loader = new BatchLoader(dataset, 7, 8, TargetEncoding.ClassIndex);
        using var batches = new BatchPrefetcher(loader, 8);
        for (long step = 0; step < 4; step++)
        {
            batches.Take(step, 0, 8);
            PrefetchBegun(batches, step + 1, dataset);
        }

        Assert.Equal(3, batches.Prefetched);

        // The first one was waited for, row by row.
        Assert.True(batches.Waited >= LongEnough);
    }

    [Fact]
    public void AFailureIsThrownToWhoeverTakesTheRows()
    {
        var dataset = new SlowDataset(LongEnough);
        var loader = new BatchLoader(dataset, 7, 8, TargetEncoding.ClassIndex);
        using var batches = new BatchPrefetcher(loader, 8);
        batches.Take(0, 0, 8);
        dataset.IsBroken = true;
        PrefetchBegun(batches, 1, dataset);
        Assert.Equal(
            "row away", Assert.Throws<IOException>(() => batches.Take(1, 0, 8)).Message);

        // As soon as they can be read they are had.
        dataset.IsBroken = false;
        Assert.Equal(8, batches.Take(1, 0, 8).Rows);
        Assert.Equal(4, batches.Take(3, 0, 4).Rows);
    }

    [Fact]
    public void ItEndsWhileItLoads()
    {
        var loader = new BatchLoader(
            new SlowDataset(LongEnough), 7, 8, TargetEncoding.ClassIndex);
        var batches = new BatchPrefetcher(loader, 8);
        batches.Take(0, 0, 8);
        batches.Prefetch(1, 0, 8);
        batches.Dispose();
    }

    private static float[] Used(Batch batch, AlignedBuffer buffer) =>
        buffer.Span[..(batch.Rows * buffer.Length / batch.Capacity)].ToArray();

    // Returns when the thread has begun with what it was asked for.
    private static void PrefetchBegun(BatchPrefetcher batches, long step, SlowDataset dataset)
    {
        int before = dataset.ReadByOthers;
        batches.Prefetch(step, 0, 8);
        Assert.True(SpinWait.SpinUntil(
            () => dataset.ReadByOthers > before, TimeSpan.FromMinutes(1)));
    }

    private sealed class SlowDataset(TimeSpan rowTime) : IDataset
    {
        private readonly int _thread = Environment.CurrentManagedThreadId;
        private volatile bool _isBroken;
        private volatile int _readByOthers;

        public bool IsBroken
        {
            set => _isBroken = value;
        }

        public int ReadByOthers => _readByOthers;

        public string Source => "slow";

        public long Count => 80;

        public Shape FeatureShape { get; } = Shape.Of(3);

        public TargetSchema Target { get; } = new TargetSchema.Class(["a", "b"]);

        public void ReadFeatures(long sample, Span<float> features)
        {
            if (Environment.CurrentManagedThreadId != _thread)
            {
                Interlocked.Increment(ref _readByOthers);
            }

            Thread.Sleep(rowTime);
            if (_isBroken)
            {
                throw new IOException("row away");
            }

            features.Fill(sample);
        }

        public ImmutableArray<string> FeatureNames => [];

        public void ReadTarget(long sample, Span<float> target) => target[0] = sample % 2;

        public void Dispose()
        {
        }
    }
}
