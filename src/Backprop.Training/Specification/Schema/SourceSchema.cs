using System.Collections.Immutable;
using System.Globalization;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Data sources.</summary>
internal static class SourceSchema
{
    private static readonly Key<ImmutableArray<string>?> Classes = ClassesKey(
        "numbered, as many as the labels need", "the classes' names, by label");

    private static readonly Key<ArrayTarget> Target = Key.Optional(
        "target",
        new WordKind<ArrayTarget>(("class", ArrayTarget.Class), ("values", ArrayTarget.Values)),
        ArrayTarget.Class, "class", "what the labels are");

    private static readonly Key<ImmutableArray<string>> Images = Key.Required(
        "images", Kinds.Files, "the features: two or more dimensions, samples first");

    private static readonly Key<ImmutableArray<string>> Labels = Key.Required(
        "labels", Kinds.Files, "the targets, in as many files");

    private static readonly Key<NumberTable> Features = Key.Required(
        "features", Kinds.Table, "one row for each sample");

    private static readonly Key<NumberTable?> Targets = Key.Optional<NumberTable?>(
        "targets", Kinds.Table.As(table => (NumberTable?)table), null, "none",
        "one row of values for each sample");

    private static readonly Key<ImmutableArray<long>> ClassLabels = Key.Optional(
        "labels", new ListKind<long>(new IntegerKind(0, 65_535), "an array of class numbers"), [],
        "none", "one class for each sample, from 0; in the place of `targets`");

    private static readonly Section<DataSource> Idx =
        new(
            "idx", "IDX files (MNIST's format), plain or gzip-compressed; several files are read "
            + "as one set.", [Images, Labels, Target, Classes], BindIdx);

    private static readonly Section<DataSource> Inline =
        new(
            "inline", "Samples written here.", [Features, Targets, ClassLabels, Classes],
            BindInline);

    private static readonly Key<ImmutableArray<string>> FeatureFiles = Key.Required(
        "features", Kinds.Files, "`.npy` files, or `.npz` archives: samples first");

    private static readonly Key<ImmutableArray<string>> TargetFiles = Key.Required(
        "targets", Kinds.Files, "the targets, in as many files; they may be the same archives");

    private static readonly Key<string?> FeatureArray = Key.Optional<string?>(
        "features-array", Kinds.Text.As(text => (string?)text), null, "none",
        "the features' name in an archive");

    private static readonly Key<string?> TargetArray = Key.Optional<string?>(
        "targets-array", Kinds.Text.As(text => (string?)text), null, "none",
        "the targets' name in an archive");

    private static readonly Key<ImmutableArray<string>?> ValueNames =
        Key.Optional<ImmutableArray<string>?>(
            "names",
            new ListKind<string>(Kinds.Text, "an array of names", acceptsOne: true)
                .As(names => (ImmutableArray<string>?)names),
            null, "target0, target1, ...", "the names of targets that are values");

    private static readonly Section<DataSource> Numpy =
        new(
            "numpy", "Arrays that NumPy saved.",
            [
                FeatureFiles, TargetFiles, FeatureArray, TargetArray, Target, Classes, ValueNames,
            ],
            BindNumpy);

    private static readonly Key<string> Folder = Key.Required(
        "path", Kinds.Folder, "the folder that has a folder for each class");

    private static readonly Key<bool> IsGrey = Key.Optional(
        "channels", new WordKind<bool>(("rgb", false), ("grey", true)), false, "rgb",
        "whether an image is red, green and blue, or its brightness alone");

    private static readonly Key<ImageSize?> ImageSizeKey = Key.Optional<ImageSize?>(
        "size", new ImageSizeKind(), null, "that of the first", "what every image must have");

    private static readonly Section<DataSource> ImageFolder =
        new(
            "images", "PNG and JPEG files of one size, in a folder for each class, whose name the "
            + "folder has. Pixels are 0 to 255; transparency is not looked at.",
            [Folder, IsGrey, ImageSizeKey, Classes],
            k => new DataSource.Images(new ImageFolderOptions
            {
                Path = k.Get(Folder),
                IsGrey = k.Get(IsGrey),
                Size = k.Get(ImageSizeKey),
                Classes = k.Get(Classes),
            }));

    private static readonly Key<ImmutableArray<string>> Archives = Key.Required(
        "files", Kinds.Files, "the archives, read as one set in the order given; `*` and `?` in a "
        + "file's name stand for whatever others have there, in the order of their names");

    private static readonly Key<ImmutableArray<string>> FeatureEndings = Key.Optional(
        "features", new ListKind<string>(
            new EndingKind(isFeatures: true), "an ending, or an array of endings",
            acceptsOne: true),
        TarShardOptions.ImageEndings, "[.png, .jpg, .jpeg]",
        "what the members' names end in that hold features, after the first dot: images, or arrays "
        + "that NumPy saved, as `.npy` or `.image.npy`");

