using System.Runtime.CompilerServices;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>A gated feed-forward block, y = (silu(x·W) ∘ x·V)·U; Shazeer, "GLU variants improve
/// transformer", 2020. In the network it is taken apart: a dense layer, named <c>block.input</c>,
/// that computes gate and value side by side; their product, named as the block; and a dense layer
/// back to the input's width, named <c>block.output</c>.</summary>
/// <param name="Units">Numbers of the gated product: the block's inner width.</param>
public sealed record SwiGluDefinition(int Units) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "swiglu";

    /// <summary>Whether the dense layers add biases.</summary>
    public bool Bias { get; init; }

    /// <summary>False: the dense layers' weights and biases stay as they were initialized.
    /// </summary>
    public bool Trainable { get; init; } = true;

    /// <summary>The product alone; <see cref="AddTo"/> adds the layers around it.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => Sequences.Width(input) % 2 == 0
        ? new SwiGluLayer(name, input)
        : throw new ArgumentException(
            $"swiglu '{name}' reads gates and values side by side, but its input is of shape "
            + $"{input}: the last dimension must be even");

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Units is < 1 or > Shape.MaxCount / 2)
        {
            throw new ArgumentException(
                $"swiglu '{name}' has {Units} units; 1 is the least, {Shape.MaxCount / 2:N0} the "
                + "most");
        }

        int width = Sequences.Width(builder.OutputShape);
        Projection(2 * Units).AddTo(builder, $"{name}.input");
        builder.Append(Build(name, builder.OutputShape));
        Projection(width).AddTo(builder, $"{name}.output");
    }

    private DenseDefinition Projection(int units) =>
        new(units) { Bias = Bias, WeightTrainable = Trainable, BiasTrainable = Trainable };
}

/// <summary>y = silu(a)·b of rows, or positions of sequences, whose first half is a and whose
/// second is b. dE/da = dE/dy·b·silu′(a), dE/db = dE/dy·silu(a).</summary>
public sealed unsafe class SwiGluLayer : Layer
{
    internal SwiGluLayer(string name, Shape input)
        : base(name, "swiglu", input, Sequences.WithWidth(input, Sequences.Width(input) / 2))
    {
    }

    private int Width => Sequences.Width(OutputShape);

    private int Positions => Sequences.Positions(OutputShape);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var kernel = new GateForward { Width = Width, Input = pass.Input, Output = pass.Output };
        RowParallel.Run(pass.Pool, kernel, pass.Rows * Positions, Width);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        ForwardPass forward = pass.Forward;
        var kernel = new GateBackward
        {
            Width = Width,
            Input = forward.Input,
            OutputGradient = pass.OutputGradient,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(forward.Pool, kernel, forward.Rows * Positions, Width);
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            int start = i / Width * 2 * Width + i % Width;
            double gate = pass.Input[start];
            pass.Output[i] = gate * ExactMath.Sigmoid(gate) * pass.Input[start + Width];
        }
    }
}

/// <summary>silu(a)·b.</summary>
internal unsafe struct GateForward : IRowKernel
{
    public required int Width;

    /// <summary>[rows, 2, width].</summary>
    public required float* Input;

    /// <summary>[rows, width].</summary>
    public required float* Output;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* gate = Input + (nint)row * 2 * Width, y = Output + (nint)row * Width;
        for (int i = 0; i < Width; i += TSimd.Lanes)
        {
            int present = Width - i;
            TVector a = TSimd.LoadUpTo(gate + i, present);
            TVector b = TSimd.LoadUpTo(gate + Width + i, present);
            TSimd.StoreUpTo(
                TSimd.Multiply(default(Silu).Invoke<TVector, TSimd>(a), b), present, y + i);
        }
    }
}

/// <summary>The gradients of silu(a)·b.</summary>
internal unsafe struct GateBackward : IRowKernel
{
    public required int Width;

    /// <summary>[rows, 2, width].</summary>
    public required float* Input;

    /// <summary>[rows, width].</summary>
    public required float* OutputGradient;

    /// <summary>[rows, 2, width].</summary>
    public required float* InputGradient;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        nint start = (nint)row * 2 * Width;
        float* dy = OutputGradient + (nint)row * Width;
        for (int i = 0; i < Width; i += TSimd.Lanes)
        {
            int present = Width - i;
            nint first = start + i, second = first + Width;
            TVector error = TSimd.LoadUpTo(dy + i, present);
            TVector a = TSimd.LoadUpTo(Input + first, present);
            TVector b = TSimd.LoadUpTo(Input + second, present);
            TVector toGate = TSimd.Multiply(error, b);
            TSimd.StoreUpTo(
                default(Silu).Invoke<TVector, TSimd>(a, toGate), present, InputGradient + first);
            TSimd.StoreUpTo(
                TSimd.Multiply(error, default(Silu).Invoke<TVector, TSimd>(a)), present,
                InputGradient + second);
        }
    }
}
