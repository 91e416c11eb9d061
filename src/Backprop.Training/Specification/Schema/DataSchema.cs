using System.Collections.Immutable;
using System.Globalization;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Data sources.</summary>
internal static class SourceSchema
{
    private static readonly Key<ImmutableArray<string>?> Classes =
        Key.Optional<ImmutableArray<string>?>(
            "classes",
            new ListKind<string>(Kinds.Text, "an array of names", minimum: 2)
                .As(names => (ImmutableArray<string>?)names),
            null, "numbered, as many as the labels need", "the classes' names, by label");

    private static readonly Key<ArrayTarget> Target = Key.Optional(
        "target",
        new WordKind<ArrayTarget>(("class", ArrayTarget.Class), ("values", ArrayTarget.Values)),
        ArrayTarget.Class, "class", "what the labels are");

    private static readonly Key<ImmutableArray<string>> Images = Key.Required(
        "images", Paths, "the features: two or more dimensions, samples first");

    private static readonly Key<ImmutableArray<string>> Labels = Key.Required(
        "labels", Paths, "the targets, in as many files");

    private static readonly Key<NumberTable> Features = Key.Required(
        "features", Kinds.Table, "one row for each sample");

    private static readonly Key<NumberTable?> Targets = Key.Optional<NumberTable?>(
        "targets", Kinds.Table.As(table => (NumberTable?)table), null, "none",
        "one row of values for each sample");

    private static readonly Key<ImmutableArray<long>> ClassLabels = Key.Optional(
        "labels", new ListKind<long>(new IntegerKind(0, 65_535), "an array of class numbers"), [],
        "none", "one class for each sample, from 0; in the place of `targets`");

    public static Choice<DataSource> Source { get; } = new(
        "data source",
        new Section<DataSource>(
            "idx", "IDX files (MNIST's format), plain or gzip-compressed; several files are read "
            + "as one set.", [Images, Labels, Target, Classes], BindIdx),
        new Section<DataSource>(
            "inline", "Samples written here.", [Features, Targets, ClassLabels, Classes],
            BindInline));

    private static ListKind<string> Paths =>
        new(Kinds.Path, "a path, or an array of paths", acceptsOne: true);

    private static DataSource BindIdx(KeyValues keys)
    {
        ImmutableArray<string> images = keys.Get(Images), labels = keys.Get(Labels);
        if (images.Length != labels.Length)
        {
            keys.Refuse(
                Labels, $"{labels.Length} files of labels go with {images.Length} of images; "
                + "there must be as many");
            return new DataSource.Idx(new IdxOptions { Shards = [] });
        }

        RefuseClassesOfValues(keys);
        return new DataSource.Idx(new IdxOptions
        {
            Shards = [.. images.Zip(labels, (i, l) => new IdxFiles(i, l))],
            Target = keys.Get(Target),
            Classes = keys.Get(Classes),
        });
    }

    private static void RefuseClassesOfValues(KeyValues keys)
    {
        if (keys.Has(Classes) && keys.Get(Target) == ArrayTarget.Values)
        {
            keys.Refuse(Classes, "cannot be named where 'target' is values");
        }
    }

    private static DataSource BindInline(KeyValues keys)
    {
        NumberTable features = keys.Get(Features);
        NumberTable? targets = keys.Get(Targets);
        ImmutableArray<long> labels = keys.Get(ClassLabels);
        if (targets is null == !keys.Has(ClassLabels))
        {
            keys.Refuse(Targets, "exactly one of 'targets' (values) and 'labels' (classes) must "
                + "be given");
        }

        if (keys.Has(Classes) && targets is not null)
        {
            keys.Refuse(Classes, "cannot be named where the targets are values");
        }

        int rows = targets?.Rows ?? labels.Length;
        if (rows != features.Rows)
        {
            keys.Refuse(
                targets is null ? ClassLabels : Targets,
                $"{rows} targets go with {features.Rows} samples; there must be as many");
        }

        int classes = (int)labels.Append(0).Max() + 1;
        if (keys.Get(Classes) is { } names && names.Length < classes)
        {
            keys.Refuse(Classes, $"names {names.Length} classes, but label {classes - 1} stands "
                + "in 'labels'");
        }

        TargetSchema target = targets is null
            ? new TargetSchema.Class(keys.Get(Classes) ?? Numbered("", classes))
            : new TargetSchema.Values(Numbered("target", targets.Width));
        return new DataSource.Inline(
            features.Rows, Shape.Of(features.Width), features.Values,
            targets?.Values ?? [.. labels.Select(label => (float)label)], target);
    }

