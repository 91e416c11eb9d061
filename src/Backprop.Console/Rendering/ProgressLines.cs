using Backprop.Training;
using Backprop.Training.Metrics;

namespace Backprop.Console.Rendering;

/// <summary>What a run's progress is measured against.</summary>
/// <param name="TotalSteps">Steps of the whole run, should nothing end it earlier.</param>
/// <param name="StepsPerEpoch">Steps of an epoch.</param>
/// <param name="Epochs">Epochs of the whole run.</param>
internal sealed record RunExtent(long TotalSteps, long StepsPerEpoch, int Epochs)
{
    /// <summary>That of a plan.</summary>
    public static RunExtent Of(TrainingPlan plan)
    {
        long stepsPerEpoch = (plan.Train.Count + plan.BatchSize - 1) / plan.BatchSize;
        long steps = Math.Min(stepsPerEpoch * plan.Epochs, plan.Stop.MaxSteps ?? long.MaxValue);
        return new RunExtent(steps, stepsPerEpoch, plan.Epochs);
    }
}

/// <summary>Progress in words: the two live lines of a terminal, the line of an epoch, and metrics.
/// </summary>
internal static class ProgressLines
{
    private const int BarWidth = 40;

    // A rate of the first moments says nothing about the time left.
    private static readonly TimeSpan s_firstEstimate = TimeSpan.FromSeconds(1);

    /// <summary>The two lines that are drawn again and again.</summary>
    public static (string Bar, string Numbers) Live(
        ProgressSnapshot progress, RunExtent extent, TimeSpan elapsed)
    {
        long done = Math.Min(progress.StepsDone, extent.TotalSteps);
        double share = (double)done / extent.TotalSteps;
        int filled = (int)(share * BarWidth);
        string bar = new string('━', filled) + new string('─', BarWidth - filled);
        long epoch = Math.Min((done / extent.StepsPerEpoch) + 1, extent.Epochs);
        (string speed, string timeLeft) = Speed(progress, extent, elapsed);
        string first =
            $"epoch {epoch}/{extent.Epochs}  {bar}  {NumberText.Percent(share)}{timeLeft}";
        string loss = double.IsNaN(progress.Loss)
            ? "starting"
            : $"loss {NumberText.Short(progress.Loss)}";
        string validation = progress.LastEpoch?.Validation is EvaluationMetrics metrics
            ? $"  validation {Metrics(metrics)}"
            : "";
        return (first, loss + validation + speed);
    }

    /// <summary>An epoch's line where output is redirected.</summary>
    public static string Epoch(EpochReport report, RunExtent extent)
    {
        string validation = report.Validation is EvaluationMetrics metrics
            ? $"  validation {Metrics(metrics)}"
            : "";
        return $"epoch {report.Epoch + 1}/{extent.Epochs}  step {report.StepsDone}"
            + $"  loss {NumberText.Short(report.TrainingLoss)}{validation}";
    }

    /// <summary>Loss, and what else there is: <c>loss 0.07 accuracy 97.9%</c>; where outputs are
    /// named, behind the whole's loss that of each.</summary>
    public static string Metrics(EvaluationMetrics metrics)
    {
        string loss = $"loss {NumberText.Short(metrics.Loss)}";
        if (metrics.Outputs is { } outputs)
        {
            return loss + string.Concat(
                outputs.Select(output => $"  {output.Name} {Metrics(output.Metrics)}"));
        }

        if (metrics.Classification is ClassificationMetrics classes)
        {
            string hesitation = metrics.Perplexity is double perplexity
                ? $" perplexity {NumberText.Short(perplexity)}"
                : "";
            return $"{loss}{hesitation} accuracy {NumberText.Percent(classes.Accuracy)}";
        }

        return metrics.Regression is RegressionMetrics values
            ? $"{loss} R² {NumberText.Short(values.R2)}"
                + $" MAE {NumberText.Short(values.MeanAbsoluteError)}"
            : loss;
    }

    private static (string Speed, string TimeLeft) Speed(
        ProgressSnapshot progress, RunExtent extent, TimeSpan elapsed)
    {
        if (progress.StepsSeen == 0 || elapsed < s_firstEstimate)
        {
            return ("", "");
        }

        double rows = progress.RowsSeen / elapsed.TotalSeconds;
        double steps = progress.StepsSeen / elapsed.TotalSeconds;
        var left = TimeSpan.FromSeconds((extent.TotalSteps - progress.StepsDone) / steps);
        return ($"  {NumberText.Rate(rows)} samples/s", $"  ETA {NumberText.Time(left)}");
    }
}
