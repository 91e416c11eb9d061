using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// An average of the versions of the weights, which is what a run comes to in the place of its last
/// version. It is kept as one more state of the optimizer: a ← (1 − s)·a + s·w after a step, where
/// the share s is a function of the step alone. Running statistics are averaged like weights.
/// </summary>
public abstract record Averaging
{
    /// <summary>The word of the specification.</summary>
    public abstract string Name { get; }

    /// <summary>Whether the average is what is evaluated at the end of each epoch, and judged: by
    /// default the weights themselves are.</summary>
    public bool EvaluatesEpochs { get; init; }

    /// <summary>What the result is, in a sentence for people.</summary>
    public string Note =>
        $"the result is the {Name} average of the weights (averaging); epochs are evaluated with"
        + (EvaluatesEpochs ? " it" : " the weights themselves");

    /// <summary>The share that the version made by a step has in the average: 1, and the average is
    /// that version; null, and the average stays.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="stepsPerEpoch">Steps of an epoch.</param>
    public abstract double? ShareOf(long step, long stepsPerEpoch);
}

/// <summary>
/// a ← d·a + (1 − d)·w after every step; the first version is taken as it is. Polyak and Juditsky,
/// "Acceleration of stochastic approximation by averaging", 1992, with weights that fade, as
/// PyTorch's <c>get_ema_multi_avg_fn</c> has it.
/// </summary>
/// <param name="Decay">d in (0, 1): what a step keeps of the average.</param>
public sealed record ExponentialAveraging(double Decay) : Averaging
{
    /// <inheritdoc/>
    public override string Name => "exponential";

    /// <inheritdoc/>
    public override double? ShareOf(long step, long stepsPerEpoch) => step == 0 ? 1 : 1 - Decay;
}

/// <summary>
/// The mean of the weights at the ends of epochs. Izmailov et al., "Averaging weights leads to
/// wider optima and better generalization", UAI 2018: PyTorch's <c>AveragedModel</c>, updated once
/// an epoch. Before the first of those ends the average is the latest version; an epoch that is
/// cut short is not counted.
/// </summary>
/// <param name="FromEpoch">The first epoch whose end is counted, from 1.</param>
public sealed record StochasticAveraging(long FromEpoch) : Averaging
{
    /// <inheritdoc/>
    public override string Name => "stochastic";

    /// <inheritdoc/>
    public override double? ShareOf(long step, long stepsPerEpoch)
    {
        long counted = (step / stepsPerEpoch) + 1 - FromEpoch;
        bool endsEpoch = (step + 1) % stepsPerEpoch == 0;
        return counted <= 0 ? 1 : endsEpoch ? 1.0 / (counted + 1) : null;
    }
}

/// <summary>(1 − s)·average + s·weight; where the weight is not finite, the average as it was: a
/// run that ends with such weights still has its result.</summary>
internal readonly struct AverageUpdate(double share) : IBinaryFunction
{
    private readonly float _kept = (float)(1 - share), _added = (float)share;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector average = TSimd.FusedMultiplyAdd(
            TSimd.Create(_kept), x, TSimd.Multiply(TSimd.Create(_added), y));
        return TSimd.SelectLess(
            TSimd.Abs(y), TSimd.Create(float.PositiveInfinity), average, x);
    }
}
