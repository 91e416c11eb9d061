using Backprop.Data.Batches;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol;

/// <summary>The sizes of a run that its protocol is held to: everybody who has the run's plan has
/// the same ones.</summary>
/// <param name="Layout">The flat vector.</param>
/// <param name="Rows">Training rows.</param>
/// <param name="BatchSize">Rows of a global batch, but for the last of an epoch.</param>
/// <param name="MicroBatches">Micro-batches of a global batch, M.</param>
/// <param name="TotalSteps">Steps of the whole run, if nothing ends it earlier.</param>
/// <param name="EvaluationMicroBatches">Micro-batches of an evaluation; 0: there is none.</param>
public sealed record RunDimensions(
    ParameterLayout Layout, long Rows, int BatchSize, int MicroBatches, long TotalSteps,
    int EvaluationMicroBatches)
{
    /// <summary>Steps of an epoch.</summary>
    public long StepsPerEpoch => (Rows + BatchSize - 1) / BatchSize;

    /// <summary>Those of a plan.</summary>
    public static RunDimensions Of(TrainingPlan plan)
    {
        long rows = plan.Train.Count;
        long stepsPerEpoch = (rows + plan.BatchSize - 1) / plan.BatchSize;
        return new RunDimensions(
            plan.Network.Layout, rows, plan.BatchSize, plan.MicroBatches,
            Math.Min(plan.Epochs * stepsPerEpoch, plan.Stop.MaxSteps ?? long.MaxValue),
            plan.Validation is { } samples ? MetricsAccumulator.MicroBatchesOf(samples.Count) : 0);
    }

    /// <summary>Rows of the global batch of a step: <see cref="BatchLoader.GlobalRows"/>.</summary>
    public int GlobalRows(long step) =>
        (int)Math.Min(BatchSize, Rows - (step % StepsPerEpoch * BatchSize));

    /// <summary>How the rows of a step are cut.</summary>
    public MicroBatches MicroBatchesOf(long step) => new(GlobalRows(step), MicroBatches);

    /// <summary>The version at which the epoch of a step ends.</summary>
    public long EpochEnd(long step) =>
        Math.Min(TotalSteps, ((step / StepsPerEpoch) + 1) * StepsPerEpoch);

    /// <summary>Rows of an epoch that were trained on when a version was made: of the epoch that
    /// ends with it, where one does.</summary>
    public long EpochRows(long version)
    {
        long steps = version % StepsPerEpoch;
        return version > 0 && steps == 0 ? Rows : steps * BatchSize;
    }
}
