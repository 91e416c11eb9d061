using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Layers and activations.</summary>
internal static class LayerSchema
{
    /// <summary>The name of a layer.</summary>
    internal static readonly Key<string?> Name = Key.Optional<string?>(
        "name", Kinds.Name.As(text => (string?)text), null, "the kind and a number, `dense1`",
        "what the layer is called in reports and files");

    private static readonly Key<double> Slope = Key.Optional(
        "slope", Kinds.NotNegative, 0.01, "0.01", "the slope below 0");

    private static readonly Key<long> Units = Key.Required(
        "units", Kinds.Count, "neurons: the layer's outputs");

    internal static readonly Key<ActivationDefinition?> Activation = Key.Optional<
        ActivationDefinition?>(
        "activation", new DeferredKind<ActivationDefinition>(() => Activations!)
            .As(a => (ActivationDefinition?)a),
        null, "none", "what the neurons apply to their sums");

    private static readonly Key<Initializer?> WeightInitializer = Key.Optional<Initializer?>(
        "weight-init", InitializerSchema.Initializer.As(i => (Initializer?)i), null,
        "what suits the activation: he-uniform or xavier-uniform",
        "the first weights, [inputs, units]");

    internal static readonly Key<Initializer> BiasInitializer = Key.Optional(
        "bias-init", InitializerSchema.Initializer, Constant.Zeros, "zeros", "the first biases");

    private static readonly Key<bool> BiasTrainable = Key.Optional(
        "trainable", Kinds.Boolean, true, "true", "whether training changes the biases");

    private static readonly Key<double?> BiasConstant = Key.Optional<double?>(
        "constant", Kinds.Number.As(n => (double?)n), null, "as `bias-init` says",
        "what all biases start from");

    private static readonly Section<BiasDefinition> BiasSection = new(
        "bias", "The biases of neurons or filters.", [BiasConstant, BiasTrainable],
        k => new BiasDefinition(
            true, k.Get(BiasConstant) is { } value ? new Constant((float)value) : null,
            k.Get(BiasTrainable)));

    private static readonly Key<BiasDefinition> Bias = BiasOf("neuron");

    internal static readonly Key<bool> Trainable = Key.Optional(
        "trainable", Kinds.Boolean, true, "true", "whether training changes the layer at all");

    private static readonly Key<string?> Tie = Key.Optional<string?>(
        "tie", Kinds.Text.As(text => (string?)text), null, "weights of its own",
        "an embedding before it, by its name, whose vectors are the weights: each unit is a token, "
        + "and its sum the product of the input and the token's vector, without a bias. The two "
        + "are one tensor, trained by the sum of both gradients");

    private static readonly Key<GeluApproximation> Approximation = Key.Optional(
        "approximation", new WordKind<GeluApproximation>(
            ("none", GeluApproximation.None), ("tanh", GeluApproximation.Tanh)),
        GeluApproximation.None, "none",
        "what Φ is computed by: `none` is exact, `tanh` what GPT-2 has (`gelu_new`)");

    private static readonly Key<double> Rate = Key.Required(
        "rate", Kinds.FractionBelowOne, "the share of inputs that are dropped");

    internal static readonly Key<double> Epsilon = Key.Optional(
        "epsilon", Kinds.Positive, 1e-5, "1e-5", "added to the variance");

    private static readonly Key<double> Momentum = Key.Optional(
        "momentum", Kinds.FractionBelowOne, 0.9, "0.9",
        "how much of a running statistic each step keeps");

    internal static readonly Key<bool> Affine = Key.Optional(
        "affine", Kinds.Boolean, true, "true", "whether a learned scale and bias follow");

    private static readonly Key<bool> NormalizationTrainable = Key.Optional(
        "trainable", Kinds.Boolean, true, "true",
        "whether training changes the layer at all; where not, it normalizes by the running "
        + "statistics that it began with while training too, as torchvision's `FrozenBatchNorm2d`");

    private static readonly Key<ImmutableArray<LayerDefinition>> Layers = Key.Required(
        "layers", new ListKind<LayerDefinition>(
            new DeferredKind<LayerDefinition>(() => Layer!), "an array of layers"),
        "the layers whose output is added to their input");

    private static readonly Section<ActivationDefinition>[] ActivationSections =
    [
        Plain("sigmoid", "1 / (1 + e^−x).", () => new SigmoidDefinition()),
        Plain("tanh", "The hyperbolic tangent.", () => new TanhDefinition()),
        Plain("relu", "max(x, 0).", () => new ReluDefinition()),
        new(
            "leaky-relu", "x above 0, slope·x below.", [Slope, Name],
            k => new LeakyReluDefinition(k.GetFloat(Slope)) { Name = k.Get(Name) }, Slope),
        new(
            "gelu", "x·Φ(x).", [Approximation, Name],
            k => new GeluDefinition
            {
                Approximation = k.Get(Approximation), Name = k.Get(Name),
            }, Approximation),
        Plain("silu", "x·sigmoid(x).", () => new SiluDefinition()),
        Plain(
            "softmax", "e^x over their sum, by sample, or by position of a sequence.",
            () => new SoftmaxDefinition()),
    ];

    public static Choice<ActivationDefinition> Activations { get; } =
        new("activation", ActivationSections);

