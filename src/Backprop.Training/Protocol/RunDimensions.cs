using Backprop.Data.Batches;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

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
    /// <summary>Whether epochs are evaluated with the average of the weights: see
    /// <see cref="Engine.Optimizers.Averaging.EvaluatesEpochs"/>.</summary>
    public bool EvaluatesAverage { get; init; }

    /// <summary>Steps of an epoch.</summary>
    public long StepsPerEpoch => (Rows + BatchSize - 1) / BatchSize;

    /// <summary>Those of a plan.</summary>
    public static RunDimensions Of(TrainingPlan plan) => Of(
        plan.Network.Layout, plan.Train.Count, plan.BatchSize, plan.MicroBatches, plan.Epochs,
        plan.Stop, plan.Validation?.Count) with
    {
        EvaluatesAverage = plan.Averaging is { EvaluatesEpochs: true },
    };

    /// <summary>Those of a run whose samples are elsewhere.</summary>
    public static RunDimensions Of(
        RunSpecification run, RunOutline outline, ParameterLayout layout) => Of(
        layout, outline.Train.Count, run.BatchSize, run.MicroBatches, run.Epochs, run.Stop.Value,
        outline.Validation?.Count) with
    {
        EvaluatesAverage = run.Averaging is { EvaluatesEpochs: true },
    };

    private static RunDimensions Of(
        ParameterLayout layout, long rows, int batchSize, int microBatches, int epochs,
        StopRules stop, long? validationRows)
    {
        long stepsPerEpoch = (rows + batchSize - 1) / batchSize;
        return new RunDimensions(
            layout, rows, batchSize, microBatches,
            Math.Min(epochs * stepsPerEpoch, stop.MaxSteps ?? long.MaxValue),
            validationRows is { } count ? MetricsAccumulator.MicroBatchesOf(count) : 0);
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