    private static readonly Key<string> ClassEnding = Key.Optional(
        "class", new EndingKind(isFeatures: false), ".cls", ".cls",
        "what the members' names end in that hold a class as text: its number, or, where any is no "
        + "number below 65536, its name");

    private static readonly Key<ImmutableArray<string>?> MemberClasses = ClassesKey(
        "numbered, or the names that occur, sorted", "the classes' names, by number");

    private static readonly Section<DataSource> TarShards =
        new(
            "tar-shards", "Tar archives of samples, named as WebDataset names them: the members "
            + "of a sample follow each other and have one name up to the first dot of the file's "
            + "name. They are decoded whenever they are read, so that the set may be larger than "
            + "memory. Other members are not looked at.",
            [Archives, FeatureEndings, ClassEnding, IsGrey, ImageSizeKey, MemberClasses],
            BindTarShards);

    private static readonly Key<string> TextPath = Key.Required(
        "path", Kinds.File, "the file, in UTF-8");

    private static readonly Key<string?> VocabularyFile = Key.Optional<string?>(
        "vocabulary", Kinds.File.As(path => (string?)path), null, "none",
        "a `tokenizer.json` of Hugging Face with byte pairs, as GPT-2, Llama, Mistral, Gemma and "
        + "Qwen have, or GPT-2's `vocab.json`; this or `size` must stand here");

    private static readonly Key<string?> MergesFile = Key.Optional<string?>(
        "merges", Kinds.File.As(path => (string?)path), null, "none",
        "the `merges.txt` that belongs to a `vocab.json`");

    private static readonly Key<long?> VocabularySize = Key.Optional<long?>(
        "size", new IntegerKind(BytePairVocabulary.ByteTokens, 65_536).As(n => (long?)n), null,
        "none", "tokens that are found in the training part, its 256 bytes among them");

    private static readonly Key<TokenChoice> Tokens = Key.Optional(
        "tokens",
        new Choice<TokenChoice>(
            "kind of token",
            new Section<TokenChoice>(
                "characters", "Unicode's code points, numbered as the training part has them, "
                + "after number 0 for all that it does not have.",
                [], _ => new TokenChoice(TextTokens.Characters)),
            new Section<TokenChoice>(
                "bytes", "The 256 bytes of UTF-8, or of whatever else the file is.",
                [], _ => new TokenChoice(TextTokens.Bytes)),
            new Section<TokenChoice>(
                "byte-pairs", "Bytes that occur together, byte pair encoding. The vocabulary is "
                + "part of the trained network; a validation or test text is encoded by that of "
                + "the training text.",
                [VocabularyFile, MergesFile, VocabularySize], BindBytePairs)),
        new TokenChoice(TextTokens.Characters), "characters", "what the text is taken apart into");

    private static readonly Key<long> WindowLength = Key.Optional(
        "length", Kinds.Count, 128L, "128", "tokens of a sample");

    private static readonly Key<long?> Stride = Key.Optional<long?>(
        "stride", Kinds.Count.As(n => (long?)n), null, "as `length`",
        "tokens from the beginning of a sample to that of the next");

    private static readonly Key<double> From = Key.Optional(
        "from", Kinds.Fraction, 0.0, "0", "where in the text the part begins that is read");

    private static readonly Key<double> To = Key.Optional(
        "to", Kinds.Fraction, 1.0, "1", "where in the text the part ends that is read");

    private static readonly Section<DataSource> Text =
        new(
            "text", "A text, cut into samples of as many tokens each; the targets are the tokens "
            + "that follow each of them. Train with `to = 0.9`, say, and validate with "
            + "`from = 0.9`.",
            [TextPath, Tokens, WindowLength, Stride, From, To], BindText);

    /// <summary>What can be trained on.</summary>
    public static Choice<DataSource> Training { get; } = new(
        "data source",
        [
            Idx, ImageFolder, TarShards, .. TableSchema.Tables, Numpy, Text,
            GeneratedSchema.Source, Inline,
        ]);

    /// <summary>What can be validated or tested on.</summary>
    public static Choice<DataSource> Following { get; } = new(
        "validation or test source",
        [
            Idx, ImageFolder, TarShards, .. TableSchema.FollowingTables, Numpy, Text,
            GeneratedSchema.Source, Inline,
        ]);

    private static Key<ImmutableArray<string>?> ClassesKey(string defaultText, string meaning) =>
        Key.Optional<ImmutableArray<string>?>(
            "classes",
            new ListKind<string>(Kinds.Text, "an array of names", minimum: 2)
                .As(names => (ImmutableArray<string>?)names),
            null, defaultText, meaning);

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

    private static DataSource BindText(KeyValues keys)
    {
        double from = keys.Get(From), to = keys.Get(To);
        if (from >= to)
        {
            keys.Refuse(
                keys.Has(From) ? From : To,
                $"the part from {from} to {to} has nothing in it; 'from' must be below 'to'");
        }

        return new DataSource.Text(new TextOptions
        {
            Path = keys.Get(TextPath),
            Tokens = keys.Get(Tokens).Kind,
            BytePairs = keys.Get(Tokens).BytePairs,
            Length = keys.GetInt(WindowLength),
            Stride = (int?)keys.Get(Stride),
            From = from,
            To = to,
        });
    }

