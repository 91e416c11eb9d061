using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>Long short-term memory; Hochreiter and Schmidhuber, "Long short-term memory", 1997,
/// with the forget gate of Gers et al., 2000.
/// Gates in PyTorch's order: input, forget, cell, output.</summary>
/// <param name="Units">Numbers of the state.</param>
public sealed record LstmDefinition(int Units) : RecurrentDefinition(Units)
{
    /// <inheritdoc/>
    public override string Kind => "lstm";

    private protected override int Gates => LstmCell.Gates;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => Build<LstmCell>(name, input);
}

/// <summary>i, f, o = σ(·), g = tanh(·), c = f·c′ + i·g, h = o·tanh(c), with c′ the memory before.
/// </summary>
internal readonly unsafe struct LstmCell : IRecurrentCell
{
    public static int Gates => 4;

    public static bool HasBias => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Forward<TVector, TSimd>(in CellStep step, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector input = ElementFunctions.Sigmoid<TVector, TSimd>(
            step.Sum<TVector, TSimd>(0, i, present));
        TVector forget = ElementFunctions.Sigmoid<TVector, TSimd>(
            step.Sum<TVector, TSimd>(1, i, present));
        TVector cell = ElementFunctions.Tanh<TVector, TSimd>(
            step.Sum<TVector, TSimd>(2, i, present));
        TVector output = ElementFunctions.Sigmoid<TVector, TSimd>(
            step.Sum<TVector, TSimd>(3, i, present));
        TVector before = step.MemoryBefore is null
            ? TSimd.Zero
            : TSimd.LoadUpTo(step.MemoryBefore + i, present);
        TVector memory =
            TSimd.FusedMultiplyAdd(forget, before, TSimd.Multiply(input, cell));
        int units = step.Units;
        TSimd.StoreUpTo(input, present, step.Gates + i);
        TSimd.StoreUpTo(forget, present, step.Gates + units + i);
        TSimd.StoreUpTo(cell, present, step.Gates + 2 * units + i);
        TSimd.StoreUpTo(output, present, step.Gates + 3 * units + i);
        TSimd.StoreUpTo(memory, present, step.Memory + i);
        return TSimd.Multiply(output, ElementFunctions.Tanh<TVector, TSimd>(memory));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<TVector, TSimd>(
        in CellStep step, TVector error, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int units = step.Units;
        TVector input = TSimd.LoadUpTo(step.Gates + i, present);
        TVector forget = TSimd.LoadUpTo(step.Gates + units + i, present);
        TVector cell = TSimd.LoadUpTo(step.Gates + 2 * units + i, present);
        TVector output = TSimd.LoadUpTo(step.Gates + 3 * units + i, present);
        TVector before = step.MemoryBefore is null
            ? TSimd.Zero
            : TSimd.LoadUpTo(step.MemoryBefore + i, present);
        TVector squashed = ElementFunctions.Tanh<TVector, TSimd>(
            TSimd.LoadUpTo(step.Memory + i, present));
        TVector memory = TSimd.Add(
            TSimd.LoadUpTo(step.Kept + i, present),
            RecurrentMath.ThroughTanh<TVector, TSimd>(TSimd.Multiply(error, output), squashed));
        TSimd.StoreUpTo(TSimd.Multiply(memory, forget), present, step.Kept + i);
        step.StoreGradient<TVector, TSimd>(
            0, i, present, RecurrentMath.ThroughSigmoid<TVector, TSimd>(
                TSimd.Multiply(memory, cell), input));
        step.StoreGradient<TVector, TSimd>(
            1, i, present, RecurrentMath.ThroughSigmoid<TVector, TSimd>(
                TSimd.Multiply(memory, before), forget));
        step.StoreGradient<TVector, TSimd>(
            2, i, present, RecurrentMath.ThroughTanh<TVector, TSimd>(
                TSimd.Multiply(memory, input), cell));
        step.StoreGradient<TVector, TSimd>(
            3, i, present, RecurrentMath.ThroughSigmoid<TVector, TSimd>(
                TSimd.Multiply(error, squashed), output));
    }

    public static double Reference(
        ReadOnlySpan<double> input, ReadOnlySpan<double> recurrent, double stateBefore,
        ref double memory)
    {
        double added = ExactMath.Sigmoid(input[0] + recurrent[0])
            * ExactMath.Tanh(input[2] + recurrent[2]);
        memory = (ExactMath.Sigmoid(input[1] + recurrent[1]) * memory) + added;
        return ExactMath.Sigmoid(input[3] + recurrent[3]) * ExactMath.Tanh(memory);
    }
}

/// <summary>Derivatives of gates, by their values.</summary>
internal static class RecurrentMath
{
    /// <summary>error·y·(1 − y).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ThroughSigmoid<TVector, TSimd>(TVector error, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        default(Sigmoid).Invoke<TVector, TSimd>(y, error);

    /// <summary>error·(1 − y²).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ThroughTanh<TVector, TSimd>(TVector error, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(error, TSimd.Subtract(TSimd.Create(1), TSimd.Multiply(y, y)));
}
