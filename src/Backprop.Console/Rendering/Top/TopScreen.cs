using System.Collections.Immutable;
using System.Globalization;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Rendering.Top;

/// <summary>How a line is to look; what it says does not depend on it.</summary>
internal enum TopStyle
{
    /// <summary>As any text.</summary>
    Plain,

    /// <summary>What the screen is about.</summary>
    Title,

    /// <summary>The head of a table.</summary>
    Head,

    /// <summary>What keys are about.</summary>
    Selected,

    /// <summary>Of less weight.</summary>
    Faint,

    /// <summary>Something is wrong.</summary>
    Wrong,
}

/// <summary>A line of the screen.</summary>
/// <param name="Text">What it says.</param>
/// <param name="Style">How it looks.</param>
internal readonly record struct TopLine(string Text, TopStyle Style = TopStyle.Plain);

/// <summary>The screen of <c>backprop top</c>: lines, as a function of what is known.</summary>
internal static class TopScreen
{
    private const int MaxWarnings = 3;
    private const int LeastNodeRows = 3;
    private const int NodeShare = 3;

    private const string RunKeys =
        "↑↓ select  Enter detail  p pause  r resume  s stop  ? help  q quit";

    private const string DetailKeys =
        "↑↓ scroll  Esc back  p pause  r resume  s stop  ? help  q quit";

    private static readonly string[] s_nodeHead = ["node", "roles", "status", "threads", "runs"];

    private static readonly string[] s_help =
    [
        "↑ ↓ or k j       select a run; scroll its detail",
        "PgUp PgDn g G    the same in larger steps",
        "Enter or →       the selected run in detail",
        "Esc or ←         back to the runs",
        "p                pause: save a checkpoint and let go of the workers",
        "r                resume a paused run",
        "s                stop a run for good, after a question; its checkpoints stay",
        "q or Ctrl-C      quit; runs go on",
        "",
        "The loss of a run is drawn from its first step to its last, logarithmically",
        "where it falls far; ! marks a loss that is not finite. Its metric is the one",
        "that it is judged by. 'nothing new for ...' says that the cluster does not",
        "answer, and since when; what is shown is how it was then.",
    ];

    /// <summary>Exactly <paramref name="height"/> lines, each shorter than
    /// <paramref name="width"/>.</summary>
    public static ImmutableArray<TopLine> Lines(
        TopState state, int width, int height, DateTimeOffset now)
    {
        List<TopLine> lines = [.. Top(state, width, now)];
        int room = Math.Max(0, height - lines.Count - 1);
        lines.AddRange((state.Page switch
        {
            TopPage.Help => s_help.Select(line => new TopLine(line)),
            TopPage.Detail => Detail(state, width, room),
            _ => Body(state, width, room),
        }).Take(room));
        while (lines.Count < height - 1)
        {
            lines.Add(new TopLine(""));
        }

        lines.Add(Bottom(state));
        return
        [
            .. lines.TakeLast(height)
                .Select(line => line with { Text = RunWatchText.Cut(line.Text, width) }),
        ];
    }

    /// <summary>All that there is to show of cluster and runs, for output that is redirected.
    /// </summary>
    public static IEnumerable<string> Snapshot(TopState state, int width, DateTimeOffset now) =>
        Top(state, width, now)
            .Concat(Nodes(state, width, int.MaxValue))
            .Append(new TopLine(""))
            .Concat(TopRuns.Lines(state with { Selected = null }, width, int.MaxValue))
            .Select(line => line.Text.TrimEnd());

    private static IEnumerable<TopLine> Top(TopState state, int width, DateTimeOffset now)
    {
        string clock = now.ToLocalTime().ToString("HH:mm:ss", CultureInfo.InvariantCulture);
        string what = state.Cluster is { } cluster
            ? $"cluster {cluster.Name}  {Counted(cluster.Nodes.Length, "node")}"
            : $"waiting for {state.Server}";
        string runs = state.Runs.IsDefault ? "" : $"  {Counted(state.Runs.Length, "run")},"
            + $" {state.Runs.Count(run => TopState.IsOpen(run.Standing))} open";
        string title = what + runs;
        yield return new TopLine(
            title.PadRight(Math.Max(title.Length + 2, width - clock.Length - 1)) + clock,
            TopStyle.Title);
        if (state.Stale is { } stale)
        {
            foreach (string line in Wrapped(RunWatchText.Stale(stale), width))
            {
                yield return new TopLine(line, TopStyle.Wrong);
            }
        }

        foreach (string warning in (state.Cluster?.Warnings ?? []).Take(MaxWarnings))
        {
            yield return new TopLine($"warning: {RunWatchText.Plain(warning)}", TopStyle.Wrong);
        }

        yield return new TopLine("");
    }

