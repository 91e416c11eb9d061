using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Optimizers;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>What is known of an epoch before it is judged.</summary>
/// <param name="TrainingLoss">Mean of the rows' losses as each step saw them.</param>
/// <param name="Validation">On the validation part; null: there is none.</param>
/// <param name="Metric">The value that the run is judged by.</param>
/// <param name="Layers">Each layer's norms in the last step.</param>
internal sealed record EpochEvaluation(
    double TrainingLoss, EvaluationMetrics? Validation, double Metric,
    ImmutableArray<LayerNorms> Layers)
{
    /// <summary>Evaluates an epoch.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="evaluator">Computes with the weights.</param>
    /// <param name="weights">What the epoch is judged by, as of now.</param>
    /// <param name="trainingLoss">Mean of the epoch's rows' losses.</param>
    /// <param name="sums">Of the epoch's last step, weights measured.</param>
    public static EpochEvaluation Of(
        TrainingPlan plan, Evaluator evaluator, AlignedBuffer weights, double trainingLoss,
        ReadOnlySpan<PieceSums> sums)
    {
        EvaluationMetrics? validation = plan.Validation is { } samples
            ? evaluator.Evaluate(samples, weights)
            : null;
        double metric = MetricOf(plan.Stop, trainingLoss, validation);
        return new EpochEvaluation(
            trainingLoss, validation, metric, new LayerNormFold(plan.Network).Of(sums));
    }

    /// <summary>The value that a run is judged by.</summary>
    /// <param name="rules">Which one.</param>
    /// <param name="trainingLoss">Mean of the epoch's rows' losses.</param>
    /// <param name="validation">On the validation part; null: the metric is of training.</param>
    public static double MetricOf(
        StopRules rules, double trainingLoss, EvaluationMetrics? validation) =>
        (rules.Metric, validation?.Of(rules.Output)) switch
        {
            (StopMetric.TrainingLoss, _) => trainingLoss,
            (StopMetric.ValidationLoss, { } judged) => judged.Loss,
            (StopMetric.ValidationAccuracy, { Classification: { } classes }) => classes.Accuracy,
            (StopMetric.ValidationR2, { Regression: { } values }) => values.R2,
            _ => throw new InvalidOperationException(
                $"the evaluation has no {StoppingState.NameOf(rules)}"),
        };
}
