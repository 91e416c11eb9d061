namespace Backprop.Engine.Schedules;

/// <summary>
/// Raises the rate linearly over the first steps, on top of another schedule:
/// min(1, (step + 1) / n) times the inner factor. Goyal et al., "Accurate, large minibatch SGD",
/// 2017; the inner schedule is not shifted, so that its epochs stay epochs. The first step has the
/// rate 1/n, not 0, and would be lost otherwise.
/// </summary>
public sealed record WarmUpSchedule : LearningRateSchedule
{
    /// <summary>n &gt; 0: step n − 1 is the first with the inner schedule's rate.</summary>
    public required long Steps { get; init; }

    /// <summary>The schedule that is warmed up.</summary>
    public LearningRateSchedule Inner { get; init; } = new ConstantSchedule();

    /// <inheritdoc/>
    public override string Name => "warm-up";

    /// <inheritdoc/>
    public override PlateauSchedule? Plateau => Inner.Plateau;

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position) =>
        Math.Min(1, (position.Step + 1) / (double)Steps) * Inner.Factor(position);
}
