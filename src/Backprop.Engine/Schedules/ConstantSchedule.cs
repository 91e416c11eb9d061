namespace Backprop.Engine.Schedules;

/// <summary>The base rate, always.</summary>
public sealed record ConstantSchedule : LearningRateSchedule
{
    /// <inheritdoc/>
    public override string Name => "constant";

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) => 1;
}
