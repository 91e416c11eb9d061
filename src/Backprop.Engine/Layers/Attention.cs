using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>
/// Self-attention of several heads over the positions of a sequence; Vaswani et al., "Attention is
/// all you need", 2017. Fewer heads of keys and values than of queries are shared by groups of
/// these; Ainslie et al., "GQA", 2023. In the network it is taken apart: a dense layer, named
/// <c>attention1.input</c>, that computes queries, keys and values side by side; on request their
/// rotation, <c>attention1.rotary</c>; the attention itself, named as the block; and a dense layer
/// back to the input's width, <c>attention1.output</c>.
/// </summary>
/// <param name="Heads">Heads of queries; the input's width is shared among them.</param>
public sealed record AttentionDefinition(int Heads) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "attention";

    /// <summary>Heads of keys and values; null: as many as of queries.</summary>
    public int? KeyValueHeads { get; init; }

    /// <summary>True: a position sees itself and those before it; false: all.</summary>
    public bool IsCausal { get; init; } = true;

    /// <summary>Whether queries and keys are rotated by their position; Su et al., "RoFormer",
    /// 2021.</summary>
    public bool IsRotary { get; init; }

    /// <summary>The base of the rotation's angles, <c>rope_theta</c> elsewhere: the slowest pair
    /// turns almost so many times slower than the first. Of no meaning without
    /// <see cref="IsRotary"/>.</summary>
    public double RotaryBase { get; init; } = DefaultRotaryBase;

    /// <summary>The base of Su et al., and of the first LLaMA.</summary>
    public const double DefaultRotaryBase = 10_000;

    /// <summary>The token that fills sequences up at their end: no position sees the positions
    /// after the last other token of its row. What the network reads must be tokens then, as many
    /// as there are positions. A row of padding alone sees its first position. Null: every position
    /// counts.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>Whether the dense layers add biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>False: the dense layers' weights and biases stay as they were initialized.
    /// </summary>
    public bool Trainable { get; init; } = true;

    /// <summary>The attention alone, of queries, keys and values side by side;
    /// <see cref="AddTo"/> adds the layers around it.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new AttentionLayer(name, HeadsOf(name, input), IsCausal, PaddingToken);

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        Shape input = builder.OutputShape;
        Sequences.Require(input, Kind, name);
        int width = Sequences.Width(input), shared = KeyValueHeads ?? Heads;
        if (Heads < 1 || shared < 1 || Heads % shared != 0)
        {
            throw new ArgumentException(
                $"attention '{name}' has {Heads} heads and {shared} key-value-heads; both are at "
                + "least 1, and the second divides the first");
        }

        if (width % Heads != 0 || (IsRotary && width / Heads % 2 != 0))
        {
            throw new ArgumentException(
                $"attention '{name}' shares {width} numbers among {Heads} heads; each must get as "
                + (IsRotary ? "many, an even number of them where they are rotated" : "many"));
        }

        if (!(RotaryBase >= 1) || !double.IsFinite(RotaryBase))
        {
            throw new ArgumentException(
                $"attention '{name}' has rotary-base {RotaryBase}; it must be 1 or more");
        }

        if (PaddingToken is not null)
        {
            Sequences.RequireTokens(builder, Kind, name);
        }

        long projected = (long)width / Heads * (Heads + 2L * shared);
        if (projected * input.Dimensions[0] > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"attention '{name}' reads rows of {input}, whose queries, keys and values are "
                + $"more than {Shape.MaxCount:N0} numbers");
        }

        Projection((int)projected).AddTo(builder, $"{name}.input");
        AttentionHeads heads = HeadsOf(name, builder.OutputShape);
        if (IsRotary)
        {
            builder.Append(new RotaryLayer($"{name}.rotary", heads, RotaryBase));
        }

        builder.Append(
            new AttentionLayer(name, heads, IsCausal, PaddingToken),
            PaddingToken is null ? null : NetworkBuilder.InputNode);
        Projection(width).AddTo(builder, $"{name}.output");
    }

    private DenseDefinition Projection(int units) =>
        new(units) { Bias = Bias, WeightTrainable = Trainable, BiasTrainable = Trainable };

    private AttentionHeads HeadsOf(string name, Shape projected)
    {
        Sequences.Require(projected, Kind, name);
        int shared = KeyValueHeads ?? Heads;
        return new AttentionHeads(
            projected.Dimensions[0], Heads, shared,
            Sequences.Width(projected) / (Heads + (2 * shared)));
    }
}

/// <summary>How queries, keys and values lie side by side: a position has first the queries of
/// every head, then the keys, then the values.</summary>
/// <param name="Positions">Positions of a sequence.</param>
/// <param name="Queries">Heads of queries.</param>
/// <param name="Shared">Heads of keys, and as many of values; each serves a group of queries' heads
/// that follow each other.</param>
/// <param name="Width">Numbers of a head.</param>
internal readonly record struct AttentionHeads(int Positions, int Queries, int Shared, int Width)
{
    /// <summary>Heads of queries that share one of keys and values.</summary>
    public int Group => Queries / Shared;

    /// <summary>Numbers of a position: from one to the next.</summary>
    public int InputWidth => (Queries + (2 * Shared)) * Width;

    /// <summary>Numbers of a position's output: a value for each head of queries.</summary>
    public int OutputWidth => Queries * Width;

    /// <summary>Where in a position the keys of a shared head begin.</summary>
    public int KeyOffset(int shared) => (Queries + shared) * Width;

    /// <summary>Where in a position the values of a shared head begin.</summary>
    public int ValueOffset(int shared) => (Queries + Shared + shared) * Width;

    /// <summary>[positions, input width].</summary>
    public Shape InputShape => Shape.Of(Positions, InputWidth);

    /// <summary>[positions, output width].</summary>
    public Shape OutputShape => Shape.Of(Positions, OutputWidth);
}
