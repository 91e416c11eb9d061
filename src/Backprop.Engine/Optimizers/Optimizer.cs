using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>What an optimizer step is told beside the numbers themselves.</summary>
/// <param name="Step">The step, from 0; bias corrections use Step + 1.</param>
/// <param name="LearningRate">From the schedule.</param>
/// <param name="GradientScale">What every gradient is multiplied by first: the clipping factor,
/// else 1.</param>
/// <param name="Decay">Whether the optimizer's own weight decay applies to these
/// parameters.</param>
/// <param name="WeightDecay">What holds instead of the optimizer's own weight decay; null: that
/// does.</param>
public readonly record struct OptimizerStep(
    long Step, float LearningRate, float GradientScale, bool Decay, double? WeightDecay = null)
{
    /// <summary>The weight decay that holds for these parameters.</summary>
    /// <param name="own">The optimizer's.</param>
    public double DecayOf(double own) => Decay ? WeightDecay ?? own : 0;
}

/// <summary>
/// An update rule: elementwise, and pure; weights, gradient and state in, weights and state out
/// (rule 5). It owns no state, so that how the parameters are cut among servers cannot matter.
/// </summary>
/// <remarks>Options other than the learning rate are doubles, and whatever is derived from them
/// (1 − β, bias corrections) is computed in double and rounded to float once a step: 1 − 0.999f
/// would already be wrong in the fifth digit. In the equations g is the scaled gradient, w the
/// weight, η the learning rate, t = Step + 1.</remarks>
public abstract record Optimizer
{
    /// <summary>The word of the specification: <c>adam</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The learning rate that a schedule multiplies.</summary>
    public required float LearningRate { get; init; }

    /// <summary>Floats of state a parameter: 0 for SGD, 2 for Adam.</summary>
    public abstract int StateCount { get; }

    /// <summary>One step over <paramref name="count"/> parameters.</summary>
    /// <param name="step">Step number, learning rate, gradient scale.</param>
    /// <param name="gradient">[count].</param>
    /// <param name="weights">[count], the version the gradient was computed at.</param>
    /// <param name="state">The first state of the first parameter; state s of parameter i is at
    /// <c>state[s·stateStride + i]</c>. Updated in place; all zero before step 0.</param>
    /// <param name="stateStride">Distance between two states of a parameter.</param>
    /// <param name="count">Parameters.</param>
    /// <param name="newWeights">[count], overwritten; may be <paramref name="weights"/>.</param>
    public unsafe void Update(
        in OptimizerStep step, float* gradient, float* weights, float* state, nint stateStride,
        int count, float* newWeights) =>
        Update(
            SimdWidths.Best, step,
            new UpdateOperands(gradient, weights, state, stateStride, count, newWeights));

    /// <summary>As the public one, at a width of the caller's choice: for tests.</summary>
    internal abstract void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands);
}
