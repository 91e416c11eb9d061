using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>The numbers an update runs over; see <see cref="Optimizer"/>.</summary>
/// <param name="gradient">[count].</param>
/// <param name="weights">[count].</param>
/// <param name="state">State s of parameter i at <c>state[s·stateStride + i]</c>.</param>
/// <param name="stateStride">Distance between two states of a parameter.</param>
/// <param name="count">Parameters.</param>
/// <param name="newWeights">[count], overwritten.</param>
internal readonly unsafe struct UpdateOperands(
    float* gradient, float* weights, float* state, nint stateStride, int count, float* newWeights)
{
    /// <summary>[count].</summary>
    public readonly float* Gradient = gradient;

    /// <summary>[count].</summary>
    public readonly float* Weights = weights;

    /// <summary>State 0, [count].</summary>
    public readonly float* First = state;

    /// <summary>State 1, [count].</summary>
    public readonly float* Second = state + stateStride;

    /// <summary>Parameters.</summary>
    public readonly int Count = count;

    /// <summary>[count], overwritten.</summary>
    public readonly float* NewWeights = newWeights;
}

/// <summary>Runs an <see cref="IUpdateRule"/> over arrays: whole vectors, then the rest one by one
/// through the same expressions.</summary>
internal static unsafe class ElementwiseUpdate
{
    /// <summary>One step over all parameters at a width of the caller's choice.</summary>
    public static void Run<TRule>(
        SimdWidth width, TRule rule, float gradientScale, in UpdateOperands operands)
        where TRule : struct, IUpdateRule
    {
        switch (width)
        {
            case SimdWidth.Bits512:
                Run<TRule, Vector512<float>, Simd512>(rule, gradientScale, operands);
                break;
            case SimdWidth.Bits256:
                Run<TRule, Vector256<float>, Simd256>(rule, gradientScale, operands);
                break;
            case SimdWidth.Bits128:
                Run<TRule, Vector128<float>, Simd128>(rule, gradientScale, operands);
                break;
            default:
                Run<TRule, float, SimdScalar>(rule, gradientScale, operands);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TRule, TVector, TSimd>(
        TRule rule, float gradientScale, UpdateOperands operands)
        where TRule : struct, IUpdateRule
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int i = 0;
        for (; i + TSimd.Lanes <= operands.Count; i += TSimd.Lanes)
        {
            StepAt<TRule, TVector, TSimd>(rule, gradientScale, operands, i);
        }

        for (; i < operands.Count; i++)
        {
            StepAt<TRule, float, SimdScalar>(rule, gradientScale, operands, i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StepAt<TRule, TVector, TSimd>(
        in TRule rule, float gradientScale, in UpdateOperands operands, int i)
        where TRule : struct, IUpdateRule
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector gradient = TSimd.Multiply(
            TSimd.Create(gradientScale), TSimd.Load(operands.Gradient + i));
        TVector weight = TSimd.Load(operands.Weights + i);
        TVector first = TRule.StateCount > 0 ? TSimd.Load(operands.First + i) : TSimd.Zero;
        TVector second = TRule.StateCount > 1 ? TSimd.Load(operands.Second + i) : TSimd.Zero;
        weight = rule.Step<TVector, TSimd>(gradient, weight, ref first, ref second);
        if (TRule.StateCount > 0)
        {
            TSimd.Store(first, operands.First + i);
        }

        if (TRule.StateCount > 1)
        {
            TSimd.Store(second, operands.Second + i);
        }

        TSimd.Store(weight, operands.NewWeights + i);
    }
}
