namespace Backprop.Engine.Schedules;

/// <summary>
/// One rise and one longer fall, both half a cosine wave: from m / d up to m, and down to
/// m / (d·e) at the last step. Smith and Topin, "Super-convergence: very fast training of neural
/// networks using large learning rates", 2017; PyTorch's <c>OneCycleLR</c> with two phases and
/// without its cycle of the momentum.
/// </summary>
public sealed record OneCycleSchedule : LearningRateSchedule
{
    /// <summary>m &gt; 0: the peak, as a multiple of the base rate. Default 1: the base rate is the
    /// peak, as PyTorch's <c>max_lr</c> is.</summary>
    public double MaximumFactor { get; init; } = 1;

    /// <summary>The part of the run that rises, in [0, 1]. Default 0.3, PyTorch's.</summary>
    public double RisingPart { get; init; } = 0.3;

    /// <summary>d ≥ 1: peak over first rate. Default 25, PyTorch's.</summary>
    public double InitialDivisor { get; init; } = 25;

    /// <summary>e ≥ 1: first rate over last rate. Default 10,000, PyTorch's.</summary>
    public double FinalDivisor { get; init; } = 1e4;

    /// <inheritdoc/>
    public override string Name => "one-cycle";

    /// <inheritdoc/>
    public override double Factor(in SchedulePosition position)
    {
        double first = MaximumFactor / InitialDivisor;
        double last = position.TotalSteps - 1;
        double peak = (RisingPart * position.TotalSteps) - 1;
        if (peak > 0 && position.Step <= peak)
        {
            return CosineSchedule.Anneal(first, MaximumFactor, position.Step / peak);
        }

        // A run too short for a rise begins at its peak.
        double start = Math.Max(peak, 0);
        double progress = last > start ? (position.Step - start) / (last - start) : 0;
        return CosineSchedule.Anneal(MaximumFactor, first / FinalDivisor, progress);
    }
}
