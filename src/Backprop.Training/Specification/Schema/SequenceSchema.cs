using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Layers that read tokens or sequences, and blocks of layers.</summary>
internal static class SequenceSchema
{
    private static readonly Key<string?> Name = LayerSchema.Name;

    private static readonly Key<bool> Trainable = LayerSchema.Trainable;

    private static readonly Key<long> Vocabulary = Key.Required(
        "vocabulary", Kinds.Count, "tokens: as many as the text has");

    private static readonly Key<long> Width = Key.Required(
        "width", Kinds.Count, "numbers in each token's vector");

    private static readonly Key<Initializer?> WeightInitializer = Key.Optional<Initializer?>(
        "weight-init", InitializerSchema.Initializer.As(i => (Initializer?)i), null,
        "normal, with deviation 0.02", "the first vectors, [vocabulary, width]");

    private static readonly Key<bool> VectorsTrainable = Key.Optional(
        "trainable", Kinds.Boolean, true, "true", "whether training changes the vectors");

    private static readonly Key<PositionalKind> Positions = Key.Optional(
        "positions",
        new WordKind<PositionalKind>(
            ("learned", PositionalKind.Learned), ("sinusoidal", PositionalKind.Sinusoidal)),
        PositionalKind.Learned, "learned", "a trained vector for each position, or sinusoids");

    private static readonly Key<long> Heads = Key.Required(
        "heads", Kinds.Count, "heads of queries, which share the width of the input");

    private static readonly Key<long?> KeyValueHeads = Key.Optional<long?>(
        "key-value-heads", Kinds.Count.As(n => (long?)n), null, "as `heads`",
        "heads of keys and values; each serves a group of queries' heads");

    private static readonly Key<bool> Causal = Key.Optional(
        "causal", Kinds.Boolean, true, "true",
        "whether a position sees only itself and those before it");

    private static readonly Key<bool> Rotary = Key.Optional(
        "rotary", Kinds.Boolean, false, "false",
        "whether queries and keys are rotated by their position");

    private static readonly Key<double> RotaryBase = Key.Optional(
        "rotary-base", Kinds.Positive, AttentionDefinition.DefaultRotaryBase, "10000",
        "the base of the rotation's angles, `rope_theta` of Hugging Face's configurations");

    private static readonly Key<long?> PaddingToken = Key.Optional<long?>(
        "padding-token", Kinds.CountOrZero.As(n => (long?)n), null, "none",
        "the token that fills sequences up at their end: no position sees those after the last "
        + "other token. The network's input must be tokens, one a position");

    private static readonly Key<long?> PooledPadding = Key.Optional<long?>(
        "padding-token", Kinds.CountOrZero.As(n => (long?)n), null, "none",
        "the token that fills sequences up at their end: positions after the last other token take "
        + "no part. The network's input must be tokens, one a position");

    private static readonly Key<bool> AttentionBias = Key.Optional(
        "bias", Kinds.Boolean, true, "true", "whether its dense layers add biases");

    private static readonly Key<bool> GateBias = Key.Optional(
        "bias", Kinds.Boolean, false, "false", "whether its dense layers add biases");

    private static readonly Key<double> Epsilon = Key.Optional(
        "epsilon", Kinds.Positive, 1e-5, "1e-5", "added to the mean square");

    private static readonly Key<bool> Affine = Key.Optional(
        "affine", Kinds.Boolean, true, "true", "whether a learned scale follows");

    private static readonly Key<long> Units = Key.Required(
        "units", Kinds.Count, "numbers of the gated product");

    private static readonly Key<long> StateUnits = Key.Required(
        "units", Kinds.Count, "numbers of the state");

    private static readonly Key<RecurrentReturn> Return = Key.Optional(
        "return",
        new WordKind<RecurrentReturn>(
            ("sequence", RecurrentReturn.Sequence), ("last", RecurrentReturn.Last)),
        RecurrentReturn.Sequence, "sequence",
        "the state after every position, or after the last alone");

    private static readonly Key<long?> Truncation = Key.Optional<long?>(
        "truncation", Kinds.Count.As(n => (long?)n), null, "none",
        "positions after which the gradient is cut (truncated backpropagation through time): the "
        + "state is carried on, but no gradient flows back from position K to the one before, from "
        + "2·K to the one before, and so on; none: it flows through the whole row");

    private static readonly Key<PoolingKind> Pooled = Key.Required(
        "of", new WordKind<PoolingKind>(("last", PoolingKind.Last), ("mean", PoolingKind.Mean)),
        "the last position, or the mean of all");

    private static readonly Key<ImmutableArray<LayerDefinition>> Inner = Key.Required(
        "layers", new ListKind<LayerDefinition>(
            new DeferredKind<LayerDefinition>(() => LayerSchema.Layer), "an array of layers"),
        "the layers of the block, in order");

    private static readonly Key<bool> Recompute = Key.Optional(
        "recompute", Kinds.Boolean, false, "false",
        "whether what the layers compute on the way is not kept but computed anew in the backward "
        + "pass: less memory (see `describe`) for more time, and the same bits. Each repetition "
        + "keeps its output");

    private static readonly Key<ImmutableArray<ImmutableArray<LayerDefinition>>> Branches =
        Key.Required(
            "branches", new ListKind<ImmutableArray<LayerDefinition>>(
                new ListKind<LayerDefinition>(
                    new DeferredKind<LayerDefinition>(() => LayerSchema.Layer),
                    "an array of layers", minimum: 0),
                "an array of arrays of layers", minimum: 2),
            "what each of them does, in order; an empty one is the input itself");

