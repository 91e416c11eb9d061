using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Layer normalization over all elements of a row, or of each position where rows are
/// sequences; Ba et al., "Layer normalization", 2016.</summary>
public sealed record LayerNormalizationDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "layer-normalization";

    /// <summary>Added to the variance, so that a constant row is not divided by zero.</summary>
    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>Whether a learned scale and bias follow.</summary>
    public bool Affine { get; init; } = true;

    /// <summary>False: scale and bias stay as they were initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        RequireEpsilon(Epsilon, "layer normalization", name);
        ImmutableArray<ParameterDeclaration> affine =
        [
            new("scale", ShapeOfParameters(input), ParameterRole.Scale, Constant.Ones, Trainable),
            new("bias", ShapeOfParameters(input), ParameterRole.Bias, Constant.Zeros, Trainable),
        ];
        return new LayerNormalizationLayer(
            name, Kind, input, Epsilon, isCentered: true, Affine ? affine : []);
    }

    /// <summary>The shape of a learned scale: the row's, or a position's.</summary>
    internal static Shape ShapeOfParameters(Shape input) =>
        Sequences.Is(input) ? Shape.Of(Sequences.Width(input)) : input;

    internal static void RequireEpsilon(float epsilon, string kind, string name)
    {
        if (!(epsilon > 0) || !float.IsFinite(epsilon))
        {
            throw new ArgumentException(
                $"{kind} '{name}' has epsilon {epsilon}; it must be above 0");
        }
    }
}

/// <summary>Root mean square normalization over all elements of a row, or of each position where
/// rows are sequences; Zhang and Sennrich, "Root mean square layer normalization", 2019.</summary>
public sealed record RmsNormalizationDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "rms-normalization";

    /// <summary>Added to the mean square, so that a row of zeros is not divided by zero.</summary>
    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>Whether a learned scale follows.</summary>
    public bool Affine { get; init; } = true;

    /// <summary>False: the scale stays as it was initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        LayerNormalizationDefinition.RequireEpsilon(Epsilon, "rms normalization", name);
        ParameterDeclaration scale = new(
            "scale", LayerNormalizationDefinition.ShapeOfParameters(input), ParameterRole.Scale,
            Constant.Ones, Trainable);
        return new LayerNormalizationLayer(
            name, Kind, input, Epsilon, isCentered: false, Affine ? [scale] : []);
    }
}

/// <summary>
/// y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), where μ and σ² are the mean and the (biased)
/// variance of the row's n elements, so that rows stay independent. With δ = dE/dy: dE/dβ = Σ over
/// rows δ, dE/dγ = Σ over rows δ·x̂, and with g = γ·δ, dE/dx = (g − mean(g) − x̂·mean(g·x̂)) / √(σ²
/// + ε), the means over the row. Where it is not centered (root mean square normalization), μ = 0,
/// β = 0, and mean(g) is left out. In sequences every position is such a row.
/// </summary>
public sealed unsafe class LayerNormalizationLayer : Layer
{
    private const int Scale = 0;
    private const int Bias = 1;
    private const int RowStatistics = 2;

    private readonly float _epsilon;
    private readonly bool _isCentered;

    internal LayerNormalizationLayer(
        string name, string kind, Shape shape, float epsilon, bool isCentered,
        ImmutableArray<ParameterDeclaration> parameters)
        : base(name, kind, shape, shape, parameters)
    {
        _epsilon = epsilon;
        _isCentered = isCentered;
    }

    /// <summary>The mean of each position, and the inverse of its standard deviation.</summary>
    /// <inheritdoc/>
    public override int SavedPerRow => RowStatistics * Positions;

    /// <inheritdoc/>
    public override int ScratchPerRow => InputShape.Count;

    private bool HasScale => !Parameters.IsEmpty;

    private bool HasBias => Parameters.Length > Bias;

    private int Positions => Sequences.Positions(InputShape);

