using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>A table of vectors, one for each token of a vocabulary: reads rows of token numbers.
/// </summary>
/// <param name="Vocabulary">Tokens: 0 to one less.</param>
/// <param name="Width">Numbers in each token's vector.</param>
public sealed record EmbeddingDefinition(int Vocabulary, int Width) : LayerDefinition
{
    /// <summary>Deviation of the first vectors, unless the user says otherwise: GPT-2's.</summary>
    internal const float DefaultDeviation = 0.02f;

    // Every whole number up to it is a float.
    private const int MostTokens = 1 << 24;

    /// <inheritdoc/>
    public override string Kind => "embedding";

    /// <summary>The first vectors.</summary>
    public Initializer WeightInitializer { get; init; } = new Normal(0, DefaultDeviation);

    /// <summary>False: the vectors stay as they were initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        if (input.Dimensions.Length != 1)
        {
            throw new ArgumentException(
                $"embedding '{name}' reads rows of token numbers, but its input is of shape "
                + $"{input}: put it first");
        }

        if (Vocabulary is < 1 or > MostTokens)
        {
            throw new ArgumentException(
                $"embedding '{name}' has a vocabulary of {Vocabulary:N0} tokens; 1 to "
                + $"{MostTokens:N0} may be");
        }

        if (Width < 1 || (long)Vocabulary * Width > Shape.MaxCount
            || (long)input.Count * Width > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"embedding '{name}' has vectors of {Width:N0} numbers for {Vocabulary:N0} tokens; "
                + $"1 is the least, and {Shape.MaxCount:N0} numbers in all the most");
        }

        return new EmbeddingLayer(name, input, new ParameterDeclaration(
            "weight", Shape.Of(Vocabulary, Width), ParameterRole.Weight, WeightInitializer,
            Trainable));
    }
}

/// <summary>
/// y[t] = W[token t]: every position of a row is its token's vector. dE/dW[v] = Σ over rows, and in
/// each over positions, where v stands, of dE/dy there; a token that does not occur has gradient
/// +0. Token numbers have no gradient.
/// </summary>
public sealed unsafe class EmbeddingLayer : Layer
{
    private const int Weight = 0;

    internal EmbeddingLayer(string name, Shape input, ParameterDeclaration weight)
        : base(
            name, "embedding", input, Shape.Of(input.Count, weight.Shape.Dimensions[1]), weight)
    {
    }

    /// <summary>Tokens: 0 to one less.</summary>
    public int Vocabulary => Parameters[Weight].Shape.Dimensions[0];

    /// <summary>Numbers in a token's vector.</summary>
    public int Width => Parameters[Weight].Shape.Dimensions[1];

    private int Positions => InputShape.Count;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A number is no token of the vocabulary.</exception>
    public override void Forward(in ForwardPass pass)
    {
        RequireTokens(new ReadOnlySpan<float>(pass.Input, pass.Rows * Positions));
        var body = new GatherBody
        {
            Tokens = pass.Input,
            Count = pass.Rows * Positions,
            Width = Width,
            Weight = pass.Parameter(Weight),
            Output = pass.Output,
        };
        RowParallel.Run(pass.Pool, (long)body.Count * Width, ref body);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        if (pass.InputGradient is not null)
        {
            new Span<float>(pass.InputGradient, forward.Rows * Positions).Clear();
        }

        if (!Parameters[Weight].Trainable)
        {
            return;
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            SharedGradient(pass, node, pass.GradientOf(node, Weight));
        }
    }

    /// <inheritdoc/>
    public override void SharedGradient(
        in BackwardPass pass, in NodeGradient node, float* gradient) => EmbeddingGradient.Compute(
        pass.Forward.Pool, pass.Forward.Input, pass.OutputGradient, pass.StartsOf(node, Positions),
        Vocabulary, Width, gradient);

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int i = 0; i < pass.Rows * Positions; i++)
        {
            int token = (int)pass.Input[i];
            pass.Parameter(Weight).Slice(token * Width, Width)
                .CopyTo(pass.Output.Slice(i * Width, Width));
        }
    }

    /// <summary>Where in a span the first number stands that is no token; null: all are.</summary>
    public int? FirstStranger(ReadOnlySpan<float> tokens)
    {
        for (int i = 0; i < tokens.Length; i++)
        {
            float token = tokens[i];
            if (!(token >= 0 && token < Vocabulary) || token != (int)token)
            {
                return i;
            }
        }

        return null;
    }

    private void RequireTokens(ReadOnlySpan<float> tokens)
    {
        if (FirstStranger(tokens) is int i)
        {
            throw new ArgumentException(
                $"row {i / Positions} has token {tokens[i]} at position {i % Positions}; embedding "
                + $"'{Name}' has tokens 0 to {Vocabulary - 1}");
        }
    }

    private struct GatherBody : IParallelBody
    {
        public float* Tokens;
        public int Count;
        public int Width;
        public float* Weight;
        public float* Output;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Count, part + 1, parts);
            for (int i = ComputePool.PartStart(Count, part, parts); i < end; i++)
            {
                new ReadOnlySpan<float>(Weight + (nint)Tokens[i] * Width, Width)
                    .CopyTo(new Span<float>(Output + (nint)i * Width, Width));
            }
        }
    }
}
