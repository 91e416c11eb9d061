using Backprop.Data.Batches;
using Backprop.Engine.Networks;

namespace Backprop.Data.Tests.Batches;

public sealed class MixupTests
{
    private const ulong Seed = 5;

    private static readonly InMemoryDataset s_ten = InMemoryDataset.OfClasses(
        "ten", [.. Enumerable.Range(0, 10).Select(i => new[] { i, 100f + i })],
        [.. Enumerable.Range(0, 10).Select(i => i % 3)], ["a", "b", "c"]);

    /// <summary>Beta(α, α) has mean 1/2 and variance 1 / (4·(2α + 1)); of 20,000 draws the mean is
    /// good to 0.0035 and the variance to 0.002, one deviation.</summary>
    [Theory]
    [InlineData(0.001)]
    [InlineData(0.2)]
    [InlineData(1)]
    [InlineData(4)]
    public void Shares_are_of_a_beta_distribution_and_partners_of_all_samples(double alpha)
    {
        const int Draws = 20_000, Partners = 10;
        var mixup = new Mixup(alpha);
        double sum = 0, squares = 0;
        var partners = new int[Partners];
        for (int sample = 0; sample < Draws; sample++)
        {
            MixedWith with = mixup.Draw(Seed, 3, sample, Partners);
            Assert.InRange(with.Share, 0f, 1f);
            sum += with.Share;
            squares += (with.Share - 0.5) * (with.Share - 0.5);
            partners[with.Partner]++;
        }

        Assert.Equal(0.5, sum / Draws, 0.014);
        Assert.Equal(1 / (4 * ((2 * alpha) + 1)), squares / Draws, 0.008);
        Assert.All(partners, count => Assert.InRange(count, 1_800, 2_200));
    }

    [Fact]
    public void Every_epoch_mixes_anew_and_as_often_as_is_asked_for()
    {
        var mixup = new Mixup(0.4, Probability: 0.25);
        MixedWith[] first = [.. Enumerable.Range(0, 4_000).Select(s => mixup.Draw(Seed, 0, s, 9))];
        MixedWith[] second = [.. Enumerable.Range(0, 4_000).Select(s => mixup.Draw(Seed, 1, s, 9))];

        Assert.InRange(first.Count(with => with.Share < 1), 900, 1_100);
        Assert.NotEqual(first, second);
        Assert.Equal(first[17], mixup.Draw(Seed, 0, 17, 9));
    }

    [Fact]
    public void A_row_is_the_mixture_of_two_samples_and_of_their_targets()
    {
        var mixup = new Mixup(1);
        var loader = new BatchLoader(
            s_ten, Seed, 10, TargetEncoding.OneHot, mixup: mixup);
        using Batch batch = loader.NewBatch(10);
        const int Epoch = 2;
        loader.Load(Epoch, 0, 10, batch);
        for (int row = 0; row < 10; row++)
        {
            long sample = batch.Samples[row];
            MixedWith with = mixup.Draw(Seed, Epoch, sample, 10);
            double share = with.Share;
            double mixed = (share * sample) + ((1 - share) * with.Partner);
            Assert.Equal(mixed, batch.Features.Span[2 * row], 1e-5);
            Assert.Equal(100 + mixed, batch.Features.Span[(2 * row) + 1], 1e-4);
            for (int i = 0; i < 3; i++)
            {
                double target = (sample % 3 == i ? share : 0)
                    + (with.Partner % 3 == i ? 1 - share : 0);
                Assert.Equal(target, batch.Targets.Span[(3 * row) + i], 1e-6);
            }
        }
    }

    [Fact]
    public void A_row_does_not_depend_on_those_that_are_loaded_beside_it()
    {
        var loader = new BatchLoader(
            s_ten, Seed, 7, TargetEncoding.OneHot, mixup: new Mixup(0.3));
        using Batch whole = loader.NewBatch(7);
        using Batch one = loader.NewBatch(1);
        loader.Load(4, 0, 7, whole);
        for (int row = 6; row >= 0; row--)
        {
            loader.Load(4, row, row + 1, one);
            Assert.Equal(whole.Features.Span.Slice(2 * row, 2), one.Features.Span[..2]);
            Assert.Equal(whole.Targets.Span.Slice(3 * row, 3), one.Targets.Span[..3]);
        }
    }

    [Fact]
    public void Loading_mixed_rows_allocates_nothing()
    {
        var loader = new BatchLoader(
            s_ten, Seed, 10, TargetEncoding.OneHot, mixup: new Mixup(0.3));
        using Batch batch = loader.NewBatch(10);
        int step = 0;
        Assert.Equal(0, Allocations.OfSteadyState(() => loader.Load(step++, 0, 10, batch)));
    }

    [Fact]
    public void Class_indices_are_not_mixed() => Assert.Throws<ArgumentException>(
        () => new BatchLoader(s_ten, Seed, 10, TargetEncoding.ClassIndex, mixup: new Mixup(1)));
}
