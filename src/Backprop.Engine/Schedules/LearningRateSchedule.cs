using System.Text;

namespace Backprop.Engine.Schedules;

/// <summary>Where in a run a learning rate is asked for.</summary>
/// <param name="Step">The step, from 0.</param>
/// <param name="StepsPerEpoch">Steps in an epoch.</param>
/// <param name="TotalSteps">Steps in the whole run.</param>
/// <param name="PlateauReductions">How often evaluations have found a plateau so far.</param>
public readonly record struct SchedulePosition(
    long Step, long StepsPerEpoch, long TotalSteps, int PlateauReductions)
{
    /// <summary>The epoch, from 0.</summary>
    public long Epoch => Step / StepsPerEpoch;
}

/// <summary>The learning rate as a pure function of the position in the run.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>The word of the specification: <c>cosine</c>.</summary>
    public abstract string Name { get; }

    /// <summary>The plateau rule that evaluations are shown to, here or in an inner schedule; null:
    /// evaluations do not matter.</summary>
    public virtual PlateauSchedule? Plateau => null;

    /// <summary>The learning rate at a position, from the optimizer's base rate.</summary>
    public float At(float baseRate, in SchedulePosition position) =>
        (float)(baseRate * Factor(position));

    /// <summary>What the base rate is multiplied by at a position, in double precision.</summary>
    public abstract double Factor(in SchedulePosition position);

    /// <summary>Prints the name alone: the plateau rule may be this very schedule, and printing it
    /// would never end.</summary>
    protected virtual bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Name = ").Append(Name);
        return true;
    }
}