    private int Width => Sequences.Width(InputShape);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var body = new ForwardBody
        {
            Rows = pass.Rows * Positions,
            Width = Width,
            Epsilon = _epsilon,
            IsCentered = _isCentered,
            Scale = HasScale ? pass.Parameter(Scale) : null,
            Bias = HasBias ? pass.Parameter(Bias) : null,
            Input = pass.Input,
            Statistics = pass.Saved,
            Output = pass.Output,
        };
        RowParallel.Run(pass.Pool, (long)pass.Rows * InputShape.Count, ref body);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int width = Width, rows = forward.Rows * Positions;
        var body = new BackwardBody
        {
            Rows = rows,
            Width = width,
            IsCentered = _isCentered,
            Scale = HasScale ? forward.Parameter(Scale) : null,
            Statistics = forward.Saved,
            Input = forward.Input,
            OutputGradient = pass.OutputGradient,
            ScaleTerms = pass.Scratch,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(forward.Pool, (long)rows * width, ref body);
        if (!HasScale || !Parameters[Scale].Trainable)
        {
            return;
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            ReadOnlySpan<int> starts = pass.StartsOf(node, Positions);
            MatrixProduct.BiasGradient(
                forward.Pool, pass.Scratch, starts, width, pass.GradientOf(node, Scale));
            if (HasBias)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, pass.OutputGradient, starts, width,
                    pass.GradientOf(node, Bias));
            }
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = Width;
        for (int row = 0; row < pass.Rows * Positions; row++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(row * width, width);
            double mean = 0, variance = 0;
            foreach (double value in x)
            {
                mean += _isCentered ? value / width : 0;
            }

            foreach (double value in x)
            {
                variance += (value - mean) * (value - mean) / width;
            }

            double deviation = Math.Sqrt(variance + _epsilon);
            for (int i = 0; i < width; i++)
            {
                double normalized = (x[i] - mean) / deviation;
                double scaled = HasScale ? normalized * pass.Parameter(Scale)[i] : normalized;
                pass.Output[row * width + i] = HasBias
                    ? scaled + pass.Parameter(Bias)[i]
                    : scaled;
            }
        }
    }

    private struct ForwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
        public float Epsilon;
        public bool IsCentered;
        public float* Scale;
        public float* Bias;
        public float* Input;
        public float* Statistics;
        public float* Output;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                float* x = Input + (nint)row * Width, y = Output + (nint)row * Width;
                float* statistics = Statistics + (nint)row * RowStatistics;
                float mean = IsCentered ? Reductions.Sum(x, Width) / Width : 0;
                Elementwise.Map(new Normalize(mean, 1f), x, Width, y);
                float variance = Reductions.SumOfSquares(y, Width) / Width;
                float inverse = 1f / MathF.Sqrt(variance + Epsilon);
                statistics[0] = mean;
                statistics[1] = inverse;
                Elementwise.Map(new Normalize(0f, inverse), y, Width, y);
                if (Scale is not null)
                {
                    Elementwise.Map(default(Product), y, Scale, Width, y);
                }

                if (Bias is not null)
                {
                    Elementwise.Map(default(Sum), y, Bias, Width, y);
                }
            }
        }
    }

    private struct BackwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
        public bool IsCentered;
        public float* Scale;
        public float* Statistics;
        public float* Input;
        public float* OutputGradient;
        public float* ScaleTerms;
        public float* InputGradient;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                nint offset = (nint)row * Width;
                float* dy = OutputGradient + offset, normalized = ScaleTerms + offset;
                float* statistics = Statistics + (nint)row * RowStatistics;
                Elementwise.Map(
                    new Normalize(statistics[0], statistics[1]), Input + offset, Width,
                    normalized);
                if (InputGradient is not null)
                {
                    PassBack(dy, normalized, statistics[1], InputGradient + offset);
                }

                Elementwise.Map(default(Product), dy, normalized, Width, normalized);
            }
        }

        private readonly void PassBack(float* dy, float* normalized, float inverse, float* dx)
        {
            float* scaled = dy;
            if (Scale is not null)
            {
                Elementwise.Map(default(Product), dy, Scale, Width, dx);
                scaled = dx;
            }

            var gradient = new NormalizeGradient(
                IsCentered ? Reductions.Sum(scaled, Width) / Width : 0,
                Reductions.Dot(scaled, normalized, Width) / Width,
                inverse);
            Elementwise.Map(gradient, scaled, normalized, Width, dx);
        }
    }
}

/// <summary>(x − mean)·inverse.</summary>
internal readonly struct Normalize(float mean, float inverse) : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(TSimd.Subtract(x, TSimd.Create(mean)), TSimd.Create(inverse));
}

/// <summary>inverse·(g − mean(g) − x̂·mean(g·x̂)).</summary>
internal readonly struct NormalizeGradient(float mean, float product, float inverse)
    : IBinaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector g, TVector normalized)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector common = TSimd.FusedMultiplyAdd(
            normalized, TSimd.Create(product), TSimd.Create(mean));
        return TSimd.Multiply(TSimd.Create(inverse), TSimd.Subtract(g, common));
    }
}
