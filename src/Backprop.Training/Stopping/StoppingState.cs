using System.Globalization;

namespace Backprop.Training.Stopping;

/// <summary>What was made of an epoch.</summary>
/// <param name="Next">What to remember.</param>
/// <param name="IsBest">Whether the epoch's weights are the best so far.</param>
/// <param name="Reason">What was decided and why, in words.</param>
/// <param name="Stop">That the run ends here; null: it goes on.</param>
public sealed record EpochVerdict(
    StoppingState Next, bool IsBest, string Reason, StopDecision? Stop);

/// <summary>
/// What early stopping remembers between epochs. Any improvement makes an epoch the best; only one
/// of more than <see cref="StopRules.MinimumImprovement"/> against the last such one ends the
/// waiting of <see cref="StopRules.Patience"/>.
/// </summary>
/// <param name="BestMetric">The best value so far; null: none yet.</param>
/// <param name="BestEpoch">The epoch it was reached in; null: none yet.</param>
/// <param name="Reference">The value that the next improvement is measured from; null: none yet.
/// </param>
/// <param name="EpochsWaited">Epochs since the reference was set.</param>
public sealed record StoppingState(
    double? BestMetric, long? BestEpoch, double? Reference, int EpochsWaited)
{
    /// <summary>Before the first epoch.</summary>
    public static StoppingState Initial { get; } = new(null, null, null, 0);

    /// <summary>Judges an epoch.</summary>
    /// <param name="rules">When to end.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="trainingLoss">Its mean training loss.</param>
    /// <param name="metric">Its value of <see cref="StopRules.Metric"/>; one that is not finite is
    /// never an improvement.</param>
    public EpochVerdict Judge(StopRules rules, long epoch, double trainingLoss, double metric)
    {
        bool isBest = Improves(rules, BestMetric, metric, 0);
        bool isImprovement = Improves(rules, Reference, metric, rules.MinimumImprovement);
        var next = new StoppingState(
            isBest ? metric : BestMetric,
            isBest ? epoch : BestEpoch,
            isImprovement ? metric : Reference,
            isImprovement ? 0 : EpochsWaited + 1);
        string name = NameOf(rules);
        string reason = isBest
            ? BestMetric is { } before
                ? $"{name} {Show(metric)} is the best so far, after {Show(before)}"
                : $"{name} {Show(metric)} is the first"
            : $"{name} {Show(metric)} is no better than {Show(BestMetric)} of epoch"
                + $" {BestEpoch?.ToString(CultureInfo.InvariantCulture) ?? "none"}";
        return new EpochVerdict(next, isBest, reason, next.StopFor(rules, trainingLoss, metric));
    }

    /// <summary>Whether greater values of a metric are better.</summary>
    public static bool GreaterIsBetter(StopMetric metric) =>
        metric is StopMetric.ValidationAccuracy or StopMetric.ValidationR2;

    /// <summary>The word for a metric: <c>validation loss</c>.</summary>
    public static string NameOf(StopMetric metric) => metric switch
    {
        StopMetric.TrainingLoss => "training loss",
        StopMetric.ValidationLoss => "validation loss",
        StopMetric.ValidationAccuracy => "validation accuracy",
        StopMetric.ValidationR2 => "validation R²",
        _ => throw new ArgumentOutOfRangeException(nameof(metric), metric, "unknown metric"),
    };

    /// <summary>The words for what a run is judged by: <c>validation accuracy of digit</c>.
    /// </summary>
    public static string NameOf(StopRules rules) => rules.Output is null
        ? NameOf(rules.Metric)
        : $"{NameOf(rules.Metric)} of {rules.Output}";

    private static bool Improves(StopRules rules, double? best, double metric, double least)
    {
        if (!double.IsFinite(metric))
        {
            return false;
        }

        return best is not { } value
            || (GreaterIsBetter(rules.Metric) ? metric > value + least : metric < value - least);
    }

    private static string Show(double? value) =>
        value?.ToString("G6", CultureInfo.InvariantCulture) ?? "none";

    private StopDecision? StopFor(StopRules rules, double trainingLoss, double metric)
    {
        if (rules.TargetLoss is { } loss && trainingLoss <= loss)
        {
            return new StopDecision(
                StopKind.TargetLoss,
                $"the training loss {Show(trainingLoss)} reached its target {Show(loss)}");
        }

        if (rules.TargetMetric is { } target
            && (GreaterIsBetter(rules.Metric) ? metric >= target : metric <= target))
        {
            return new StopDecision(
                StopKind.TargetMetric,
                $"the {NameOf(rules)} {Show(metric)} reached its target {Show(target)}");
        }

        return rules.Patience is { } patience && EpochsWaited >= patience
            ? new StopDecision(
                StopKind.Patience,
                $"the {NameOf(rules)} has not improved on {Show(Reference)} for"
                + $" {EpochsWaited} epochs")
            : null;
    }
}
