using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Layers over images and sequences.</summary>
internal static class ImageLayerSchema
{
    private const int MostDimensions = 8;

    private static readonly Key<long> Filters = Key.Required(
        "filters", Kinds.Count, "filters: the output's channels");

    private static readonly Key<long> Groups = Key.Optional(
        "groups", Kinds.Count, 1, "1",
        "groups of channels that see no other's; as many as there are inputs: depthwise");

    private static readonly Key<LayerSchema.BiasDefinition> Bias = LayerSchema.BiasOf("filter");

    private static readonly Key<Initializer?> WeightInitializer = Key.Optional<Initializer?>(
        "weight-init", InitializerSchema.Initializer.As(i => (Initializer?)i), null,
        "what suits the activation: he-uniform or xavier-uniform",
        "the first weights, [height, width, inputs / groups, filters]; without height for a "
        + "sequence");

    private static readonly Key<ImmutableArray<long>> Dimensions = Key.Required(
        "shape", new ListKind<long>(Kinds.Count, "an array of dimensions"),
        "the new dimensions, outermost first: `[28, 28, 1]`");

    private static readonly Key<long> NormalizedGroups = Key.Required(
        "groups", Kinds.Count,
        "groups of channels; one for each channel is instance normalization");

    private static readonly Key<Interpolation> InterpolationKey = Key.Optional(
        "interpolation",
        new WordKind<Interpolation>(
            ("nearest", Interpolation.Nearest), ("linear", Interpolation.Linear),
            ("linear-corners", Interpolation.LinearCorners)),
        Interpolation.Nearest, "nearest",
        "what stands between the pixels: the nearest again, or what lies on the lines between "
        + "them, the borders of both images the same (PyTorch's `align_corners = False`) or the "
        + "middles of the pixels in their corners (`True`)");

    private static readonly SlidingKeys Images = new(2);

    private static readonly SlidingKeys Sequences = new(1);

    /// <summary>The sections, in the order of the reference.</summary>
    public static ImmutableArray<Section<LayerDefinition>> Sections { get; } =
    [
        Convolution(
            Images, "convolution-2d", "Filters that slide over images, height x width (x "
            + "channels).", isTransposed: false),
        Convolution(
            Sequences, "convolution-1d", "Filters that slide over sequences, length x channels.",
            isTransposed: false),
        Convolution(
            Images, "transposed-convolution-2d", "Makes larger images: what a convolution of "
            + "these numbers passes back. With `padding = same`, stride times as large.",
            isTransposed: true),
        Convolution(
            Sequences, "transposed-convolution-1d", "Makes longer sequences, as "
            + "transposed-convolution-2d makes larger images.", isTransposed: true),
        Pooling(Images, PoolingRule.Max, "The largest value of each window, by channel."),
        Pooling(Sequences, PoolingRule.Max, "The largest value of each window, by channel."),
        Pooling(
            Images, PoolingRule.Average, "The mean of each window, by channel; padding has no "
            + "part in it."),
        Pooling(
            Sequences, PoolingRule.Average, "The mean of each window, by channel; padding has "
            + "no part in it."),
        Global(PoolingRule.Max, "The largest value of each channel of an image or a sequence."),
        Global(PoolingRule.Average, "The mean of each channel of an image or a sequence."),
        new(
            "group-normalization", "Brings groups of the channels of each sample to mean 0 and "
            + "variance 1, then scales and shifts each channel.",
            [
                NormalizedGroups, LayerSchema.Epsilon, LayerSchema.Affine, LayerSchema.Trainable,
                LayerSchema.Name,
            ],
            keys => new GroupNormalizationDefinition(keys.GetInt(NormalizedGroups))
            {
                Epsilon = keys.GetFloat(LayerSchema.Epsilon),
                Affine = keys.Get(LayerSchema.Affine),
                Trainable = LayerSchema.TrainableIf(keys, LayerSchema.Affine),
                Name = keys.Get(LayerSchema.Name),
            },
            NormalizedGroups),
        Upsampling(Images, "Makes images larger."),
        Upsampling(Sequences, "Makes sequences longer."),
        new(
            "reshape", "Reads a sample as one of another shape.", [Dimensions, LayerSchema.Name],
            BindReshape, Dimensions),
    ];

