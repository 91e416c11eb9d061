using System.Collections.Immutable;
using Backprop.Console.Api;
using Backprop.Console.Api.Feeds;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Rendering.Top;

/// <summary>What <c>backprop top</c> knows and shows: a function of what it has heard.</summary>
internal sealed record TopState
{
    /// <summary>The most runs whose events are followed at once.</summary>
    public const int MaxFollowed = 8;

    private const int MaxRemembered = 64;
    private const int LinesAPage = 10;

    /// <summary>Where the cluster is.</summary>
    public required Uri Server { get; init; }

    /// <summary>The cluster; null: not known yet.</summary>
    public ClusterView? Cluster { get; init; }

    /// <summary>Its runs, newest first; default: not known yet.</summary>
    public ImmutableArray<RunSummaryView> Runs { get; init; }

    /// <summary>What the runs' own events have told.</summary>
    public ImmutableDictionary<RunId, FollowedRun> Followed { get; init; } =
        ImmutableDictionary<RunId, FollowedRun>.Empty;

    /// <summary>Why nothing newer is known; null: this is of now.</summary>
    public StaleNews? Stale { get; init; }

    /// <summary>The run that keys are about; null: there is none.</summary>
    public RunId? Selected { get; init; }

    /// <summary>What is shown.</summary>
    public TopPage Page { get; init; }

    /// <summary>The first line of the detail that is shown.</summary>
    public int Scroll { get; init; }

    /// <summary>The run that the user is asked about, whether it is to be stopped.</summary>
    public RunId? AskedToStop { get; init; }

    /// <summary>What has become of the user's last request; empty: nothing yet.</summary>
    public string Note { get; init; } = "";

    /// <summary>As it is when it was asked for.</summary>
    public static TopState Of(
        Uri server, ClusterView cluster, IEnumerable<RunSummaryView> runs) =>
        new TopState { Server = server, Cluster = cluster }.With(runs);

    /// <summary>Whether a run can still change.</summary>
    public static bool IsOpen(RunStanding standing) => standing
        is not (RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped);

    /// <summary>The runs whose events are worth following: the selected one, and those that train.
    /// </summary>
    public ImmutableArray<RunId> Wanted()
    {
        IEnumerable<RunId> open = Runs.IsDefault
            ? []
            : Runs.Where(run => IsOpen(run.Standing)).Select(run => run.Id);
        return
        [
            .. (Selected is { } selected ? open.Prepend(selected) : open).Distinct()
                .Where(run => !Followed.GetValueOrDefault(run, FollowedRun.Unknown).HasEnded)
                .Take(MaxFollowed),
        ];
    }

    /// <summary>What follows from one more input.</summary>
    public TopDecision Decide(TopInput input) => input switch
    {
        TopInput.Told told => new(With(told.Event), null),
        TopInput.ToldOfRun told => new(With(told.Run, told.Event), null),
        TopInput.Pressed pressed => Decide(pressed.Key),
        TopInput.Answered answered => new(this with { Note = answered.Outcome }, null),
        _ => throw new InvalidOperationException($"unknown input {input}"),
    };

    private TopState With(ServerEvent told) => told.Kind switch
    {
        "cluster" => this with { Cluster = told.Read<ClusterView>() },
        "runs" => With(told.Read<RunPage>().Runs),
        ServerEvent.StaleKind => this with
        {
            Stale = told.Read<StaleNews>() is { Seconds: > 0 } news ? news : null,
        },

        // A later version may tell more.
        _ => this,
    };

    private TopState With(IEnumerable<RunSummaryView> runs)
    {
        ImmutableArray<RunSummaryView> all = [.. runs];
        bool isThere = all.Any(run => run.Id == Selected);
        RunId? selected = isThere ? Selected : all.FirstOrDefault()?.Id;
        TopState next = this with
        {
            Runs = all,
            Selected = selected,
            Page = isThere || Page == TopPage.Help ? Page : TopPage.Runs,
        };
        if (Followed.Count <= MaxRemembered)
        {
            return next;
        }

        ImmutableArray<RunId> wanted = next.Wanted();
        return next with
        {
            Followed = Followed.RemoveRange(Followed.Keys.Where(
                run => run != selected && !wanted.Contains(run))),
        };
    }

    private TopState With(RunId run, ServerEvent told) => this with
    {
        Followed = Followed.SetItem(
            run, Followed.GetValueOrDefault(run, FollowedRun.Unknown).With(told)),
    };

    private TopDecision Decide(ConsoleKeyInfo key)
    {
        if (AskedToStop is { } run)
        {
            TopState answered = this with { AskedToStop = null };
            return char.ToLowerInvariant(key.KeyChar) == 'y'
                ? new(answered with { Note = $"stopping {run}" },
                    new TopRequest.Control(run, RunControl.Stop))
                : new(answered with { Note = $"{run} goes on" }, null);
        }

        TopState quiet = this with { Note = "" };
        return (key.Key, key.KeyChar) switch
        {
            (_, 'q' or 'Q') => new(quiet, new TopRequest.Quit()),
            (_, '?' or 'h') => new(quiet with
            {
                Page = Page == TopPage.Help ? TopPage.Runs : TopPage.Help,
            }, null),
            (ConsoleKey.Escape or ConsoleKey.LeftArrow or ConsoleKey.Backspace, _) =>
                new(quiet with { Page = TopPage.Runs, Scroll = 0 }, null),
            (ConsoleKey.Enter or ConsoleKey.RightArrow, _) => new(quiet.Enter(), null),
            (ConsoleKey.UpArrow, _) or (_, 'k') => new(quiet.Move(-1), null),
            (ConsoleKey.DownArrow, _) or (_, 'j') => new(quiet.Move(1), null),
            (ConsoleKey.PageUp, _) => new(quiet.Move(-LinesAPage), null),
            (ConsoleKey.PageDown, _) => new(quiet.Move(LinesAPage), null),
            (ConsoleKey.Home, _) or (_, 'g') => new(quiet.Move(int.MinValue / 2), null),
            (ConsoleKey.End, _) or (_, 'G') => new(quiet.Move(int.MaxValue / 2), null),
            (_, 'p') => quiet.Request(RunControl.Pause, "pausing"),
            (_, 'r') => quiet.Request(RunControl.Resume, "resuming"),
            (_, 's') when Page != TopPage.Help => new(quiet.AskToStop(), null),
            _ => new(this, null),
        };
    }

    private TopState Enter() => Page switch
    {
        TopPage.Runs when Selected is not null => this with { Page = TopPage.Detail, Scroll = 0 },
        _ => this with { Page = TopPage.Runs, Scroll = 0 },
    };

    private TopState Move(int lines)
    {
        if (Page == TopPage.Detail)
        {
            return this with { Scroll = Math.Max(0, Scroll + lines) };
        }

        if (Page == TopPage.Help || Runs.IsDefaultOrEmpty)
        {
            return this;
        }

        int at = Runs.Select((run, i) => run.Id == Selected ? i : 0).Max();
        return this with { Selected = Runs[Math.Clamp(at + lines, 0, Runs.Length - 1)].Id };
    }

    private TopState AskToStop() =>
        Runs.IsDefault || Runs.FirstOrDefault(run => run.Id == Selected) is not { } run
            ? this
            : IsOpen(run.Standing) ? this with { AskedToStop = run.Id }
            : this with { Note = $"{run.Id} is over" };

    private TopDecision Request(RunControl control, string doing) =>
        Page != TopPage.Help && Selected is { } run
            ? new(this with { Note = $"{doing} {run}" }, new TopRequest.Control(run, control))
            : new(this, null);
}
