using System.Collections.Immutable;
using Backprop.Console.Api;
using Backprop.Console.Api.Feeds;
using Backprop.Distributed.Coordination;
using Backprop.Training;

namespace Backprop.Console.Client;

/// <summary>A run as its events have told it so far. Events that are told again change nothing.
/// </summary>
internal sealed record FollowedRun
{
    private const int MaxHappenings = 100;

    private RunView? _view;

    /// <summary>Of which nothing is known yet.</summary>
    public static FollowedRun Unknown { get; } = new();

    /// <summary>As it was when it was asked for.</summary>
    public static FollowedRun Of(RunView view, CurveTable curves) => new()
    {
        _view = view,
        Epochs = [.. view.History],
        Happenings = [.. view.Happenings],
        Losses = LossTrace.Empty.With(curves),
    };

    /// <summary>The epochs' reports, in order.</summary>
    public ImmutableList<EpochReport> Epochs { get; private init; } = [];

    /// <summary>The latest happenings, oldest first.</summary>
    public ImmutableList<HappeningView> Happenings { get; private init; } = [];

    /// <summary>The losses by step.</summary>
    public LossTrace Losses { get; private init; } = LossTrace.Empty;

    /// <summary>Why nothing newer is known; null: this is of now.</summary>
    public StaleNews? Stale { get; private init; }

    /// <summary>Whether it is over.</summary>
    public bool HasEnded { get; private init; }

    /// <summary>What is known of it; null: nothing.</summary>
    public RunView? View => _view is null
        ? null
        : _view with { History = [.. Epochs], Happenings = [.. Happenings] };

    /// <summary>The same without what makes a list.</summary>
    public RunView? Outline => _view;

    /// <summary>With what one more event tells.</summary>
    /// <exception cref="ApiUnavailableException">It is of another version.</exception>
    public FollowedRun With(ServerEvent told) => told.Kind switch
    {
        "run" => this with { _view = told.Read<RunView>() },
        "epoch" => With(told.Read<EpochReport>()),
        "happening" => With(told.Read<HappeningView>()),
        "points" => this with { Losses = Losses.With(told.Read<CurveTable>()) },
        ServerEvent.StaleKind => this with
        {
            Stale = told.Read<StaleNews>() is { Seconds: > 0 } news ? news : null,
        },
        ServerEvent.EndKind => this with { HasEnded = true },

        // A later version may tell more.
        _ => this,
    };

    private FollowedRun With(EpochReport report) => this with
    {
        Epochs = report.Epoch < Epochs.Count
            ? Epochs.SetItem((int)report.Epoch, report)
            : Epochs.Add(report),
    };

    private FollowedRun With(HappeningView happening)
    {
        if (Happenings is [.., var last] && happening.Number <= last.Number)
        {
            return this;
        }

        ImmutableList<HappeningView> all = Happenings.Add(happening);
        return this with { Happenings = all.Count > MaxHappenings ? all.RemoveAt(0) : all };
    }
}
