using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>The softmax of each row, of sequences at each position: positive numbers that sum to 1.
/// A network trained with softmax cross-entropy must not have
/// one, as that loss takes logits.</summary>
public sealed record SoftmaxDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "softmax";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => new SoftmaxLayer(name, input);
}

/// <summary>
/// y[i] = e^x[i] / Σ e^x[j] over the row. Every output depends on every input: dy[i]/dx[j] is
/// y[i]·(1 − y[i]) where i = j and −y[i]·y[j] elsewhere, so that
/// dE/dx[i] = y[i]·(dE/dy[i] − Σ y[j]·dE/dy[j]). Under error splitting the gradient is passed on as
/// it came.
/// </summary>
public sealed unsafe class SoftmaxLayer : Layer
{
    internal SoftmaxLayer(string name, Shape shape)
        : base(name, "softmax", shape, shape)
    {
    }

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var body = new ForwardBody
        {
            Rows = pass.Rows * Sequences.Positions(InputShape),
            Width = Sequences.Width(InputShape),
            Input = pass.Input,
            Output = pass.Output,
        };
        RowParallel.Run(pass.Pool, (long)pass.Rows * InputShape.Count, ref body);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        ForwardPass forward = pass.Forward;
        if (pass.ErrorSplitting)
        {
            PassGradientOn(pass);
            return;
        }

        var body = new BackwardBody
        {
            Rows = forward.Rows * Sequences.Positions(InputShape),
            Width = Sequences.Width(InputShape),
            Output = forward.Output,
            OutputGradient = pass.OutputGradient,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(forward.Pool, (long)forward.Rows * InputShape.Count, ref body);
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = Sequences.Width(InputShape);
        for (int row = 0; row < pass.Rows * Sequences.Positions(InputShape); row++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(row * width, width);
            Span<double> y = pass.Output.Slice(row * width, width);
            double largest = double.NegativeInfinity, sum = 0;
            foreach (double value in x)
            {
                largest = Math.Max(largest, value);
            }

            for (int i = 0; i < width; i++)
            {
                y[i] = ExactMath.Exp(x[i] - largest);
                sum += y[i];
            }

            for (int i = 0; i < width; i++)
            {
                y[i] /= sum;
            }
        }
    }

    private struct ForwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
        public float* Input;
        public float* Output;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                nint offset = (nint)row * Width;
                Softmax.Row(Input + offset, Width, Output + offset);
            }
        }
    }

    private struct BackwardBody : IParallelBody
    {
        public int Rows;
        public int Width;
        public float* Output;
        public float* OutputGradient;
        public float* InputGradient;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                nint offset = (nint)row * Width;
                float* y = Output + offset, dy = OutputGradient + offset;
                var gradient = new SoftmaxGradient(Reductions.Dot(y, dy, Width));
                Elementwise.Map(gradient, y, dy, Width, InputGradient + offset);
            }
        }
    }
}

/// <summary>y·(dy − the row's Σ y·dy).</summary>
internal readonly struct SoftmaxGradient(float product) : IBinaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector y, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(y, TSimd.Subtract(dy, TSimd.Create(product)));
}