    public static Choice<LayerDefinition> Layer { get; } = new(
        "layer",
        [
            new(
                "dense", "A fully connected layer; on sequences, of every position by itself.",
                [
                    Units, Activation, Bias, WeightInitializer, BiasInitializer, Tie, Trainable,
                    Name,
                ],
                BindDense, Units),
            .. ActivationSections.Select(AsLayer),
            new(
                "dropout", "Drops inputs at random while training, and scales up the rest.",
                [Rate, Name],
                k => new DropoutDefinition(k.GetFloat(Rate)) { Name = k.Get(Name) }, Rate),
            new(
                "batch-normalization", "Brings each feature to mean 0 and variance 1 over a "
                + "micro-batch, then scales and shifts it.",
                [Epsilon, Momentum, NormalizationTrainable, Name],
                k => new BatchNormalizationDefinition
                {
                    Epsilon = k.GetFloat(Epsilon),
                    Momentum = k.Get(Momentum),
                    Trainable = k.Get(NormalizationTrainable),
                    Name = k.Get(Name),
                }),
            new(
                "layer-normalization", "Brings each sample, or each position of a sequence, to "
                + "mean 0 and variance 1, then scales and shifts it.",
                [Epsilon, Affine, Trainable, Name],
                k => new LayerNormalizationDefinition
                {
                    Epsilon = k.GetFloat(Epsilon),
                    Affine = k.Get(Affine),
                    Trainable = TrainableIf(k, Affine),
                    Name = k.Get(Name),
                }),
            new(
                "flatten", "Reads a sample of any shape as a row of numbers.", [Name],
                k => new FlattenDefinition { Name = k.Get(Name) }),
            new(
                "residual", "Adds the output of layers to their input.", [Layers, Name],
                k => new ResidualDefinition(k.Get(Layers)) { Name = k.Get(Name) }, Layers),
            .. ImageLayerSchema.Sections,
            .. SequenceSchema.Layers,
            .. PortSchema.Layers,
            PluginSchema.Section,
        ]);

    private static Section<ActivationDefinition> Plain(
        string name, string meaning, Func<ActivationDefinition> make) =>
        new(name, meaning, [Name], k => make() with { Name = k.Get(Name) });

    private static Section<LayerDefinition> AsLayer(Section<ActivationDefinition> section) => new(
        section.Name, section.Meaning, section.Keys, k => section.Bind(k), section.MainKey);

    /// <summary>The key <c>bias</c> of what has biases: neurons, filters.</summary>
    internal static Key<BiasDefinition> BiasOf(string what) => Key.Optional(
        "bias", new BiasKind(BiasSection), new BiasDefinition(true, null, true), "true",
        $"whether each {what} adds a bias; or its constant, and whether it is trained");

    /// <summary>Refuses what does not go together in a layer of neurons or filters.</summary>
    internal static BiasDefinition CheckedBias(KeyValues keys, Key<BiasDefinition> key)
    {
        BiasDefinition bias = keys.Get(key);
        if (keys.Has(BiasInitializer) && (!bias.IsPresent || bias.Initializer is not null))
        {
            keys.Refuse(
                BiasInitializer,
                bias.IsPresent
                    ? "'bias' gives the biases a constant already; leave one of the two out"
                    : "there are no biases to start, as 'bias' is false");
        }

        if (keys.Get(Activation) is { Name: not null })
        {
            keys.Refuse(Activation, "the activation of a dense layer or a convolution is named "
                + "after it; a layer of its own can have a name");
        }

        return bias;
    }

    /// <summary>Whether a scale is trained, where there is one.</summary>
    internal static bool TrainableIf(KeyValues keys, Key<bool> affine)
    {
        if (keys.Has(Trainable) && !keys.Get(affine))
        {
            keys.Refuse(Trainable, "there is no scale to train, as 'affine' is false");
        }

        return keys.Get(Trainable);
    }

    private static LayerDefinition BindDense(KeyValues keys)
    {
        BiasDefinition bias = CheckedBias(keys, Bias);
        string? tie = keys.Get(Tie);
        if (tie is not null)
        {
            RefuseWithTie(keys, bias);
        }

        return new DenseDefinition(keys.GetInt(Units))
        {
            Name = keys.Get(Name),
            Activation = keys.Get(Activation),
            Tie = tie,
            Bias = tie is null && bias.IsPresent,
            WeightInitializer = keys.Get(WeightInitializer),
            BiasInitializer = bias.Initializer ?? keys.Get(BiasInitializer),
            WeightTrainable = keys.Get(Trainable),
            BiasTrainable = bias.IsTrainable && keys.Get(Trainable),
        };
    }

    private static void RefuseWithTie(KeyValues keys, BiasDefinition bias)
    {
        if (keys.Has(Bias) && bias.IsPresent)
        {
            keys.Refuse(Bias, "a layer that is tied to an embedding has no biases; leave it out");
        }

        foreach (Key key in (Key[])[WeightInitializer, BiasInitializer, Trainable])
        {
            if (keys.Has(key))
            {
                keys.Refuse(key, "the weights are the embedding's, as 'tie' says; leave it out");
            }
        }
    }

    /// <param name="IsPresent">Whether there are biases.</param>
    /// <param name="Initializer">Their first values; null: as 'bias-init' says.</param>
    /// <param name="IsTrainable">Whether training changes them.</param>
    internal sealed record BiasDefinition(
        bool IsPresent, Initializer? Initializer, bool IsTrainable);

    /// <summary>true, false, or the section.</summary>
    private sealed class BiasKind(Section<BiasDefinition> section) : ValueKind<BiasDefinition>
    {
        public override string Description =>
            "true, false, or `{ constant = 0.35, trainable = false }`";

        public override IEnumerable<IValueKind> Parts => [section];

        public override bool TryRead(ValueCursor at, out BiasDefinition value)
        {
            if (at.Value is HoconObject)
            {
                return section.TryRead(at, out value);
            }

            bool isRead = Kinds.Boolean.TryRead(at, out bool isPresent);
            value = new BiasDefinition(isPresent, null, true);
            return isRead;
        }
    }
}
