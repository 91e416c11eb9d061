using Backprop.Engine.Numerics;

namespace Backprop.Engine.Schedules;

/// <summary>
/// Reduces the rate whenever the judged metric has stopped improving: max(f^reductions, m);
/// PyTorch's <c>ReduceLROnPlateau</c>. <see cref="PlateauDetector"/> counts the reductions.
/// </summary>
public sealed record PlateauSchedule : LearningRateSchedule
{
    /// <summary>f in (0, 1). Default 0.1, PyTorch's.</summary>
    public double Reduction { get; init; } = 0.1;

    /// <summary>Evaluations without improvement that are borne; one more reduces the rate. Default
    /// 10, PyTorch's.</summary>
    public int Patience { get; init; } = 10;

    /// <summary>How much better than the best, relative to its size, counts as better. Default
    /// 0.0001, PyTorch's.</summary>
    public double Threshold { get; init; } = 1e-4;

    /// <summary>Evaluations after a reduction that are not counted. Default 0, PyTorch's.</summary>
    public int Cooldown { get; init; }

    /// <summary>m in [0, 1]: the factor never falls below. Default 0, PyTorch's.</summary>
    public double MinimumFactor { get; init; }

    /// <inheritdoc/>
    public override string Name => "plateau";

    /// <inheritdoc/>
    public override PlateauSchedule? Plateau => this;

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) =>
        Math.Max(ExactMath.Pow(Reduction, position.PlateauReductions), MinimumFactor);
}
