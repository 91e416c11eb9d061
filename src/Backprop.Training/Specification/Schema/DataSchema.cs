using System.Collections.Immutable;
using Backprop.Data.Augmentations;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>The data of a run.</summary>
internal static class DataSchema
{
    private static readonly WordKind<NormalizationMethod> Normalization = new(
        ("none", NormalizationMethod.None), ("unit", NormalizationMethod.Unit),
        ("standard", NormalizationMethod.Standard));

    private static readonly WordKind<NormalizationMethod> TargetNormalization = new(
        ("none", NormalizationMethod.None), ("unit", NormalizationMethod.Unit),
        ("standard", NormalizationMethod.Standard),
        ("log-standard", NormalizationMethod.LogStandard));

    private static readonly Key<Placed<DataSource>> Train = Key.Required(
        "train", new PlacedKind<DataSource>(SourceSchema.Training), "samples to train on");

    private const int MostFolds = 1000;

    private static readonly Key<double?> Fraction = Key.Optional<double?>(
        "fraction", Kinds.OpenFraction.As(number => (double?)number), null, "none",
        "the part of the training samples that is held out; this or `folds` must stand here");

    private static readonly Key<long?> FoldCount = Key.Optional<long?>(
        "folds", new IntegerKind(2, MostFolds).As(number => (long?)number), null, "none",
        "in how many parts of nearly the same size the training samples are cut, of which one is "
        + "held out: cross-validation, as `backprop cross-validate` does with each in turn");

    private static readonly Key<long> HeldFold = Key.Optional(
        "fold", new IntegerKind(0, MostFolds - 1), 0L, "0",
        "which of the `folds` is held out, from 0");

    private static readonly Key<bool> Stratified = Key.Optional(
        "stratified", Kinds.Boolean, false, "false",
        "whether every class is held out in proportion");

    private static readonly Section<Split> SplitSection = new(
        "validation", "Samples held out of the training samples, by a keyed permutation.",
        [Fraction, FoldCount, HeldFold, Stratified], BindSplit);

    private static readonly Key<Held?> Validation = Key.Optional<Held?>(
        "validation", new HeldKind(), null, "none", "what validation metrics are taken on");

    private static readonly Key<Placed<DataSource>?> Test = Key.Optional<Placed<DataSource>?>(
        "test", new PlacedKind<DataSource>(SourceSchema.Following).As(p => (Placed<DataSource>?)p),
        null, "none", "samples looked at once, at the end");

    private static readonly Key<NormalizationMethod> Normalize = Key.Optional(
        "normalize", Normalization, NormalizationMethod.None, "none",
        "the features' scale, fitted on the training part: `unit` is [0, 1] (all pixels of images "
        + "jointly, each column of a table), `standard` is mean 0 and deviation 1");

    private static readonly Key<NormalizationMethod> NormalizeTargets = Key.Optional(
        "normalize-targets", TargetNormalization, NormalizationMethod.None, "none",
        "the targets' scale: as `normalize`, or `log-standard`, mean 0 and deviation 1 of their "
        + "logarithms, for prices and other numbers above 0; metrics stay in the source's units");

    private static readonly Key<bool> Shuffle = Key.Optional(
        "shuffle", Kinds.Boolean, true, "true",
        "whether an epoch takes its samples in a random order");

    private static readonly Key<Placed<ImmutableArray<ImageAugmentation>>?> Augment =
        Key.Optional<Placed<ImmutableArray<ImageAugmentation>>?>(
            "augment",
            new PlacedKind<ImmutableArray<ImageAugmentation>>(
                new ListKind<ImageAugmentation>(
                    AugmentationSchema.Augmentation, "an array of augmentations"))
                .As(p => (Placed<ImmutableArray<ImageAugmentation>>?)p),
            null, "none", "random changes of normalized training images, in order");

    private static readonly Key<double> Alpha = Key.Required(
        "alpha", Kinds.Positive, "the two parts are drawn from Beta(alpha, alpha): with 0.2 one of "
        + "them mostly has nearly all, with 1 every part is equally likely");

    private static readonly Key<double> MixProbability = Key.Optional(
        "probability", Kinds.FractionAboveZero, 1.0, "1", "how often a sample is mixed at all");

    private static readonly Key<Placed<Mixup>?> Mix = Key.Optional<Placed<Mixup>?>(
        "mixup", new PlacedKind<Mixup>(new Section<Mixup>(
            "mixup", "Each training sample is mixed with another one of the training part, drawn "
            + "at random, after both are augmented; so are their targets. Classes become "
            + "probabilities, which softmax-cross-entropy and losses of values take. The training "
            + "loss is that of the mixtures; nothing is mixed where the network is evaluated.",
            [Alpha, MixProbability],
            k => new Mixup(k.Get(Alpha), k.Get(MixProbability)), Alpha))
            .As(p => (Placed<Mixup>?)p),
        null, "none", "mixes training samples and their targets");