    private static Section<LayerDefinition> Convolution(
        SlidingKeys sliding, string name, string meaning, bool isTransposed) => new(
        name, meaning,
        [
            Filters, sliding.Kernel, sliding.Stride, sliding.Padding, sliding.Dilation, Groups,
            LayerSchema.Activation, Bias, WeightInitializer, LayerSchema.BiasInitializer,
            LayerSchema.Trainable, LayerSchema.Name,
        ],
        keys => BindConvolution(keys, sliding, isTransposed));

    private static LayerDefinition BindConvolution(
        KeyValues keys, SlidingKeys sliding, bool isTransposed)
    {
        LayerSchema.BiasDefinition bias = LayerSchema.CheckedBias(keys, Bias);
        bool isTrainable = keys.Get(LayerSchema.Trainable);
        return new ConvolutionDefinition(
            sliding.Dimensions, keys.GetInt(Filters), keys.Get(sliding.Kernel))
        {
            Name = keys.Get(LayerSchema.Name),
            IsTransposed = isTransposed,
            Stride = keys.Get(sliding.Stride),
            Padding = keys.Get(sliding.Padding),
            Dilation = keys.Get(sliding.Dilation),
            Groups = keys.GetInt(Groups),
            Activation = keys.Get(LayerSchema.Activation),
            Bias = bias.IsPresent,
            WeightInitializer = keys.Get(WeightInitializer),
            BiasInitializer = bias.Initializer ?? keys.Get(LayerSchema.BiasInitializer),
            WeightTrainable = isTrainable,
            BiasTrainable = bias.IsTrainable && isTrainable,
        };
    }

    private static Section<LayerDefinition> Pooling(
        SlidingKeys sliding, PoolingRule rule, string meaning)
    {
        string word = rule == PoolingRule.Max ? "max" : "average";
        return new(
            $"{word}-pooling-{sliding.Dimensions}d", meaning,
            [sliding.Size, sliding.PoolingStride, sliding.Padding, LayerSchema.Name],
            keys => new PoolingDefinition(sliding.Dimensions, rule, keys.Get(sliding.Size))
            {
                Name = keys.Get(LayerSchema.Name),
                Stride = keys.Get(sliding.PoolingStride),
                Padding = keys.Get(sliding.Padding),
            },
            sliding.Size);
    }

    private static Section<LayerDefinition> Global(PoolingRule rule, string meaning) => new(
        rule == PoolingRule.Max ? "global-max-pooling" : "global-average-pooling", meaning,
        [LayerSchema.Name],
        keys => new GlobalPoolingDefinition(rule) { Name = keys.Get(LayerSchema.Name) });

    private static Section<LayerDefinition> Upsampling(SlidingKeys sliding, string meaning) => new(
        $"upsampling-{sliding.Dimensions}d", meaning,
        [sliding.Factor, InterpolationKey, LayerSchema.Name],
        keys => new UpsamplingDefinition(sliding.Dimensions, keys.Get(sliding.Factor))
        {
            Interpolation = keys.Get(InterpolationKey),
            Name = keys.Get(LayerSchema.Name),
        },
        sliding.Factor);

    private static LayerDefinition BindReshape(KeyValues keys)
    {
        int[] dimensions = [.. keys.Get(Dimensions).Select(number => (int)number)];
        double count = dimensions.Aggregate(1.0, (product, dimension) => product * dimension);
        if (dimensions.Length > MostDimensions || count > Shape.MaxCount)
        {
            keys.Refuse(
                Dimensions,
                $"a shape has at most {MostDimensions} dimensions and {Shape.MaxCount:N0} "
                + $"elements; this one has {dimensions.Length} and {count:N0}");
            return new FlattenDefinition();
        }

        return new ReshapeDefinition(Shape.Of(dimensions)) { Name = keys.Get(LayerSchema.Name) };
    }

