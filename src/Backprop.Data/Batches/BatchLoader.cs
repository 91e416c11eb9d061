using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Data.Batches;

/// <summary>How a sample's target is written into a batch.</summary>
public enum TargetEncoding
{
    /// <summary>A class as its index, one float; of sequences one a position.</summary>
    ClassIndex,

    /// <summary>A class as one float for each class: 1 for its own, 0 for the others.</summary>
    OneHot,

    /// <summary>The values as they are. The class of a two-class set is the value 0 or 1.</summary>
    Values,
}

/// <summary>One target as it stands in a batch.</summary>
/// <param name="Target">The dataset's target, by its name; empty: the only one.</param>
/// <param name="Encoding">How it is written.</param>
public readonly record struct WrittenTarget(string Target, TargetEncoding Encoding);

/// <summary>How the targets of a row stand in a batch: those of the network's outputs side by side,
/// in the outputs' order. An encoding is that of the only target.</summary>
/// <param name="Targets">One for each output; several outputs may have one target.</param>
public sealed record TargetWriting(params ImmutableArray<WrittenTarget> Targets)
{
    /// <summary>The only target, written so.</summary>
    public static implicit operator TargetWriting(TargetEncoding encoding) =>
        new(new WrittenTarget("", encoding));
}

/// <summary>
/// Fills batches. Which samples make step t is arithmetic on (seed, t) alone: an epoch is one pass
/// in a keyed order, cut into global batches, the last of them smaller, and every sample is used
/// exactly once an epoch whoever loads it.
/// </summary>
/// <remarks>Loading allocates nothing. Loaders share no state: several may read one dataset.
/// </remarks>
public sealed class BatchLoader
{
    private readonly IDataset _dataset;
    private readonly ulong _seed;
    private readonly bool _shuffle;
    private readonly ImmutableArray<BatchTarget> _targets;
    private readonly bool _readsWhole;
    private readonly IAugmentation? _augmentation;
    private readonly Mixup? _mixup;

    // Threads that load have no more than a row or two each: for a partner, and for a copy of the
    // features that are being augmented.
    [ThreadStatic]
    private static float[]? t_scratch;

    // A sample's targets before they are written.
    [ThreadStatic]
    private static float[]? t_targets;

