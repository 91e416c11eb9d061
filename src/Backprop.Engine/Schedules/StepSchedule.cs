using Backprop.Engine.Numerics;

namespace Backprop.Engine.Schedules;

/// <summary>Multiplies the rate every so many epochs: f^⌊epoch / n⌋; PyTorch's <c>StepLR</c>.
/// </summary>
public sealed record StepSchedule : LearningRateSchedule
{
    /// <summary>n &gt; 0: epochs between two reductions.</summary>
    public required int Epochs { get; init; }

    /// <summary>f in (0, 1]. Default 0.1, PyTorch's.</summary>
    public double Reduction { get; init; } = 0.1;

    /// <inheritdoc/>
    public override string Name => "step";

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) =>
        ExactMath.Pow(Reduction, position.Epoch / Epochs);
}
