using Backprop.Engine.Numerics;

namespace Backprop.Engine.Schedules;

/// <summary>
/// Half a cosine wave from 1 down to a minimum: m + (1 − m)·(1 + cos(π·step / total)) / 2.
/// Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
/// equation 5, without restarts; PyTorch's <c>CosineAnnealingLR</c> stepped once a step.
/// </summary>
public sealed record CosineSchedule : LearningRateSchedule
{
    /// <summary>m in [0, 1]: what would be left after the last step. Default 0,
    /// PyTorch's.</summary>
    public double MinimumFactor { get; init; }

    /// <inheritdoc/>
    public override string Name => "cosine";

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) =>
        Anneal(1, MinimumFactor, (double)position.Step / position.TotalSteps);

    /// <summary>Half a cosine wave from <paramref name="start"/> to
    /// <paramref name="end"/>.</summary>
    /// <param name="start">The value at 0.</param>
    /// <param name="end">The value from 1 on.</param>
    /// <param name="progress">0 or more.</param>
    internal static double Anneal(double start, double end, double progress) =>
        end + (start - end) / 2 * (1 + ExactMath.Cos(Math.PI * Math.Min(progress, 1)));
}
