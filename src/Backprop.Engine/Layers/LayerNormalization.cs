using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Layer normalization over all elements of a row; Ba et al., "Layer normalization", 2016.
/// </summary>
public sealed record LayerNormalizationDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "layer-normalization";

    /// <summary>Added to the variance, so that a constant row is not divided by zero.</summary>
    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>Whether a learned scale and bias follow.</summary>
    public bool Affine { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        if (!(Epsilon > 0) || !float.IsFinite(Epsilon))
        {
            throw new ArgumentException(
                $"layer normalization '{name}' has epsilon {Epsilon}; it must be above 0");
        }

        ImmutableArray<ParameterDeclaration> affine =
        [
            new("scale", input, ParameterRole.Scale, Constant.Ones),
            new("bias", input, ParameterRole.Bias, Constant.Zeros),
        ];
        return new LayerNormalizationLayer(name, input, Epsilon, Affine ? affine : []);
    }
}

/// <summary>
/// y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), where μ and σ² are the mean and the (biased)
/// variance of the row's n elements, so that rows stay independent. With δ = dE/dy: dE/dβ = Σ over
/// rows δ, dE/dγ = Σ over rows δ·x̂, and with g = γ·δ, dE/dx = (g − mean(g) − x̂·mean(g·x̂)) / √(σ²
/// + ε), the means over the row.
/// </summary>
public sealed unsafe class LayerNormalizationLayer : Layer
{
    private const int Scale = 0;
    private const int Bias = 1;
    private const int RowStatistics = 2;

    private readonly float _epsilon;

    internal LayerNormalizationLayer(
        string name, Shape shape, float epsilon,
        ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "layer-normalization", shape, shape, parameters) => _epsilon = epsilon;

    /// <summary>A row's mean, and the inverse of its standard deviation.</summary>
    /// <inheritdoc/>
    public override int SavedPerRow => RowStatistics;

    /// <inheritdoc/>
    public override int ScratchPerRow => InputShape.Count;

    private bool HasAffine => !Parameters.IsEmpty;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var body = new ForwardBody
        {
            Rows = pass.Rows,
            Width = InputShape.Count,
            Epsilon = _epsilon,
            Scale = HasAffine ? pass.Parameter(Scale) : null,
            Bias = HasAffine ? pass.Parameter(Bias) : null,
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
        int width = InputShape.Count;
        var body = new BackwardBody
        {
            Rows = forward.Rows,
            Width = width,
            Scale = HasAffine ? forward.Parameter(Scale) : null,
            Statistics = forward.Saved,
            Input = forward.Input,
            OutputGradient = pass.OutputGradient,
            ScaleTerms = pass.Scratch,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(forward.Pool, (long)forward.Rows * width, ref body);
        if (!HasAffine)
        {
            return;
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            MatrixProduct.BiasGradient(
                forward.Pool, pass.Scratch, pass.StartsOf(node), width,
                pass.GradientOf(node, Scale));
            MatrixProduct.BiasGradient(
                forward.Pool, pass.OutputGradient, pass.StartsOf(node), width,
                pass.GradientOf(node, Bias));
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = InputShape.Count;
        for (int row = 0; row < pass.Rows; row++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(row * width, width);
            double mean = 0, variance = 0;
            foreach (double value in x)
            {
                mean += value / width;
            }

            foreach (double value in x)
            {
                variance += (value - mean) * (value - mean) / width;
            }

            double deviation = Math.Sqrt(variance + _epsilon);
            for (int i = 0; i < width; i++)
            {
                double normalized = (x[i] - mean) / deviation;
                pass.Output[row * width + i] = HasAffine
                    ? normalized * pass.Parameter(Scale)[i] + pass.Parameter(Bias)[i]
                    : normalized;
            }
        }
    }

    private struct ForwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
        public float Epsilon;
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
                float mean = Reductions.Sum(x, Width) / Width;
                Elementwise.Map(new Normalize(mean, 1f), x, Width, y);
                float variance = Reductions.SumOfSquares(y, Width) / Width;
                float inverse = 1f / MathF.Sqrt(variance + Epsilon);
                statistics[0] = mean;
                statistics[1] = inverse;
                Elementwise.Map(new Normalize(0f, inverse), y, Width, y);
                if (Scale is not null)
                {
                    Elementwise.Map(default(Product), y, Scale, Width, y);
                    Elementwise.Map(default(Sum), y, Bias, Width, y);
                }
            }
        }
    }

    private struct BackwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
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
                Reductions.Sum(scaled, Width) / Width,
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
