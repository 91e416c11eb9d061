using System.Collections.Immutable;
using Backprop.Data.Formats;

namespace Backprop.Data.Preparation;

/// <summary>One of several parts of nearly the same size, which together are the training samples.
/// </summary>
/// <param name="Count">Parts, at least 2.</param>
/// <param name="Held">The part that is held out, from 0.</param>
public readonly record struct ValidationFold(int Count, int Held);

/// <summary>How the datasets of a run are parted and prepared.</summary>
public sealed record PreparationOptions
{
    /// <summary>How features are normalized.</summary>
    public NormalizationMethod Normalize { get; init; }

    /// <summary>How targets are normalized; metrics are in the source's units all the same.
    /// </summary>
    public NormalizationMethod NormalizeTargets { get; init; }

    /// <summary>The fraction of the training samples held out for validation, in (0, 1); null:
    /// none are.</summary>
    public double? ValidationFraction { get; init; }

    /// <summary>The fold of the training samples that is held out for validation; null: none is.
    /// </summary>
    public ValidationFold? ValidationFold { get; init; }

    /// <summary>Whether every class is held out in proportion.</summary>
    public bool Stratified { get; init; }

    /// <summary>Whether any of the training samples are held out.</summary>
    public bool HoldsOut => ValidationFraction is not null || ValidationFold is not null;
}

/// <summary>The datasets of a run, parted and prepared; once it is made, it owns what it
/// was made from.</summary>
public sealed class PreparedData : IDisposable
{
    private readonly ImmutableArray<IDataset> _sources;

    private PreparedData(
        ImmutableArray<IDataset> sources, DataPreparation preparation, IDataset train,
        IDataset? validation, IDataset? test)
    {
        _sources = sources;
        Preparation = preparation;
        Train = train;
        Validation = validation;
        Test = test;
    }

    /// <summary>What was fitted on the training part.</summary>
    public DataPreparation Preparation { get; }

    /// <summary>Prepared training samples.</summary>
    public IDataset Train { get; }

    /// <summary>Prepared validation samples; null: none.</summary>
    public IDataset? Validation { get; }

    /// <summary>Prepared test samples; null: none.</summary>
    public IDataset? Test { get; }

    /// <summary>Where the validation samples stood among those to train on, as these were read;
    /// empty: none were held out.</summary>
    public ImmutableArray<long> HeldOut { get; private init; } = [];

    /// <summary>Parts the training samples where asked to, fits the preparation on what is left to
    /// train on, and applies it to every part.</summary>
    /// <param name="train">Samples to train on, as they were read.</param>
    /// <param name="validation">Validation samples of their own; null: none, or a fraction of the
    /// training samples.</param>
    /// <param name="test">Test samples; null: none.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="options">What is done to them.</param>
    /// <param name="fitted">A preparation that was fitted before, as a trained network's; null: fit
    /// one.</param>
    /// <exception cref="InvalidDatasetException">The datasets do not go together, or cannot be
    /// parted or prepared as asked.</exception>
    public static PreparedData Of(
        IDataset train, IDataset? validation, IDataset? test, ulong seed,
        PreparationOptions options, DataPreparation? fitted = null)
    {
        if ((validation is not null && options.HoldsOut)
            || (options.ValidationFraction is not null && options.ValidationFold is not null))
        {
            throw new ArgumentException(
                "validation samples are given and others are to be held out as well, or a fraction "
                + "and a fold: one of them is enough", nameof(options));
        }

        ImmutableArray<IDataset> sources =
            [.. new[] { train, validation, test }.OfType<IDataset>()];
        foreach (IDataset source in sources)
        {
            DatasetSchema.RequireEqual(train, source);
        }

        IDataset trainPart = train;
        ValidationSplit? split = SplitOf(train, seed, options);
        if (split is not null)
        {
            (trainPart, validation) = (split.Train, split.Validation);
        }

        ImmutableArray<MissingFill> missing = train is TableDataset table ? table.Missing : [];
        DataPreparation preparation = fitted ?? DataPreparation.Fit(
            trainPart, options.Normalize, options.NormalizeTargets, missing);
        return new PreparedData(
            sources, preparation, preparation.Apply(trainPart),
            validation is null ? null : preparation.Apply(validation),
            test is null ? null : preparation.Apply(test))
        {
            HeldOut = split is null ? [] : split.Validation.OriginalIndices,
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDataset source in _sources)
        {
            source.Dispose();
        }
    }

    private static ValidationSplit? SplitOf(
        IDataset train, ulong seed, PreparationOptions options) => options switch
        {
            { ValidationFraction: { } fraction } =>
                ValidationSplit.Of(train, seed, fraction, options.Stratified),
            { ValidationFold: { } fold } => ValidationSplit.Fold(
                train, seed, fold, options.Stratified),
            _ => null,
        };
}