    private static readonly Key<BranchCombination> Combination = Key.Optional(
        "combine", new WordKind<BranchCombination>(
            ("concat", BranchCombination.Concatenate), ("add", BranchCombination.Add)),
        BranchCombination.Concatenate, "concat",
        "`concat`: the outputs stand one after the other along their last dimension (features, an "
        + "image's channels, each position's numbers); `add`: their sum");

    private static readonly Key<long> Repeat = Key.Optional(
        "repeat", Kinds.Count, 1L, "1",
        "how many times they stand there, each time with weights of their own");

    /// <summary>The layers.</summary>
    public static Section<LayerDefinition>[] Layers { get; } =
    [
        new(
            "embedding", "Reads token numbers as vectors, one for each token of a vocabulary.",
            [Vocabulary, Width, WeightInitializer, VectorsTrainable, Name], BindEmbedding),
        new(
            "positional-encoding", "Adds to every position of a sequence a vector that says where "
            + "it stands.", [Positions, VectorsTrainable, Name], BindPositions, Positions),
        new(
            "attention", "Self-attention of several heads over the positions of a sequence, with "
            + "the dense layers before and after it.",
            [
                Heads, KeyValueHeads, Causal, Rotary, RotaryBase, PaddingToken, AttentionBias,
                Trainable, Name,
            ],
            BindAttention, Heads),
        new(
            "rms-normalization", "Brings each sample, or each position of a sequence, to mean "
            + "square 1, then scales it.", [Epsilon, Affine, Trainable, Name],
            k => new RmsNormalizationDefinition
            {
                Epsilon = k.GetFloat(Epsilon),
                Affine = k.Get(Affine),
                Trainable = LayerSchema.TrainableIf(k, Affine),
                Name = k.Get(Name),
            }),
        new(
            "swiglu", "A gated feed-forward block, silu(x·W)∘(x·V)·U, back to the width of its "
            + "input.", [Units, GateBias, Trainable, Name],
            k => new SwiGluDefinition(k.GetInt(Units))
            {
                Bias = k.Get(GateBias), Trainable = k.Get(Trainable), Name = k.Get(Name),
            }, Units),
        new(
            "lstm", "Long short-term memory over the positions of a sequence. Every row begins "
            + "with a state of zeros: none is carried from row to row.",
            [StateUnits, Return, Truncation, Trainable, Name],
            k => new LstmDefinition(k.GetInt(StateUnits))
            {
                Return = k.Get(Return),
                Truncation = (int?)k.Get(Truncation),
                Trainable = k.Get(Trainable),
                Name = k.Get(Name),
            }, StateUnits),
        new(
            "gru", "A gated recurrent unit over the positions of a sequence. Every row begins "
            + "with a state of zeros: none is carried from row to row.",
            [StateUnits, Return, Truncation, Trainable, Name],
            k => new GruDefinition(k.GetInt(StateUnits))
            {
                Return = k.Get(Return),
                Truncation = (int?)k.Get(Truncation),
                Trainable = k.Get(Trainable),
                Name = k.Get(Name),
            }, StateUnits),
        new(
            "position-pooling", "Makes one vector of a sequence.", [Pooled, PooledPadding, Name],
            k => new PositionPoolingDefinition(k.Get(Pooled))
            {
                PaddingToken = (int?)k.Get(PooledPadding), Name = k.Get(Name),
            }, Pooled),
        new(
            "block", "Layers under one name, once or several times in a row.",
            [Inner, Repeat, Recompute, Name],
            k => new BlockDefinition(k.Get(Inner))
            {
                Repeat = k.GetInt(Repeat), Recompute = k.Get(Recompute), Name = k.Get(Name),
            }, Inner),
        new(
            "branches", "Rows of layers that read one input, and whose outputs are put together.",
            [Branches, Combination, Name],
            k => new BranchesDefinition(k.Get(Branches), k.Get(Combination))
            {
                Name = k.Get(Name),
            }),
    ];

    private static LayerDefinition BindAttention(KeyValues keys)
    {
        if (keys.Has(RotaryBase) && !keys.Get(Rotary))
        {
            keys.Refuse(RotaryBase, "means nothing without 'rotary = true'");
        }

        return new AttentionDefinition(keys.GetInt(Heads))
        {
            KeyValueHeads = (int?)keys.Get(KeyValueHeads),
            IsCausal = keys.Get(Causal),
            IsRotary = keys.Get(Rotary),
            RotaryBase = keys.Get(RotaryBase),
            PaddingToken = (int?)keys.Get(PaddingToken),
            Bias = keys.Get(AttentionBias),
            Trainable = keys.Get(Trainable),
            Name = keys.Get(Name),
        };
    }

    private static LayerDefinition BindPositions(KeyValues keys)
    {
        if (keys.Has(VectorsTrainable) && keys.Get(Positions) == PositionalKind.Sinusoidal)
        {
            keys.Refuse(VectorsTrainable, "sinusoids are not trained; leave it out");
        }

        return new PositionalEncodingDefinition(keys.Get(Positions))
        {
            Trainable = keys.Get(VectorsTrainable), Name = keys.Get(Name),
        };
    }

    private static LayerDefinition BindEmbedding(KeyValues keys)
    {
        var embedding = new EmbeddingDefinition(keys.GetInt(Vocabulary), keys.GetInt(Width))
        {
            Name = keys.Get(Name),
            Trainable = keys.Get(VectorsTrainable),
        };
        return keys.Get(WeightInitializer) is { } initializer
            ? embedding with { WeightInitializer = initializer }
            : embedding;
    }
}
