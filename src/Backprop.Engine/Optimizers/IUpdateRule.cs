using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>One parameter's step of an optimizer, written once in <see cref="ISimd{TVector}"/>
/// operations and run at every width; its fields are the step's constants.</summary>
internal interface IUpdateRule
{
    /// <summary>Floats of state a parameter: 0, 1 or 2.</summary>
    static abstract int StateCount { get; }

    /// <summary>Updates a weight and its state, lane by lane.</summary>
    /// <param name="gradient">The gradient, scaled.</param>
    /// <param name="weight">The weight before the step.</param>
    /// <param name="first">State 0; untouched where there is none.</param>
    /// <param name="second">State 1; untouched where there is none.</param>
    /// <returns>The weight after the step.</returns>
    TVector Step<TVector, TSimd>(
        TVector gradient, TVector weight, ref TVector first, ref TVector second)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}