    /// <summary>A loader of training batches.</summary>
    /// <param name="dataset">Prepared samples.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="batchSize">Rows of a global batch.</param>
    /// <param name="writing">How targets are written.</param>
    /// <param name="shuffle">A new keyed order every epoch; else the dataset's own.</param>
    /// <param name="augmentation">Changes each sample's features; null: none.</param>
    /// <param name="mixup">Mixes samples, after they are augmented; null: none are.</param>
    /// <exception cref="InvalidDatasetException">The encoding does not suit the targets.
    /// </exception>
    /// <exception cref="ArgumentException">Class indices cannot be mixed.</exception>
    public BatchLoader(
        IDataset dataset, ulong seed, int batchSize, TargetWriting writing, bool shuffle = true,
        IAugmentation? augmentation = null, Mixup? mixup = null)
    {
        if (mixup is not null
            && writing.Targets.Any(target => target.Encoding == TargetEncoding.ClassIndex))
        {
            throw new ArgumentException(
                "class indices cannot be mixed: write targets as one-hot", nameof(mixup));
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        _dataset = dataset;
        _seed = seed;
        _shuffle = shuffle;
        _augmentation = augmentation;
        _mixup = mixup;
        BatchSize = batchSize;
        _targets = TargetsOf(dataset, writing);
        _readsWhole = _targets is [{ Encoding: not TargetEncoding.OneHot } only]
            && only.Width == dataset.Target.Width;
        TargetWidth = _targets.Sum(target => target.Width);
        StepsPerEpoch = (dataset.Count + batchSize - 1) / batchSize;
    }

    /// <summary>Rows of a global batch, but for the last of an epoch.</summary>
    public int BatchSize { get; }

    /// <summary>Steps that one pass over the dataset takes.</summary>
    public long StepsPerEpoch { get; }

    /// <summary>Floats that the encoding gives a target.</summary>
    public int TargetWidth { get; }

    /// <summary>A loader that reads the dataset in its own order, unchanged: for evaluation, whose
    /// steps are 0 to <see cref="StepsPerEpoch"/> − 1.</summary>
    public static BatchLoader Sequential(
        IDataset dataset, int batchSize, TargetWriting writing) =>
        new(dataset, 0, batchSize, writing, shuffle: false);

    /// <summary>A batch with room for so many rows of this dataset.</summary>
    public Batch NewBatch(int capacity) =>
        new(capacity, _dataset.FeatureShape.Count, TargetWidth);

    /// <summary>The epoch that a step belongs to.</summary>
    public long Epoch(long step) => step / StepsPerEpoch;

    /// <summary>Rows of the global batch of a step.</summary>
    public int GlobalRows(long step)
    {
        long first = step % StepsPerEpoch * BatchSize;
        return (int)Math.Min(BatchSize, _dataset.Count - first);
    }

    /// <summary>Loads rows [<paramref name="firstRow"/>, <paramref name="endRow"/>) of the global
    /// batch of a step.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="firstRow">The first row wanted.</param>
    /// <param name="endRow">One past the last; at most <see cref="GlobalRows"/>.</param>
    /// <param name="batch">Overwritten; its rows become endRow − firstRow.</param>
    public void Load(long step, int firstRow, int endRow, Batch batch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endRow, GlobalRows(step));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endRow - firstRow, batch.Capacity);
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            batch.FeatureWidth, _dataset.FeatureShape.Count);
        ArgumentOutOfRangeException.ThrowIfNotEqual(batch.TargetWidth, TargetWidth);
        long epoch = Epoch(step);
        SampleOrder order = _shuffle
            ? SampleOrder.Shuffled(_seed, epoch, _dataset.Count)
            : SampleOrder.Sequential(_dataset.Count);
        long firstPosition = step % StepsPerEpoch * BatchSize;
        batch.Rows = Math.Max(0, endRow - firstRow);
        for (int row = 0; row < batch.Rows; row++)
        {
            long sample = order[firstPosition + firstRow + row];
            batch.Samples[row] = sample;
            LoadRow(epoch, sample, row, batch);
        }
    }

    private static ImmutableArray<BatchTarget> TargetsOf(IDataset dataset, TargetWriting writing)
    {
        var targets = ImmutableArray.CreateBuilder<BatchTarget>(writing.Targets.Length);
        int start = 0;
        foreach ((string name, TargetEncoding encoding) in writing.Targets)
        {
            TargetPart part = dataset.Target.Find(name) ?? throw new InvalidDatasetException(
                dataset.Source, $"there is no target '{name}'",
                "its targets are "
                + string.Join(", ", dataset.Target.Parts.Select(p => $"'{p.Name}'")));
            int width = WidthOf(dataset, part.Schema, encoding);
            targets.Add(new BatchTarget(encoding, part.Offset, start, width));
            start += width;
        }

        return targets.MoveToImmutable();
    }

    private static int WidthOf(IDataset dataset, TargetSchema schema, TargetEncoding encoding) =>
        (encoding, schema) switch
        {
            (TargetEncoding.ClassIndex, TargetSchema.Class target) => target.Width,
            (_, TargetSchema.Class { Positions: > 1 }) => throw new InvalidDatasetException(
                dataset.Source, "it has a class at every position, which cannot be values",
                "use a loss for classes"),
            (TargetEncoding.OneHot, TargetSchema.Class target) => target.Classes.Length,
            (TargetEncoding.Values, TargetSchema.Values target) => target.Width,
            (TargetEncoding.Values, TargetSchema.Class { Classes.Length: 2 }) => 1,
            (TargetEncoding.Values, TargetSchema.Class target) =>
                throw new InvalidDatasetException(
                    dataset.Source, $"{target.Classes.Length} classes cannot be one value",
                    "use one-hot targets, or a loss for classes"),
            _ => throw new InvalidDatasetException(
                dataset.Source, "its targets are values, not classes",
                "use a loss for values, or declare the target a class"),
        };

    private void LoadRow(long epoch, long sample, int row, Batch batch)
    {
        Span<float> features =
            batch.Features.Span.Slice(row * batch.FeatureWidth, batch.FeatureWidth);
        Span<float> target = batch.Targets.Span.Slice(row * TargetWidth, TargetWidth);
        Read(epoch, sample, features, target);
        if (_mixup is not null)
        {
            MixedWith with = _mixup.Draw(_seed, epoch, sample, _dataset.Count);
            if (with.Share < 1)
            {
                MixIn(epoch, with, features, target);
            }
        }
    }

    private void MixIn(long epoch, MixedWith with, Span<float> features, Span<float> target)
    {
        Span<float> partner = Scratch(features.Length, features.Length + target.Length);
        Span<float> partnerFeatures = partner[..features.Length];
        Span<float> partnerTarget = partner[features.Length..];
        Read(epoch, with.Partner, partnerFeatures, partnerTarget);
        Mixup.Mix(with.Share, features, partnerFeatures);
        Mixup.Mix(with.Share, target, partnerTarget);
    }

    private void Read(long epoch, long sample, Span<float> features, Span<float> target)
    {
        _dataset.ReadFeatures(sample, features);
        _augmentation?.Apply(_seed, epoch, sample, features, Scratch(0, features.Length));
        if (_readsWhole)
        {
            _dataset.ReadTarget(sample, target);
            return;
        }

        Span<float> read = TargetScratch(_dataset.Target.Width);
        _dataset.ReadTarget(sample, read);
        foreach (BatchTarget written in _targets)
        {
            Span<float> to = target.Slice(written.Start, written.Width);
            if (written.Encoding == TargetEncoding.OneHot)
            {
                to.Clear();
                to[(int)read[written.Offset]] = 1;
            }
            else
            {
                read.Slice(written.Offset, written.Width).CopyTo(to);
            }
        }
    }

    private static Span<float> TargetScratch(int length)
    {
        if (t_targets is null || t_targets.Length < length)
        {
            t_targets = new float[length];
        }

        return t_targets.AsSpan(0, length);
    }

    private static Span<float> Scratch(int start, int length)
    {
        if (t_scratch is null || t_scratch.Length < start + length)
        {
            t_scratch = new float[start + length];
        }

        return t_scratch.AsSpan(start, length);
    }

    // Floats [offset, ...) of the sample's targets become [start, start + width) of the batch's.
    private readonly record struct BatchTarget(
        TargetEncoding Encoding, int Offset, int Start, int Width);
}
