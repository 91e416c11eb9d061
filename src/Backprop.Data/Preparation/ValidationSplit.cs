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

    /// <summary>Holds out one of several parts of nearly the same size, which together are the
    /// dataset: k-fold cross-validation.</summary>
    /// <param name="dataset">What is parted; the parts refer to it.</param>
    /// <param name="seed">The run's seed, the same for every fold.</param>
    /// <param name="fold">The part held out.</param>
    /// <param name="stratified">Every part has every class in proportion, to within one sample.
    /// </param>
    /// <exception cref="InvalidDatasetException">There are more parts than samples, or no classes
    /// to stratify by.</exception>
    public static ValidationSplit Fold(
        IDataset dataset, ulong seed, ValidationFold fold, bool stratified = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(fold.Count, 2, nameof(fold));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(
            (uint)fold.Held, (uint)fold.Count, nameof(fold));
        if (fold.Count > dataset.Count)
        {
            throw new InvalidDatasetException(
                dataset.Source,
                $"its {dataset.Count} samples cannot be cut into {fold.Count} parts",
                "ask for as many folds as there are samples, or fewer");
        }

        SampleOrder order = Order(dataset, seed);
        if (stratified)
        {
            return Of(dataset, StratifiedFold(dataset, order, fold));
        }

        long first = (long)((BigInteger)dataset.Count * fold.Held / fold.Count);
        long end = (long)((BigInteger)dataset.Count * (fold.Held + 1) / fold.Count);
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
        RequireClasses(dataset);
        long[] quotas = Quotas(ClassCounts.Of(dataset), held);
        var samples = new HashSet<long>();
        foreach ((long sample, int label) in Labelled(dataset, order))
        {
            if (quotas[label] > 0)
            {
                quotas[label]--;
                samples.Add(sample);
            }
        }

        return samples;
    }

    // Sorted by class, and within a class by the permutation, samples are dealt to the folds in
    // turn, as cards are: so the folds differ by one sample at most, in all and in each class.
    private static HashSet<long> StratifiedFold(
        IDataset dataset, SampleOrder order, ValidationFold fold)
    {
        RequireClasses(dataset);
        ImmutableArray<long> counts = ClassCounts.Of(dataset);
        var next = new long[counts.Length];
        for (int c = 1; c < next.Length; c++)
        {
            next[c] = next[c - 1] + counts[c - 1];
        }

        var samples = new HashSet<long>();
        foreach ((long sample, int label) in Labelled(dataset, order))
        {
            if (next[label]++ % fold.Count == fold.Held)
            {
                samples.Add(sample);
            }
        }

        return samples;
    }

    private static IEnumerable<(long Sample, int Class)> Labelled(
        IDataset dataset, SampleOrder order)
    {
        var label = new float[1];
        for (long position = 0; position < dataset.Count; position++)
        {
            long sample = order[position];
            dataset.ReadTarget(sample, label);
            yield return (sample, (int)label[0]);
        }
    }

    private static void RequireClasses(IDataset dataset)
    {
        if (dataset.Target is not TargetSchema.Class { Positions: 1 })
        {
            throw new InvalidDatasetException(
                dataset.Source,
                dataset.Target switch
                {
                    TargetSchema.Class =>
                        "each sample has many classes: there is none to stratify by",
                    TargetSchema.Several =>
                        "each sample has several targets: there is none to stratify by",
                    _ => "its targets are values: there are no classes to stratify by",
                },
                "split it without stratification");
        }
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
