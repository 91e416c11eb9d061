using Backprop.Data.Batches;

namespace Backprop.Data.Tests.Batches;

public sealed class SampleOrderTests
{
    [Fact]
    public void EverySampleComesExactlyOnceWhateverTheCount()
    {
        for (int count = 1; count <= 2000; count++)
        {
            SampleOrder order = SampleOrder.Shuffled(42, 3, count);
            var seen = new bool[count];
            for (int position = 0; position < count; position++)
            {
                long sample = order[position];
                if (seen[sample])
                {
                    Assert.Fail($"sample {sample} of {count} comes twice");
                }

                seen[sample] = true;
            }
        }
    }

    [Fact]
    public void EverySampleOfALargeSetComesExactlyOnce()
    {
        const int Count = 300_007;
        SampleOrder order = SampleOrder.Shuffled(7, 0, Count);
        var seen = new bool[Count];
        for (int position = 0; position < Count; position++)
        {
            seen[order[position]] = true;
        }

        Assert.DoesNotContain(false, seen);
    }

    [Fact]
    public void PositionsOfAVastSetStayInsideIt()
    {
        const long Count = (1L << 61) + 12_345;
        SampleOrder order = SampleOrder.Shuffled(7, 0, Count);
        var samples = new HashSet<long>();
        for (int i = 0; i < 1000; i++)
        {
            long sample = order[i * (Count / 1000)];
            Assert.InRange(sample, 0, Count - 1);
            Assert.True(samples.Add(sample));
        }
    }

    [Fact]
    public void EpochsAndSeedsHaveOrdersOfTheirOwn()
    {
        long[] order = Take(SampleOrder.Shuffled(1, 0, 1000));
        Assert.Equal(order, Take(SampleOrder.Shuffled(1, 0, 1000)));
        Assert.NotEqual(order, Take(SampleOrder.Shuffled(1, 1, 1000)));
        Assert.NotEqual(order, Take(SampleOrder.Shuffled(2, 0, 1000)));
        Assert.NotEqual(Enumerable.Range(0, 1000).Select(i => (long)i), order);
    }

    [Fact]
    public void WithoutShufflingTheOrderIsTheDatasets() =>
        Assert.Equal(
            Enumerable.Range(0, 100).Select(i => (long)i), Take(SampleOrder.Sequential(100)));

    [Theory]
    [InlineData(4)]
    [InlineData(10)]
    [InlineData(37)]
    public void OverManyEpochsEverySampleIsAtEveryPositionEquallyOften(int count)
    {
        const int Epochs = 4000;
        var counts = new int[count, count];
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            SampleOrder order = SampleOrder.Shuffled(11, epoch, count);
            for (int position = 0; position < count; position++)
            {
                counts[position, order[position]]++;
            }
        }

        double expected = (double)Epochs / count;
        double chiSquare = counts.Cast<int>().Sum(c => (c - expected) * (c - expected) / expected);

        // (count − 1)² degrees of freedom; five standard deviations above their number.
        double freedom = (count - 1.0) * (count - 1.0);
        Assert.InRange(chiSquare, 0, freedom + (5 * Math.Sqrt(2 * freedom)));
    }

    [Fact]
    public void PositionsOutsideAreRefused()
    {
        SampleOrder order = SampleOrder.Shuffled(1, 0, 10);
        Assert.Throws<ArgumentOutOfRangeException>(() => order[10]);
        Assert.Throws<ArgumentOutOfRangeException>(() => order[-1]);
    }

    // Written down by a second program: the orders are part of every run, and a change here would
    // change every result ever published.
    [Fact]
    public void TheOrderIsFrozen()
    {
        Assert.Equal([4, 7, 9, 5, 8, 1, 6, 0, 2, 3], Take(SampleOrder.Shuffled(42, 0, 10)));
        Assert.Equal([8, 1, 9, 2, 0, 7, 4, 5, 6, 3], Take(SampleOrder.Shuffled(42, 1, 10)));
        Assert.Equal(
            [3, 4, 0, 2, 1], Take(SampleOrder.Shuffled((1UL << 63) + 5, 1L << 33, 5)));
    }

    private static long[] Take(SampleOrder order)
    {
        var samples = new long[order.Count];
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = order[i];
        }

        return samples;
    }
}
