using System.Text.Json;
using Backprop.Training.Protocol;

namespace Backprop.Console.Api.Feeds;

/// <summary>What one reader of a run's events is to be told next. It has no queue: it takes what it
/// has not seen from what is known, so that a slow reader costs nothing.</summary>
/// <param name="run">The run.</param>
/// <param name="from">How far it had come before.</param>
internal sealed class RunEventReader(RunId run, EventCursor from)
{
    private const int PointsAnEvent = 512;

    private long _view;
    private long _endStep = -1;
    private bool _isStale;

    /// <summary>How far it has come.</summary>
    public EventCursor Cursor { get; private set; } = from;

    /// <summary>Whether it has been told all that there will ever be.</summary>
    public bool IsAtEnd { get; private set; }

    /// <summary>What is new to it.</summary>
    /// <returns>The events; after each, <see cref="Cursor"/> is its id.</returns>
    public IEnumerable<FeedEvent> Read(FeedState state)
    {
        if (state.Trouble is not null || _isStale)
        {
            _isStale = state.Trouble is not null;
            yield return Stale(state.Age, state.Trouble);
        }

        if (state.ViewNumber != _view)
        {
            _view = state.ViewNumber;
            yield return new FeedEvent("run", state.View);
        }

        while (Cursor.Epochs < state.Epochs.Count)
        {
            Cursor = Cursor with { Epochs = Cursor.Epochs + 1 };
            yield return new FeedEvent("epoch", state.Epochs[Cursor.Epochs - 1]);
        }

        foreach (var (number, happening) in state.Happenings)
        {
            if (number > Cursor.Happenings)
            {
                Cursor = Cursor with { Happenings = number };
                yield return new FeedEvent("happening", happening.Data);
            }
        }

        foreach (FeedEvent points in Points(state))
        {
            yield return points;
        }

        if (state is { IsOver: true, IsWhole: true })
        {
            IsAtEnd = true;
            yield return new FeedEvent("end", "{}"u8.ToArray());
        }
    }

    /// <summary>That nothing newer is known, or is again.</summary>
    public static FeedEvent Stale(TimeSpan age, string? trouble) => new(
        "stale", JsonSerializer.SerializeToUtf8Bytes(
            new StaleNews(trouble is null ? 0 : Math.Max(0.1, age.TotalSeconds), trouble),
            ApiJson.Options));

    private IEnumerable<FeedEvent> Points(FeedState state)
    {
        KnownCurves curves = state.Curves;
        while (curves.EndStep != _endStep)
        {
            ToldPoints? told = curves.From(
                Cursor.Points, PointsAnEvent, segment => JsonSerializer.SerializeToUtf8Bytes(
                    CurveTable.Of(run, curves.EndStep, state.Layers, segment), ApiJson.Options));
            if (told is null)
            {
                _endStep = curves.EndStep;
                yield break;
            }

            Cursor = Cursor with { Points = told.Last.Index };
            _endStep = told.Last.EndStep;
            yield return new FeedEvent("points", told.Data);
        }
    }
}

/// <summary>That nothing newer is known.</summary>
/// <param name="Seconds">How old it is; 0: it is of now again.</param>
/// <param name="Reason">Why, in words; null: it is of now.</param>
internal sealed record StaleNews(double Seconds, string? Reason);
