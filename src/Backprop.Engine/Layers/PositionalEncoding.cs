using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>How positions of a sequence are told apart.</summary>
public enum PositionalKind
{
    /// <summary>By a vector for each position, which is trained.</summary>
    Learned,

    /// <summary>By sines and cosines of the position; Vaswani et al., "Attention is all you need",
    /// 2017, section 3.5.</summary>
    Sinusoidal,
}

/// <summary>Adds to every position of a sequence a vector that says where it stands.</summary>
/// <param name="Positions">How it says so.</param>
public sealed record PositionalEncodingDefinition(PositionalKind Positions) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "positional-encoding";

    /// <summary>False: learned vectors stay as they were initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        Sequences.Require(input, "positional encoding", name);
        return new PositionalEncodingLayer(
            name, input,
            Positions == PositionalKind.Sinusoidal ? new(() => Sinusoids(input)) : null,
            Positions == PositionalKind.Learned
                ?
                [
                    new ParameterDeclaration(
                        "weight", input, ParameterRole.Weight,
                        new Normal(0, EmbeddingDefinition.DefaultDeviation), Trainable),
                ]
                : []);
    }

    // Numbers 2i and 2i + 1 of position p are sin and cos of p / 10000^(2i / width).
    private static ImmutableArray<float> Sinusoids(Shape input)
    {
        const double Longest = 10_000;
        int width = Sequences.Width(input);
        var table = ImmutableArray.CreateBuilder<float>(input.Count);
        for (int position = 0; position < Sequences.Positions(input); position++)
        {
            for (int i = 0; i < width; i++)
            {
                double exponent = (i - (i & 1)) / (double)width;
                double angle = position / ExactMath.Pow(Longest, exponent);
                table.Add((float)((i & 1) == 0 ? ExactMath.Sin(angle) : ExactMath.Cos(angle)));
            }
        }

        return table.MoveToImmutable();
    }
}

/// <summary>y[t] = x[t] + P[t], with a learned table P or one of sinusoids. dE/dP[t] = Σ over rows
/// dE/dy[t]; dE/dx = dE/dy.</summary>
public sealed unsafe class PositionalEncodingLayer : Layer
{
    private const int Weight = 0;

    // Made when it is first needed: a network is built to be described, and held against the memory
    // there is, before anything is computed.
    private readonly Lazy<ImmutableArray<float>>? _table;

    internal PositionalEncodingLayer(
        string name, Shape shape, Lazy<ImmutableArray<float>>? table,
        ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "positional-encoding", shape, shape, parameters) => _table = table;

    /// <summary>[positions, width]: what is added; empty where that is learned.</summary>
    public ImmutableArray<float> Table => _table?.Value ?? [];

    private bool IsLearned => _table is null;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        fixed (float* table = Table.AsSpan())
        {
            var kernel = new AddToRows
            {
                Width = InputShape.Count,
                Input = pass.Input,
                Addend = IsLearned ? pass.Parameter(Weight) : table,
                Output = pass.Output,
            };
            RowParallel.Run(pass.Pool, kernel, pass.Rows, InputShape.Count);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        if (IsLearned && Parameters[Weight].Trainable)
        {
            foreach (ref readonly NodeGradient node in pass.Nodes)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, pass.OutputGradient, pass.StartsOf(node), InputShape.Count,
                    pass.GradientOf(node, Weight));
            }
        }

        PassGradientOn(pass);
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = InputShape.Count;
        ImmutableArray<float> table = Table;
        for (int i = 0; i < pass.Rows * width; i++)
        {
            double addend = IsLearned ? pass.Parameter(Weight)[i % width] : table[i % width];
            pass.Output[i] = pass.Input[i] + addend;
        }
    }

    // Every row plus the same vector.
    private struct AddToRows : IRowKernel
    {
        public int Width;
        public float* Input;
        public float* Addend;
        public float* Output;

        public readonly void Run<TVector, TSimd>(int row)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            nint offset = (nint)row * Width;
            for (int i = 0; i < Width; i += TSimd.Lanes)
            {
                int present = Width - i;
                TSimd.StoreUpTo(
                    TSimd.Add(
                        TSimd.LoadUpTo(Input + offset + i, present),
                        TSimd.LoadUpTo(Addend + i, present)),
                    present, Output + offset + i);
            }
        }
    }
}
