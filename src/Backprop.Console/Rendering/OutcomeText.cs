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
        TrainingResult last = outcome.Result.Members[^1];
        foreach (string line in environment.Terminal is null
            ? []
            : Curve(last.History, environment.Width, CurveHeight))
        {
            yield return line;
        }

        foreach (string line in Report(outcome.Name, outcome.Result, outcome.ResumedAt))
        {
            yield return line;
        }

        yield return last.Stop.Kind == StopKind.Interrupted
            ? Line("kept", $"a checkpoint in {directory.Path}")
            : Line("written", $"{directory.ModelFile}, {directory.SummaryFile}");
    }

    // What a step waits for data is worth a look from some percent on: faster storage, or another
    // form of the data, would help.
    private static string Waited(TrainingResult result)
    {
        const double LeastShare = 0.02;
        double share = result.Elapsed > TimeSpan.Zero
            ? (result.WaitedForData ?? TimeSpan.Zero) / result.Elapsed
            : 0;
        return share >= LeastShare ? $", {NumberText.Percent(share)} waiting for data" : "";
    }

    /// <summary>What it came to, without where it lies.</summary>
    public static IEnumerable<string> Report(
        string name, EnsembleResult ensemble, long? resumedAt)
    {
        TrainingResult last = ensemble.Members[^1];
        string resumed = resumedAt is { } step ? $", resumed at step {step}" : "";
        yield return $"{name}: {last.Stop.Reason}{resumed}";
        yield return Line(
            "trained", $"{NumberText.Count(last.Steps)} steps in {NumberText.Time(last.Elapsed)}, "
            + $"{NumberText.Rate(last.SamplesPerSecond)} samples/s{Waited(last)}");
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

    /// <summary>The losses over the epochs.</summary>
    public static IReadOnlyList<string> Curve(
        IReadOnlyList<EpochReport> history, int width, int height)
    {
        var training = new LossSeries(
            "training loss", [.. history.Select(epoch => epoch.TrainingLoss)]);
        bool hasValidation = history.Any(epoch => epoch.Validation is not null);
        LossSeries? validation = hasValidation
            ? new LossSeries("validation loss", [.. history.Select(
                epoch => epoch.Validation?.Loss ?? double.NaN)])
            : null;
        return LossCurve.Draw(training, validation, width, height);
    }

    private static string Line(string label, string text) => $"  {label,-10}  {text}";
}
