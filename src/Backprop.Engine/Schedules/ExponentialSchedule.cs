using Backprop.Engine.Numerics;

namespace Backprop.Engine.Schedules;

/// <summary>Multiplies the rate every epoch: f^epoch; PyTorch's <c>ExponentialLR</c>.</summary>
public sealed record ExponentialSchedule : LearningRateSchedule
{
    /// <summary>f in (0, 1].</summary>
    public required double Reduction { get; init; }

    /// <inheritdoc/>
    public override string Name => "exponential";

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) =>
        ExactMath.Pow(Reduction, position.Epoch);
}