    private static TokenChoice BindBytePairs(KeyValues keys)
    {
        string? path = keys.Get(VocabularyFile), merges = keys.Get(MergesFile);
        long? size = keys.Get(VocabularySize);
        if (path is null == size is null)
        {
            keys.Refuse(
                path is null ? VocabularyFile : VocabularySize,
                "exactly one of 'vocabulary' and 'size' must stand here");
        }

        if (merges is not null && path is null)
        {
            keys.Refuse(MergesFile, "belongs to a 'vocabulary', which must stand here too");
        }

        return new TokenChoice(
            TextTokens.BytePairs,
            path is not null
                ? new BytePairSource.File(path, merges)
                : new BytePairSource.Found((int)(size ?? BytePairVocabulary.ByteTokens)));
    }

    private static DataSource BindNumpy(KeyValues keys)
    {
        ImmutableArray<string> features = keys.Get(FeatureFiles), targets = keys.Get(TargetFiles);
        if (features.Length != targets.Length)
        {
            keys.Refuse(
                TargetFiles, $"{targets.Length} files of targets go with {features.Length} of "
                + "features; there must be as many");
            return new DataSource.Numpy(new NumpyOptions { Shards = [] });
        }

        RefuseClassesOfValues(keys);
        if (keys.Has(ValueNames) && keys.Get(Target) == ArrayTarget.Class)
        {
            keys.Refuse(ValueNames, "are of values: 'target' is class");
        }

        return new DataSource.Numpy(new NumpyOptions
        {
            Shards =
            [
                .. features.Zip(targets, (f, t) => new NumpyFiles(
                    new NumpyArray(f, keys.Get(FeatureArray)),
                    new NumpyArray(t, keys.Get(TargetArray)))),
            ],
            Target = keys.Get(Target),
            Classes = keys.Get(Classes),
            Names = keys.Get(ValueNames),
        });
    }

    private static DataSource BindTarShards(KeyValues keys)
    {
        ImmutableArray<string> features = keys.Get(FeatureEndings);
        string label = keys.Get(ClassEnding);
        int arrays = features.Count(TarShardOptions.IsArray);
        if (arrays > 0 && arrays < features.Length)
        {
            keys.Refuse(FeatureEndings, "images and arrays cannot be features of one set");
        }

        if (features.Contains(label))
        {
            keys.Refuse(ClassEnding, $"'{label}' is the ending of features already");
        }

        foreach (Key key in arrays > 0 ? (Key[])[IsGrey, ImageSizeKey] : [])
        {
            if (keys.Has(key))
            {
                keys.Refuse(key, "is said of images, but the features are arrays");
            }
        }

        return new DataSource.TarShards(new TarShardOptions
        {
            Paths = keys.Get(Archives),
            Features = features,
            Class = label,
            IsGrey = keys.Get(IsGrey),
            Size = keys.Get(ImageSizeKey),
            Classes = keys.Get(MemberClasses),
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

    private sealed record TokenChoice(TextTokens Kind, BytePairSource? BytePairs = null);

    /// <summary>What the names of an archive's members end in.</summary>
    private sealed class EndingKind(bool isFeatures) : ScalarKind<string>
    {
        public override string Description => isFeatures
            ? "an ending: `.npy`, `.png`, `.jpg` or `.jpeg`, or more after a dot before it"
            : "an ending, `.cls`";

        protected override bool TryParse(HoconScalar scalar, ValueCursor at, out string value)
        {
            string text = scalar.Text.ToLowerInvariant();
            bool isEnding = text is ['.', not '.', ..]
                && !text.Any(c => c == '/' || char.IsControl(c) || char.IsWhiteSpace(c));
            bool isDecoded = TarShardOptions.IsArray(text)
                || TarShardOptions.ImageEndings.Any(
                    ending => text.EndsWith(ending, StringComparison.Ordinal));
            value = text;
            return (isEnding && (isDecoded || !isFeatures)) || Refuse(scalar, at);
        }
    }

    /// <summary>Rows and columns.</summary>
    private sealed class ImageSizeKind : ValueKind<ImageSize?>
    {
        private static readonly ListKind<long> Lengths = new(
            new IntegerKind(1, 1 << 16), "rows and columns of pixels, [28, 28]");

        public override string Description => "rows and columns of pixels, `[28, 28]`";

        public override bool TryRead(ValueCursor at, out ImageSize? value)
        {
            value = null;
            if (!Lengths.TryRead(at, out ImmutableArray<long> lengths))
            {
                return false;
            }

            if (lengths is not [long height, long width])
            {
                return at.Fail($"expected {Lengths.Description}, found {lengths.Length} numbers");
            }

            value = new ImageSize((int)height, (int)width);
            return true;
        }
    }
}