    public static Section<DataSpecification> Data { get; } = new(
        "data", "What is learned from.",
        [Train, Validation, Test, Normalize, NormalizeTargets, Augment, Mix, Shuffle],
        Bind);

    private static DataSpecification Bind(KeyValues keys)
    {
        Held? held = keys.Get(Validation);
        RefuseTableAfterOther(keys, Validation, held?.Source);
        RefuseTableAfterOther(keys, Test, keys.Get(Test));
        RefuseForText(keys, held?.Split is not null);
        return new DataSpecification
        {
            Train = keys.Get(Train),
            Validation = held?.Source,
            Test = keys.Get(Test),
            Preparation = new PreparationOptions
            {
                Normalize = keys.Get(Normalize),
                NormalizeTargets = keys.Get(NormalizeTargets),
                ValidationFraction = held?.Split?.Fraction,
                ValidationFold = held?.Split?.Fold,
                Stratified = held?.Split?.IsStratified ?? false,
            },
            Augmentations = keys.Get(Augment),
            Mixup = keys.Get(Mix),
            Shuffle = keys.Get(Shuffle),
        };
    }

    private static void RefuseTableAfterOther(
        KeyValues keys, Key key, Placed<DataSource>? following)
    {
        if (following?.Value is DataSource.Table && keys.Get(Train).Value is not DataSource.Table)
        {
            keys.Refuse(key, "a table is read as the training table is, but 'train' is no table");
        }
    }

    private static void RefuseForText(KeyValues keys, bool isSplit)
    {
        if (keys.Get(Train).Value is not DataSource.Text)
        {
            return;
        }

        if (isSplit)
        {
            keys.Refuse(
                Validation, "a text is parted by position: give train.text 'to = 0.9', and let "
                + "validation be the same text with 'from = 0.9'");
        }

        if (keys.Get(Normalize) != NormalizationMethod.None)
        {
            keys.Refuse(Normalize, "tokens are numbers of a vocabulary and have no scale; leave it "
                + "out");
        }

        if (keys.Get(Augment) is not null)
        {
            keys.Refuse(Augment, "changes images, and the training samples are a text");
        }

        if (keys.Get(Mix) is not null)
        {
            keys.Refuse(
                Mix, "tokens are numbers of a vocabulary and cannot be mixed; leave it out");
        }
    }

    private static Split BindSplit(KeyValues keys)
    {
        double? fraction = keys.Get(Fraction);
        long? folds = keys.Get(FoldCount);
        if (fraction is null == folds is null)
        {
            keys.Refuse(
                fraction is null ? Fraction : FoldCount,
                "exactly one of 'fraction' and 'folds' must stand here");
        }

        if (keys.Has(HeldFold) && keys.Get(HeldFold) >= (folds ?? 0))
        {
            keys.Refuse(
                HeldFold, folds is null
                    ? "is one of 'folds', which must stand here too"
                    : $"there are {folds} folds, 0 to {folds - 1}");
        }

        return new Split(
            fraction, folds is null ? null : new ValidationFold((int)folds, keys.GetInt(HeldFold)),
            keys.Get(Stratified));
    }

    private sealed record Split(double? Fraction, ValidationFold? Fold, bool IsStratified);

    private sealed record Held(Split? Split, Placed<DataSource>? Source);

    /// <summary>A split, or a source of its own.</summary>
    private sealed class HeldKind : ValueKind<Held?>
    {
        private static readonly PlacedKind<DataSource> Sources = new(SourceSchema.Following);

        public override string Description =>
            $"{SplitSection.Description.Replace("...", "fraction = 0.1")}, or a data source";

        public override IEnumerable<IValueKind> Parts => [SplitSection, Sources];

        public override bool TryRead(ValueCursor at, out Held? value)
        {
            bool isSource = at.Value is HoconObject fields
                && fields.Fields.Any(f =>
                    SourceSchema.Following.Alternatives.Any(s => s.Name == f.Key));
            if (isSource)
            {
                bool isRead = Sources.TryRead(at, out Placed<DataSource> source);
                value = new Held(null, source);
                return isRead;
            }

            bool isSplit = SplitSection.TryRead(at, out Split split);
            value = new Held(split, null);
            return isSplit;
        }
    }
}
