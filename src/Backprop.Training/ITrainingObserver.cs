using System.Collections.Immutable;
using Backprop.Training.Metrics;

namespace Backprop.Training;

/// <summary>What a step did, told after the weights have changed.</summary>
/// <param name="Step">The step, from 0: it read weights of this version.</param>
/// <param name="Epoch">The epoch it belongs to, from 0.</param>
/// <param name="Loss">Mean loss of the rows of the step, without penalties.</param>
/// <param name="LearningRate">The rate the schedule gave.</param>
/// <param name="GradientNorm">Global L2 norm of the gradient with its penalties, before clipping.
/// </param>
/// <param name="Rows">Rows of the global batch.</param>
public readonly record struct StepReport(
    long Step, long Epoch, double Loss, float LearningRate, double GradientNorm, int Rows);

/// <summary>How large a layer's numbers are: vanishing and exploding gradients are seen
/// here.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="GradientNorm">L2 norm of its parameters' gradient in the last step, penalties
/// included.</param>
/// <param name="WeightNorm">L2 norm of its parameters as that step read them.</param>
public sealed record LayerNorms(string Layer, double GradientNorm, double WeightNorm);

/// <summary>What an epoch came to.</summary>
public sealed record EpochReport
{
    /// <summary>The epoch, from 0.</summary>
    public required long Epoch { get; init; }

    /// <summary>Steps of the run that are done.</summary>
    public required long StepsDone { get; init; }

    /// <summary>Mean of the rows' losses as each step saw them, without penalties.</summary>
    public required double TrainingLoss { get; init; }

    /// <summary>On the validation part with the weights of now; null: there is none.</summary>
    public required EvaluationMetrics? Validation { get; init; }

    /// <summary>Norms of each layer that has parameters, first layer first.</summary>
    public required ImmutableArray<LayerNorms> Layers { get; init; }

    /// <summary>The rate of the epoch's last step.</summary>
    public required float LearningRate { get; init; }

    /// <summary>The value of the metric that the run is judged by.</summary>
    public required double Metric { get; init; }

    /// <summary>Whether that is the best so far.</summary>
    public required bool IsBest { get; init; }

    /// <summary>What was decided and why, in words: <c>best so far (0.31 after 0.35)</c>.</summary>
    public required string Reason { get; init; }
}

/// <summary>
/// Hears of a run's progress, on the thread that trains: whatever takes long belongs elsewhere.
/// What it does cannot change the result.
/// </summary>
public interface ITrainingObserver
{
    /// <summary>After every step; must not allocate if the run is not to.</summary>
    void OnStep(in StepReport report);

    /// <summary>After an epoch's evaluation.</summary>
    void OnEpoch(EpochReport report);

    /// <summary>Once, when the run has ended or was interrupted.</summary>
    void OnStopped(TrainingResult result);
}
