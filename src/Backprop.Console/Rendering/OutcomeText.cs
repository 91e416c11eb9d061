using Backprop.Console.Storage;
using Backprop.Console.Training;
using Backprop.Training;
using Backprop.Training.Ensembles;
using Backprop.Training.Metrics;

namespace Backprop.Console.Rendering;

/// <summary>What is said when a run has ended.</summary>
internal static class OutcomeText
{
    private const int CurveHeight = 12;

    /// <summary>The lines.</summary>
    public static IEnumerable<string> Write(
        TrainingOutcome outcome, RunDirectory directory, CommandEnvironment environment)
    {
        EnsembleResult ensemble = outcome.Result;
        TrainingResult last = ensemble.Members[^1];
        bool isInterrupted = last.Stop.Kind == StopKind.Interrupted;
        foreach (string line in environment.Terminal is null ? [] : Curve(last, environment.Width))
        {
            yield return line;
        }

        string resumed = outcome.ResumedAt is long step ? $", resumed at step {step}" : "";
        yield return $"{outcome.Name}: {last.Stop.Reason}{resumed}";
        yield return Line(
            "trained", $"{NumberText.Count(last.Steps)} steps in {NumberText.Time(last.Elapsed)}, "
            + $"{NumberText.Rate(last.SamplesPerSecond)} samples/s");
        if (!last.History.IsEmpty)
        {
            yield return Line(
                "training", $"loss {NumberText.Short(last.History[^1].TrainingLoss)}");
        }

        if (last is { FinalIsBest: true, BestEpoch: long best, BestMetric: double metric })
        {
            yield return Line(
                "weights", $"those of epoch {best + 1}, the best ({NumberText.Short(metric)})");
        }

        foreach (string line in Members(ensemble).Concat(Evaluations(ensemble)))
        {
            yield return line;
        }

        foreach (string note in last.Notes)
        {
            yield return Line("note", note);
        }

        if (last.WeightsSha256.Length > 0)
        {
            yield return Line("sha-256", last.WeightsSha256);
        }

        yield return isInterrupted
            ? Line("kept", $"a checkpoint in {directory.Path}")
            : Line("written", $"{directory.ModelFile}, {directory.SummaryFile}");
    }

    private static IEnumerable<string> Members(EnsembleResult ensemble) =>
        ensemble.Members.Length == 1
            ? []
            : ensemble.Members.Select((member, i) => Line(
                $"member {i}", (member.Test ?? member.Validation) is EvaluationMetrics metrics
                    ? ProgressLines.Metrics(metrics)
                    : member.Stop.Reason));

    private static IEnumerable<string> Evaluations(EnsembleResult ensemble)
    {
        if (ensemble.Validation is EvaluationMetrics validation)
        {
            yield return Line("validation", ProgressLines.Metrics(validation));
        }

        if (ensemble.Test is EvaluationMetrics test)
        {
            yield return Line("test", ProgressLines.Metrics(test));
        }
    }

    private static IEnumerable<string> Curve(TrainingResult result, int width)
    {
        var training = new LossSeries("training loss", result.Losses);
        bool hasValidation = result.History.Any(epoch => epoch.Validation is not null);
        LossSeries? validation = hasValidation
            ? new LossSeries("validation loss", [.. result.History.Select(
                epoch => epoch.Validation?.Loss ?? double.NaN)])
            : null;
        return LossCurve.Draw(training, validation, width, CurveHeight);
    }

    private static string Line(string label, string text) => $"  {label,-10}  {text}";
}
