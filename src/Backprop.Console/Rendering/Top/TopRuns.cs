using Backprop.Console.Client;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Rendering.Top;

/// <summary>The runs of <c>backprop top</c>: a line each, and one more for what an open one waits
/// for.</summary>
internal static class TopRuns
{
    private const int StandingWidth = 13;
    private const int ShareWidth = 6;
    private const int RateWidth = 7;
    private const int MetricWidth = 8;
    private const int LeastNameWidth = 12;
    private const int MostNameWidth = 32;

    // Columns of bar and sparkline, from the narrowest screen to a wide one.
    private const int LeastPicture = 10;
    private const int MostPicture = 24;
    private const int Fixed =
        2 + StandingWidth + 1 + 1 + ShareWidth + 1 + RateWidth + 1 + 1 + MetricWidth + 1;

    /// <summary>The head, and as many runs as have room, the selected one among them.</summary>
    public static IEnumerable<TopLine> Lines(TopState state, int width, int room)
    {
        if (state.Runs.IsDefault || room < 1)
        {
            yield break;
        }

        if (state.Runs.IsEmpty)
        {
            yield return new TopLine("no runs yet; 'backprop submit SPEC' hands one in");
            yield break;
        }

        var columns = Columns.For(width - 1, state.Runs.Max(run => run.Id.Value.Length));
        yield return new TopLine(Head(columns), TopStyle.Head);
        var lines = new List<TopLine>();
        int selectedEnd = 0;
        foreach (RunSummaryView run in state.Runs)
        {
            bool isSelected = run.Id == state.Selected;
            lines.Add(new TopLine(
                Row(run, state.Followed.GetValueOrDefault(run.Id), columns, isSelected),
                isSelected ? TopStyle.Selected
                    : run.Standing == RunStanding.Failed ? TopStyle.Wrong
                    : TopStyle.Plain));
            if (TopState.IsOpen(run.Standing) || isSelected)
            {
                lines.Add(new TopLine(
                    $"    {RunWatchText.Cut(RunWatchText.Plain(run.Reason), width - 5)}",
                    TopStyle.Faint));
            }

            selectedEnd = isSelected ? lines.Count : selectedEnd;
        }

        int rows = room - 1;
        foreach (TopLine line in lines.Skip(Math.Max(0, selectedEnd - rows)).Take(rows))
        {
            yield return line;
        }
    }

    private static string Head(Columns columns) =>
        $"  {"run".PadRight(columns.Name)} {"standing",-StandingWidth}"
        + $" {"progress".PadRight(columns.Picture + 1 + ShareWidth)} {"steps/s",RateWidth}"
        + $" {"loss".PadRight(columns.Picture)} {"metric",MetricWidth}";

    private static string Row(
        RunSummaryView run, FollowedRun? followed, Columns columns, bool isSelected)
    {
        double share = run.TotalSteps > 0 ? (double)run.Version / run.TotalSteps : 0;
        int filled = (int)(Math.Clamp(share, 0, 1) * columns.Picture);
        string bar = new string('━', filled) + new string('─', columns.Picture - filled);
        string rate = run.Standing == RunStanding.Training
            && followed?.Outline?.Progress is { StepSeconds: > 0 and var seconds }
            ? NumberText.Rate(1 / seconds)
            : "-";
        string losses = followed is null
            ? ""
            : Sparkline.Draw(followed.Losses.Spread(columns.Picture));
        string metric = run.Metric is { } value ? NumberText.Short(value) : "-";
        string name = run.Id.Value.Length <= columns.Name
            ? run.Id.Value
            : run.Id.Value[..(columns.Name - 1)] + "…";
        return $"{(isSelected ? ">" : " ")} {name.PadRight(columns.Name)}"
            + $" {RunWatchText.Standing(run.Standing),-StandingWidth} {bar}"
            + $" {NumberText.Percent(share),ShareWidth} {rate,RateWidth}"
            + $" {losses.PadRight(columns.Picture)} {metric,MetricWidth}";
    }

    private readonly record struct Columns(int Name, int Picture)
    {
        public static Columns For(int width, int longestName)
        {
            int name = Math.Clamp(
                Math.Min(longestName, width - Fixed - (2 * LeastPicture)), LeastNameWidth,
                MostNameWidth);
            int picture = Math.Clamp((width - Fixed - name) / 2, LeastPicture, MostPicture);
            return new Columns(name, picture);
        }
    }
}