    /// <summary>The keys of windows that slide in one or two directions.</summary>
    private sealed class SlidingKeys
    {
        public SlidingKeys(int dimensions)
        {
            Dimensions = dimensions;
            string example = dimensions == 2 ? ", or `[height, width]`" : "";
            var size = new ExtentKind(dimensions, 1);
            Kernel = Key.Required("kernel", size, $"the filters' size{example}");
            Stride = Key.Optional(
                "stride", size, new Extent(1, 1), "1", "from one position of the filters to the "
                + "next");
            Dilation = Key.Optional(
                "dilation", size, new Extent(1, 1), "1",
                "from one pixel that a filter sees to the next");
            Padding = Key.Optional(
                "padding", new PaddingKind(dimensions), Engine.Layers.Padding.Valid, "valid",
                "what stands around the image: nothing (valid), as much as makes the output "
                + "ceil(input / stride) large (same), or so many pixels on every side");
            Size = Key.Required("size", size, $"the windows' size{example}");
            Factor = Key.Required(
                "factor", size, $"how many times as large in each direction{example}");
            PoolingStride = Key.Optional<Extent?>(
                "stride", size.As(extent => (Extent?)extent), null, "the size",
                "from a window to the next");
        }

        public int Dimensions { get; }

        public Key<Extent> Kernel { get; }

        public Key<Extent> Stride { get; }

        public Key<Extent> Dilation { get; }

        public Key<Padding> Padding { get; }

        public Key<Extent> Size { get; }

        public Key<Extent> Factor { get; }

        public Key<Extent?> PoolingStride { get; }
    }
}

/// <summary>A number for both directions, or one for each; for a sequence one number.</summary>
/// <param name="dimensions">2 for images, 1 for sequences.</param>
/// <param name="minimum">The least of each.</param>
internal sealed class ExtentKind(int dimensions, int minimum) : ValueKind<Extent>
{
    private readonly IntegerKind _number = new(minimum);

    public override string Description => dimensions == 1
        ? _number.Description
        : $"{_number.Description}, or two of them";

    public override bool TryRead(ValueCursor at, out Extent value)
    {
        value = default;
        if (at.Value is not HoconArray pair)
        {
            bool isRead = _number.TryRead(at, out long number);

            // What there is but one of stays as the definition's default has it.
            value = new Extent(dimensions == 1 ? minimum : (int)number, (int)number);
            return isRead;
        }

        if (dimensions == 1 || pair.Items.Length != 2)
        {
            return at.Fail($"expected {Description}, found {at.Value.Describe()}");
        }

        bool isHeight = _number.TryRead(at.At(0, pair.Items[0]), out long height);
        bool isWidth = _number.TryRead(at.At(1, pair.Items[1]), out long width);
        value = new Extent((int)height, (int)width);
        return isHeight && isWidth;
    }
}

/// <summary>same, valid, or pixels.</summary>
/// <param name="dimensions">2 for images, 1 for sequences.</param>
internal sealed class PaddingKind(int dimensions) : ValueKind<Padding>
{
    private readonly ExtentKind _pixels = new(dimensions, 0);

    public override string Description => $"same, valid, or {_pixels.Description}";

    public override bool TryRead(ValueCursor at, out Padding value)
    {
        value = default;
        if (at.Value is HoconScalar { Text: "same" or "valid" } word)
        {
            value = word.Text == "same" ? Padding.Same : Padding.Valid;
            return true;
        }

        if (at.Value is HoconScalar scalar && !long.TryParse(scalar.Text, out _))
        {
            return at.Fail($"expected {Description}, found {at.Value.Describe()}");
        }

        bool isRead = _pixels.TryRead(at, out Extent pixels);
        value = new Padding(pixels);
        return isRead;
    }
}