    private static TopLine Bottom(TopState state) => state switch
    {
        { AskedToStop: { } run } => new(
            $"stop {run} for good? Its checkpoints stay.  y yes  n no", TopStyle.Selected),
        { Note.Length: > 0 } => new(state.Note, TopStyle.Selected),
        { Page: TopPage.Detail } => new(DetailKeys, TopStyle.Faint),
        { Page: TopPage.Help } => new("Esc back  q quit", TopStyle.Faint),
        _ => new(RunKeys, TopStyle.Faint),
    };

    private static IEnumerable<TopLine> Body(TopState state, int width, int room)
    {
        TopLine[] nodes =
            [.. Nodes(state, width, Math.Max(LeastNodeRows, room / NodeShare))];
        int left = room - nodes.Length - 1;
        return nodes.Append(new TopLine("")).Concat(TopRuns.Lines(state, width, left));
    }

    private static IEnumerable<TopLine> Nodes(TopState state, int width, int most)
    {
        if (state.Cluster is not { } cluster)
        {
            yield break;
        }

        // Who is in trouble is seen, however many there are.
        NodeView[] nodes = [.. cluster.Nodes.OrderBy(IsUp)];
        int shown = nodes.Length <= most ? nodes.Length : most - 1;
        if (nodes.Length <= most)
        {
            nodes = [.. cluster.Nodes];
        }

        string[] table =
        [
            .. TextTable.Write(
                s_nodeHead, [.. nodes.Take(shown).Select(Row)], Math.Max(1, width - 1)),
        ];
        yield return new TopLine(table[0], TopStyle.Head);
        for (int i = 0; i < shown; i++)
        {
            yield return new TopLine(
                table[i + 2], IsUp(nodes[i]) ? TopStyle.Plain : TopStyle.Wrong);
        }

        if (shown < nodes.Length)
        {
            int down = nodes.Skip(shown).Count(node => !IsUp(node));
            yield return new TopLine(
                $"and {nodes.Length - shown} more, {(down == 0 ? "all up" : $"{down} not up")}",
                down == 0 ? TopStyle.Faint : TopStyle.Wrong);
        }
    }

    private static string[] Row(NodeView node) =>
    [
        node.Address, NodeText.Roles(node), node.Status,
        NumberText.Count(node.Description.Threads), NodeText.Runs(node),
    ];

    private static bool IsUp(NodeView node) =>
        string.Equals(node.Status, "up", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<TopLine> Detail(TopState state, int width, int room)
    {
        FollowedRun? run = state.Selected is { } id ? state.Followed.GetValueOrDefault(id) : null;
        if (run?.View is not { } view)
        {
            yield return new TopLine($"waiting for what is known of {state.Selected}");
            yield break;
        }

        string[] lines = [.. DetailLines(run, view, width, room)];
        int first = Math.Clamp(state.Scroll, 0, Math.Max(0, lines.Length - room));
        for (int i = first; i < lines.Length; i++)
        {
            yield return new TopLine(
                lines[i], i == 0 ? TopStyle.Title : TopStyle.Plain);
        }
    }

    // The losses in a line, where a curve of several has no room.
    private static IEnumerable<string> DetailLines(
        FollowedRun run, RunView view, int width, int room)
    {
        if (run.Stale is { } stale)
        {
            yield return RunWatchText.Stale(stale);
        }

        foreach (string line in RunWatchText.Lines(view, width, room - 1))
        {
            yield return line;
        }

        if (!double.IsNaN(run.Losses.Last))
        {
            string number = $"  {NumberText.Short(run.Losses.Last)}";
            yield return "loss "
                + Sparkline.Draw(run.Losses.Spread(Math.Max(1, width - number.Length - 7)))
                + number;
        }
    }

    private static IEnumerable<string> Wrapped(string text, int width)
    {
        string line = "";
        foreach (string word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length >= width)
            {
                yield return line;
                line = "  ";
            }

            line += line.Trim().Length == 0 ? word : " " + word;
        }

        yield return line;
    }

    private static string Counted(int count, string what) =>
        $"{NumberText.Count(count)} {what}{(count == 1 ? "" : "s")}";
}
