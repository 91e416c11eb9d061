using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Distributed.Coordination;
using Backprop.Training;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;

namespace Backprop.Console.Api.Feeds;

/// <summary>
/// What happens to one run, for whoever reads it through this node: asks the coordinator a few
/// times a second, as long as there are readers, and only for what is new, however many they are.
/// Safe for any thread.
/// </summary>
internal sealed class RunFeed
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_longestWait = TimeSpan.FromSeconds(30);

    private readonly RunId _run;
    private readonly ICoordinatorClient _coordinator;
    private readonly TimeProvider _time;
    private readonly CancellationToken _stopping;
    private readonly Lock _lock = new();
    private readonly ChangeSignal _changed;
    private CurveRecord? _curves;
    private FeedState _state = FeedState.Empty;
    private CoordinatorAnswer? _refused;
    private long _answeredAt;
    private int _readers;
    private bool _isFollowing;

    public RunFeed(
        RunId run, ICoordinatorClient coordinator, TimeProvider time, CancellationToken stopping)
    {
        _run = run;
        _coordinator = coordinator;
        _time = time;
        _stopping = stopping;
        _changed = new ChangeSignal(time);
        UsedAt = time.GetTimestamp();
    }

    /// <summary>What is known.</summary>
    public FeedState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    /// <summary>How many read it.</summary>
    public int Readers => Volatile.Read(ref _readers);

    /// <summary>When it was used last: a timestamp.</summary>
    public long UsedAt { get; private set; }

    /// <summary>One more reads it.</summary>
    public void Enter()
    {
        lock (_lock)
        {
            _readers++;
            UsedAt = _time.GetTimestamp();
            if (!_isFollowing && !(_state is { IsOver: true, IsWhole: true }))
            {
                _isFollowing = true;
                // What was true when somebody last looked may not be any more.
                _state = _state with { IsWhole = false };
                _refused = null;
                _ = FollowAsync();
            }
        }
    }

    /// <summary>One less.</summary>
    public void Leave()
    {
        lock (_lock)
        {
            _readers--;
            UsedAt = _time.GetTimestamp();
        }
    }

    /// <summary>Waits until all is read that there is; if the coordinator is away, what was known
    /// before will do.</summary>
    /// <returns>Why nothing is known; null: something is.</returns>
    public async Task<CoordinatorAnswer?> ReadyAsync(CancellationToken cancellation)
    {
        using var limit =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation, _stopping);
        limit.CancelAfter(s_longestWait);
        while (true)
        {
            Task change;
            string? trouble;
            lock (_lock)
            {
                if (_state.IsWhole || _state is { Trouble: not null, View.IsEmpty: false })
                {
                    return null;
                }

                if (_refused is not null)
                {
                    return _refused;
                }

                (change, trouble) = (_changed.Next, _state.Trouble);
            }

            try
            {
                await change.WaitAsync(limit.Token);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                return new CoordinatorAnswer.Refused(
                    RefusalKind.Unavailable, trouble ?? "the run is still being read");
            }
        }
    }

    /// <summary>Waits until there is more than a reader has seen, or a time is over.</summary>
    /// <param name="seen">The number of the state that it has seen.</param>
    /// <param name="most">The time.</param>
    /// <param name="cancellation">Of the wait.</param>
    public async Task<FeedState> NextAsync(
        long seen, TimeSpan most, CancellationToken cancellation)
    {
        Task change;
        lock (_lock)
        {
            if (_state.Number != seen)
            {
                return _state;
            }

            change = _changed.Next;
        }

        await _changed.WaitAsync(change, most, cancellation);

        return State;
    }

    private async Task FollowAsync()
    {
        await Task.Yield();
        while (!_stopping.IsCancellationRequested)
        {
            CoordinatorAnswer answer = await AskAsync();
            bool hasMore;
            lock (_lock)
            {
                hasMore = Take(answer);
                if (_readers == 0 || _refused is not null
                    || _state is { IsOver: true, IsWhole: true })
                {
                    _isFollowing = false;
                    return;
                }
            }

            if (!hasMore)
            {
                await Task.WhenAny(Task.Delay(s_pause, _time, _stopping));
            }
        }
    }

    private async Task<CoordinatorAnswer> AskAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping);
        limit.CancelAfter(s_patience);
        try
        {
            return await _coordinator.AskAsync(
                new CoordinatorRequest.FollowRun(_run, Cursor), limit.Token);
        }
        catch (OperationCanceledException)
        {
            return new CoordinatorAnswer.Refused(
                RefusalKind.Unavailable,
                "the coordinator does not answer: it may be moving to another node");
        }
    }

    private RunCursor Cursor
    {
        get
        {
            FeedState state = State;
            return new RunCursor(
                state.Epochs.Count,
                state.Happenings.IsEmpty ? 0 : state.Happenings.Keys.Last(),
                state.Curves.Last?.Index ?? 0);
        }
    }

    // Whether there is more to ask for at once.
    private bool Take(CoordinatorAnswer answer)
    {
        switch (answer)
        {
            case CoordinatorAnswer.Followed followed:
                return Take(followed);
            case CoordinatorAnswer.Refused { Kind: not RefusalKind.Unavailable } refused:
                _refused = refused;
                Publish(_state);
                return false;
            case CoordinatorAnswer.Refused refused:
                Publish(_state with
                {
                    Trouble = refused.Reason,
                    Age = _time.GetElapsedTime(_answeredAt),
                });
                return false;
            default:
                throw new InvalidOperationException($"unknown answer {answer}");
        }
    }

    private bool Take(CoordinatorAnswer.Followed followed)
    {
        _answeredAt = _time.GetTimestamp();
        RunView view = followed.View;
        CurvesView curves = followed.Curves;
        ReadOnlyMemory<byte> json = Json(view with { History = [], Happenings = [] });
        bool isNewView = !json.Span.SequenceEqual(_state.View.Span);
        bool hasMore = curves.Segment.Points.Length == CurvesView.MaxPoints;
        KnownCurves known = Enter(curves);
        bool isNewCurve = known != _state.Curves;
        FeedState next = _state with
        {
            View = json,
            ViewNumber = _state.ViewNumber + (isNewView ? 1 : 0),
            Epochs = _state.Epochs.AddRange(view.History.Select(Json)),
            Happenings = Trim(
                Trim(
                    _state.Happenings.SetItems(view.Happenings.Select(
                        happening => KeyValuePair.Create(
                            happening.Number,
                            new KnownHappening(happening.IsRoutine, Json(happening))))),
                    isRoutine: true, HappeningView.MaxRoutine),
                isRoutine: false, HappeningView.MaxOthers),
            Layers = curves.Layers,
            Curves = known,
            IsWhole = curves.IsRead && !hasMore,
            IsOver = view.Summary.Standing
                is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped,
            Trouble = null,
            Age = TimeSpan.Zero,
        };
        bool isChanged = isNewView || isNewCurve || !view.History.IsEmpty
            || !view.Happenings.IsEmpty || next.IsWhole != _state.IsWhole
            || _state.Trouble is not null;
        if (isChanged)
        {
            Publish(next);
        }
        else
        {
            _state = next;
        }

        return hasMore;
    }

    // As the coordinator keeps them.
    private static ImmutableSortedDictionary<long, KnownHappening> Trim(
        ImmutableSortedDictionary<long, KnownHappening> happenings, bool isRoutine, int most)
    {
        long[] numbers =
        [
            .. happenings.Where(entry => entry.Value.IsRoutine == isRoutine)
                .Select(entry => entry.Key),
        ];
        return numbers.Length > most
            ? happenings.RemoveRange(numbers[..^most])
            : happenings;
    }

    private KnownCurves Enter(CurvesView curves)
    {
        KnownCurves known = _state.Curves;
        if (!curves.IsRead || curves.Segment.Points.IsEmpty)
        {
            return known;
        }

        if (_curves?.Layers != curves.Segment.Layers)
        {
            _curves = new CurveRecord(curves.Segment.Layers);
            known = KnownCurves.Empty;
        }

        _curves.Enter(curves.Segment);
        return _curves.Unsaved.Count == 0 ? known : known.With(_curves);
    }

    private void Publish(FeedState next)
    {
        _state = next with { Number = _state.Number + 1 };
        _changed.Raise();
    }

    private static ReadOnlyMemory<byte> Json<T>(T value) =>
        JsonSerializer.SerializeToUtf8Bytes(value, ApiJson.Options);
}
