using System.Globalization;
using Backprop.Console.Api.Feeds;
using Backprop.Distributed.Coordination;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Console.Rendering;

/// <summary>What <c>backprop watch</c> shows of a run, as lines of text.</summary>
internal static class RunWatchText
{
    private const int BarWidth = 36;
    private const int ShareWidth = 32;
    private const int MostCurveHeight = 6;
    private const int LeastCurveHeight = 4;

    // Legend, axis and numbers of a curve.
    private const int CurveFrame = 3;
    private const int ShownEpochs = 3;
    private const int ShownHappenings = 4;
    private const int ShownCheckpoints = 4;

    /// <summary>The lines, none longer than <paramref name="width"/>; the curve of the losses is
    /// among them where there is room for it.</summary>
    public static IReadOnlyList<string> Lines(RunView view, int width, int height)
    {
        int others = Sections(view, []).Count();
        int room = Math.Min(height - others - CurveFrame - 1, MostCurveHeight);
        IReadOnlyList<string> curve = room >= LeastCurveHeight
            ? OutcomeText.Curve(view.History, width - 1, room)
            : [];
        return [.. Sections(view, curve).Select(line => Cut(line, width))];
    }

    /// <summary>That nothing newer is known.</summary>
    public static string Stale(StaleNews stale) =>
        $"nothing new for {NumberText.Time(TimeSpan.FromSeconds(stale.Seconds))}: {stale.Reason}";

    /// <summary>A line that a row of a terminal holds.</summary>
    public static string Cut(string line, int width) =>
        line.Length < width ? line : line[..(width - 2)] + "…";

    /// <summary>What is written of a run where output is redirected: an epoch's line.</summary>
    public static string Epoch(RunView view, EpochReport report) =>
        ProgressLines.Epoch(report, new RunExtent(
            view.Summary.TotalSteps, view.StepsPerEpoch, view.Epochs));

    /// <summary>A happening's line: <c>16:02:11  the checkpoint of version 84 is committed</c>.
    /// </summary>
    public static string Happening(HappeningView happening) =>
        $"{Clock(happening.At)}  {Plain(happening.Text)}";

    /// <summary>A node without its incarnation.</summary>
    public static string Name(NodeId node) => node.Value.Split('#')[0];

    /// <summary>A standing as people read it.</summary>
    public static string Standing(RunStanding standing) => standing.ToString().ToLowerInvariant();

    private static IEnumerable<string> Sections(RunView view, IReadOnlyList<string> curve)
    {
        RunSummaryView summary = view.Summary;
        yield return $"{summary.Id}  {Standing(summary.Standing)}";
        yield return Plain(summary.Reason);
        foreach (string note in view.Notes)
        {
            yield return note;
        }

        if (view.StepsPerEpoch == 0)
        {
            yield break;
        }

        yield return "";
        foreach (string line in Progress(view).Concat(curve).Concat(Epochs(view))
            .Concat(Nodes(view)).Concat(Latest(view)))
        {
            yield return line;
        }
    }

    private static IEnumerable<string> Progress(RunView view)
    {
        RunSummaryView summary = view.Summary;
        double share = (double)summary.Version / summary.TotalSteps;
        int filled = (int)(Math.Clamp(share, 0, 1) * BarWidth);
        long epoch = Math.Min((summary.Version / view.StepsPerEpoch) + 1, view.Epochs);
        double? seconds = view.Progress?.StepSeconds;
        string left = summary.Standing == RunStanding.Training && seconds > 0
            ? "  ETA " + NumberText.Time(TimeSpan.FromSeconds(
                (summary.TotalSteps - summary.Version) * seconds.Value))
            : "";
        yield return $"epoch {epoch}/{view.Epochs}  {new string('━', filled)}"
            + $"{new string('─', BarWidth - filled)}  {NumberText.Percent(share)}{left}";
        string numbers = view.Progress is { } progress
            ? $"  loss {NumberText.Short(progress.Loss)}"
                + $"  norm {NumberText.Short(progress.GradientNorm)}"
                + (seconds > 0 ? $"  {NumberText.Rate(1 / seconds.Value)} steps/s" : "")
            : "";
        yield return $"step {NumberText.Count(summary.Version)} of"
            + $" {NumberText.Count(summary.TotalSteps)}{numbers}"
            + $"  {NumberText.Time(view.Elapsed)}";
    }

    private static IEnumerable<string> Epochs(RunView view)
    {
        foreach (EpochReport report in view.History.TakeLast(ShownEpochs))
        {
            string validation = report.Validation is EvaluationMetrics metrics
                ? $"  validation {ProgressLines.Metrics(metrics)}"
                : "";
            yield return $"epoch {report.Epoch + 1,-4} loss"
                + $" {NumberText.Short(report.TrainingLoss)}{validation}"
                + (report.IsBest ? "  best" : "");
        }
    }

    private static IEnumerable<string> Nodes(RunView view)
    {
        if (view.Workers.IsEmpty && view.Servers.IsEmpty)
        {
            yield break;
        }

        yield return "";
        int name = view.Workers.Select(worker => Name(worker.Node).Length).DefaultIfEmpty().Max();
        foreach (WorkerShareView worker in view.Workers)
        {
            string speed = worker.SecondsPerMicroBatch is > 0 and var seconds
                ? $"  {NumberText.Short(seconds * 1e3)} ms each"
                : "";
            string range = worker.Range.Count == 0 ? "observes" : $"{worker.Range}{speed}";
            yield return $"{Name(worker.Node).PadRight(name)}  {Share(view, worker)}  {range}";
        }

        if (!view.Servers.IsEmpty)
        {
            yield return "servers  " + string.Join(", ", view.Servers.Select(Name));
        }
    }

    // Which of the micro-batches are the worker's.
    private static string Share(RunView view, WorkerShareView worker)
    {
        int width = Math.Min(ShareWidth, view.MicroBatches);
        return string.Concat(Enumerable.Range(0, width).Select(cell =>
        {
            int microBatch = (int)((long)cell * view.MicroBatches / width);
            return microBatch >= worker.Range.First && microBatch < worker.Range.End ? '■' : '·';
        }));
    }

    private static IEnumerable<string> Latest(RunView view)
    {
        if (!view.Checkpoints.IsEmpty)
        {
            yield return "checkpoints  " + string.Join(
                ", ", view.Checkpoints.Take(ShownCheckpoints)
                    .Select(checkpoint => NumberText.Count(checkpoint.Version)));
        }

        yield return "";
        foreach (HappeningView happening in view.Happenings.TakeLast(ShownHappenings))
        {
            yield return Happening(happening);
        }
    }

    /// <summary>A text without what tells incarnations of nodes apart for programs; people know
    /// nodes by their addresses.</summary>
    public static string Plain(string text) => string.Join(
        ' ', text.Split(' ').Select(word =>
        {
            int mark = word.IndexOf('#');
            return mark < 0
                ? word
                : word[..mark] + word[(mark + 1)..].TrimStart('0', '1', '2', '3', '4', '5', '6',
                    '7', '8', '9');
        }));

    private static string Clock(DateTimeOffset time) =>
        time.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture);
}