    private static ImmutableArray<string> Numbered(string prefix, int count) =>
        [.. Enumerable.Range(0, count)
            .Select(i => prefix + i.ToString(CultureInfo.InvariantCulture))];
}

/// <summary>The data of a run.</summary>
internal static class DataSchema
{
    private static readonly WordKind<NormalizationMethod> Normalization = new(
        ("none", NormalizationMethod.None), ("unit", NormalizationMethod.Unit),
        ("standard", NormalizationMethod.Standard));

    private static readonly Key<Placed<DataSource>> Train = Key.Required(
        "train", new PlacedKind<DataSource>(SourceSchema.Source), "samples to train on");

    private static readonly Key<double> Fraction = Key.Required(
        "fraction", Kinds.OpenFraction, "the part of the training samples that is held out");

    private static readonly Key<bool> Stratified = Key.Optional(
        "stratified", Kinds.Boolean, false, "false", "whether every class is held out in proportion");

    private static readonly Section<Split> SplitSection = new(
        "validation", "Samples held out of the training samples, by a keyed permutation.",
        [Fraction, Stratified], k => new Split(k.Get(Fraction), k.Get(Stratified)));

    private static readonly Key<Held?> Validation = Key.Optional<Held?>(
        "validation", new HeldKind(), null, "none", "what validation metrics are taken on");

    private static readonly Key<Placed<DataSource>?> Test = Key.Optional<Placed<DataSource>?>(
        "test", new PlacedKind<DataSource>(SourceSchema.Source).As(p => (Placed<DataSource>?)p),
        null, "none", "samples looked at once, at the end");

    private static readonly Key<NormalizationMethod> Normalize = Key.Optional(
        "normalize", Normalization, NormalizationMethod.None, "none",
        "the features' scale, fitted on the training part: `unit` is [0, 1] (all pixels of images "
        + "jointly, each column of a table), `standard` is mean 0 and deviation 1");

    private static readonly Key<NormalizationMethod> NormalizeTargets = Key.Optional(
        "normalize-targets", Normalization, NormalizationMethod.None, "none",
        "the targets' scale; metrics stay in the source's units");

    private static readonly Key<bool> Shuffle = Key.Optional(
        "shuffle", Kinds.Boolean, true, "true",
        "whether an epoch takes its samples in a random order");

    public static Section<DataSpecification> Data { get; } = new(
        "data", "What is learned from.",
        [Train, Validation, Test, Normalize, NormalizeTargets, Shuffle], Bind);

    private static DataSpecification Bind(KeyValues keys)
    {
        Held? held = keys.Get(Validation);
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
                Stratified = held?.Split?.IsStratified ?? false,
            },
            Shuffle = keys.Get(Shuffle),
        };
    }

    private sealed record Split(double Fraction, bool IsStratified);

    private sealed record Held(Split? Split, Placed<DataSource>? Source);

    /// <summary>A split, or a source of its own.</summary>
    private sealed class HeldKind : ValueKind<Held?>
    {
        private static readonly PlacedKind<DataSource> Sources = new(SourceSchema.Source);

        public override string Description =>
            $"{SplitSection.Description.Replace("...", "fraction = 0.1")}, or a data source";

        public override IEnumerable<IValueKind> Parts => [SplitSection, Sources];

        public override bool TryRead(ValueCursor at, out Held? value)
        {
            bool isSource = at.Value is HoconObject fields
                && fields.Fields.Any(f =>
                    SourceSchema.Source.Alternatives.Any(s => s.Name == f.Key));
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
