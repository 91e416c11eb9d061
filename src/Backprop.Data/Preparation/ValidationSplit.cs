using System.Collections.Immutable;
using System.Numerics;
using Backprop.Data.Batches;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Preparation;

/// <summary>
/// Parts a dataset into a training and a validation part by a keyed permutation: the same samples
/// for the same seed, in whatever order the parts are read. Both parts keep the dataset's order.
/// </summary>
public sealed record ValidationSplit
{
    private ValidationSplit(SubsetDataset train, SubsetDataset validation)
    {
        Train = train;
        Validation = validation;
    }

    /// <summary>The samples to train on.</summary>
    public SubsetDataset Train { get; }

    /// <summary>The samples held out.</summary>
    public SubsetDataset Validation { get; }

    /// <summary>Holds out a fraction of the samples, rounded to the nearest whole number of them,
    /// and at least one; at least one is left to train on.</summary>
    /// <param name="dataset">What is parted; the parts refer to it.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="fraction">In (0, 1).</param>
    /// <param name="stratified">Every class is held out in proportion, to within one sample, by
    /// largest remainders.</param>
    /// <exception cref="ArgumentOutOfRangeException">The fraction is not in (0, 1).</exception>
    /// <exception cref="InvalidDatasetException">There are fewer than two samples, or no classes
    /// to stratify by.</exception>
    public static ValidationSplit Of(
        IDataset dataset, ulong seed, double fraction, bool stratified = false)
    {
        if (!(fraction > 0 && fraction < 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(fraction), fraction, "the fraction held out lies between 0 and 1");
        }

        RequireTwo(dataset);
        long held = Math.Clamp(
            (long)Math.Floor((fraction * dataset.Count) + 0.5), 1, dataset.Count - 1);
        SampleOrder order = Order(dataset, seed);
        return stratified
            ? Of(dataset, Stratified(dataset, order, held))
            : Of(dataset, [.. Range(0, held).Select(position => order[position])]);
    }

    /// <summary>Holds out one of <paramref name="folds"/> parts of nearly the same size, which
    /// together are the dataset: k-fold cross-validation.</summary>
    /// <param name="dataset">What is parted; the parts refer to it.</param>
    /// <param name="seed">The run's seed, the same for every fold.</param>
    /// <param name="folds">Parts, at least 2, at most one for each sample.</param>
    /// <param name="fold">The part held out, from 0.</param>
    public static ValidationSplit Fold(IDataset dataset, ulong seed, int folds, int fold)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(folds, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(folds, dataset.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)fold, (uint)folds);
        SampleOrder order = Order(dataset, seed);
        long first = (long)((BigInteger)dataset.Count * fold / folds);
        long end = (long)((BigInteger)dataset.Count * (fold + 1) / folds);
        return Of(dataset, [.. Range(first, end).Select(position => order[position])]);
    }

    private static void RequireTwo(IDataset dataset)
    {
        if (dataset.Count < 2)
        {
            throw new InvalidDatasetException(
                dataset.Source, "there is only one sample", "a split needs at least two");
        }
    }

    private static SampleOrder Order(IDataset dataset, ulong seed) =>
        SampleOrder.Of(new RandomStream(seed, RandomPurpose.Split), dataset.Count);

    private static ValidationSplit Of(IDataset dataset, HashSet<long> held) => new(
        new SubsetDataset(
            dataset, [.. Range(0, dataset.Count).Where(sample => !held.Contains(sample))]),
        new SubsetDataset(dataset, [.. held.Order()]));

    private static HashSet<long> Stratified(IDataset dataset, SampleOrder order, long held)
    {
        if (dataset.Target is not TargetSchema.Class { Positions: 1 })
        {
            throw new InvalidDatasetException(
                dataset.Source,
                dataset.Target is TargetSchema.Class
                    ? "each sample has many classes: there is none to stratify by"
                    : "its targets are values: there are no classes to stratify by",
                "split it without stratification");
        }

        long[] quotas = Quotas(ClassCounts.Of(dataset), held);
        var samples = new HashSet<long>();
        float label = 0;
        for (long position = 0; position < dataset.Count; position++)
        {
            long sample = order[position];
            dataset.ReadTarget(sample, new Span<float>(ref label));
            if (quotas[(int)label] > 0)
            {
                quotas[(int)label]--;
                samples.Add(sample);
            }
        }

        return samples;
    }

    // Largest remainders, in whole numbers; of equal remainders the first class wins.
    private static long[] Quotas(ImmutableArray<long> counts, long held)
    {
        long total = counts.Sum();
        var shares = counts
            .Select((count, index) =>
            {
                BigInteger share = BigInteger.DivRem(
                    (BigInteger)count * held, total, out BigInteger remainder);
                return (Share: (long)share, Remainder: remainder, Index: index);
            })
            .ToArray();
        long[] quotas = [.. shares.Select(s => s.Share)];
        int left = (int)(held - quotas.Sum());
        foreach (var share in shares.OrderByDescending(s => s.Remainder).Take(left))
        {
            quotas[share.Index]++;
        }

        return quotas;
    }

    private static IEnumerable<long> Range(long first, long end)
    {
        for (long i = first; i < end; i++)
        {
            yield return i;
        }
    }
}
