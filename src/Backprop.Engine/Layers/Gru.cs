using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>A gated recurrent unit; Cho et al., "Learning phrase representations using RNN
/// encoder-decoder", 2014, with the reset gate after the product, as PyTorch and cuDNN have it.
/// Gates in PyTorch's order: reset, update, new.</summary>
/// <param name="Units">Numbers of the state.</param>
public sealed record GruDefinition(int Units) : RecurrentDefinition(Units)
{
    /// <inheritdoc/>
    public override string Kind => "gru";

    private protected override int Gates => GruCell.Gates;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => Build<GruCell>(name, input);
}

/// <summary>r, z = σ(·), n = tanh(x + r·q) with q the state's part of the new gate, and
/// h = n + z·(h′ − n), with h′ the state before. Its memory is q, which backward needs.</summary>
internal readonly unsafe struct GruCell : IRecurrentCell
{
    public static int Gates => 3;

    public static bool HasBias => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Forward<TVector, TSimd>(in CellStep step, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int update = step.Units + i, added = 2 * step.Units + i;
        TVector reset = ElementFunctions.Sigmoid<TVector, TSimd>(
            step.Sum<TVector, TSimd>(0, i, present));
        TVector kept = ElementFunctions.Sigmoid<TVector, TSimd>(
            step.Sum<TVector, TSimd>(1, i, present));
        TVector part = TSimd.LoadUpTo(step.Gates + added, present);
        TVector candidate = ElementFunctions.Tanh<TVector, TSimd>(TSimd.FusedMultiplyAdd(
            reset, part, TSimd.LoadUpTo(step.Input + added, present)));
        TVector before = TSimd.LoadUpTo(step.StateBefore + i, present);
        TSimd.StoreUpTo(reset, present, step.Gates + i);
        TSimd.StoreUpTo(kept, present, step.Gates + update);
        TSimd.StoreUpTo(candidate, present, step.Gates + added);
        TSimd.StoreUpTo(part, present, step.Memory + i);
        return TSimd.FusedMultiplyAdd(kept, TSimd.Subtract(before, candidate), candidate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Backward<TVector, TSimd>(
        in CellStep step, TVector error, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int update = step.Units + i, added = 2 * step.Units + i;
        TVector reset = TSimd.LoadUpTo(step.Gates + i, present);
        TVector kept = TSimd.LoadUpTo(step.Gates + update, present);
        TVector candidate = TSimd.LoadUpTo(step.Gates + added, present);
        TVector part = TSimd.LoadUpTo(step.Memory + i, present);
        TVector before = TSimd.LoadUpTo(step.StateBefore + i, present);
        TVector whole = TSimd.Add(error, TSimd.LoadUpTo(step.Kept + i, present));
        TVector toNew = RecurrentMath.ThroughTanh<TVector, TSimd>(
            TSimd.Multiply(whole, TSimd.Subtract(TSimd.Create(1), kept)), candidate);
        TVector toReset = RecurrentMath.ThroughSigmoid<TVector, TSimd>(
            TSimd.Multiply(toNew, part), reset);
        TVector toUpdate = RecurrentMath.ThroughSigmoid<TVector, TSimd>(
            TSimd.Multiply(whole, TSimd.Subtract(before, candidate)), kept);
        TSimd.StoreUpTo(TSimd.Multiply(whole, kept), present, step.Kept + i);
        step.StoreGradient<TVector, TSimd>(0, i, present, toReset);
        step.StoreGradient<TVector, TSimd>(1, i, present, toUpdate);
        TSimd.StoreUpTo(
            TSimd.Multiply(toNew, reset), present, step.RecurrentGradient + added);
        if (step.InputGradient is not null)
        {
            TSimd.StoreUpTo(toNew, present, step.InputGradient + added);
        }
    }

    public static double Reference(
        ReadOnlySpan<double> input, ReadOnlySpan<double> recurrent, double stateBefore,
        ref double memory)
    {
        double reset = ExactMath.Sigmoid(input[0] + recurrent[0]);
        double kept = ExactMath.Sigmoid(input[1] + recurrent[1]);
        double candidate = ExactMath.Tanh(input[2] + (reset * recurrent[2]));
        return candidate + (kept * (stateBefore - candidate));
    }
}
