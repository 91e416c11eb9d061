using System.Text.Json;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Api.Feeds;

/// <summary>The list of runs and the cluster, as last known.</summary>
/// <param name="Number">Counts the changes, from 1; 0: nothing is known yet.</param>
/// <param name="Runs">As JSON; empty: not known yet.</param>
/// <param name="Cluster">As JSON; empty: not known yet.</param>
/// <param name="Trouble">Why nothing newer is known, in words; null: this is of now.</param>
/// <param name="Age">How old it is.</param>
internal sealed record ClusterFeedState(
    long Number, ReadOnlyMemory<byte> Runs, ReadOnlyMemory<byte> Cluster, string? Trouble,
    TimeSpan Age);

/// <summary>What happens to the list of runs and to the cluster, for whoever reads it through this
/// node: asked for once, however many read. Safe for any thread.</summary>
internal sealed class ClusterFeed(
    KnownAnswers known, TimeProvider time, CancellationToken stopping)
{
    private const int MaxRuns = 100;

    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    private readonly Lock _lock = new();
    private readonly ChangeSignal _changed = new(time);
    private ClusterFeedState _state = new(0, default, default, null, TimeSpan.Zero);
    private int _readers;
    private bool _isFollowing;

    /// <summary>One more reads it.</summary>
    public void Enter()
    {
        lock (_lock)
        {
            _readers++;
            if (!_isFollowing)
            {
                _isFollowing = true;
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
        }
    }

    /// <summary>Waits until there is more than a reader has seen, or a time is over.</summary>
    public async Task<ClusterFeedState> NextAsync(
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

        lock (_lock)
        {
            return _state;
        }
    }

    private async Task FollowAsync()
    {
        await Task.Yield();
        while (!stopping.IsCancellationRequested)
        {
            KnownAnswer runs = await AskAsync(
                new CoordinatorRequest.ListRuns { Limit = MaxRuns });
            KnownAnswer cluster = await AskAsync(new CoordinatorRequest.ShowCluster());
            lock (_lock)
            {
                Take(runs, cluster);
                if (_readers == 0)
                {
                    _isFollowing = false;
                    return;
                }
            }

            await Task.WhenAny(Task.Delay(s_pause, time, stopping));
        }
    }

    private async Task<KnownAnswer> AskAsync(CoordinatorRequest request)
    {
        try
        {
            return await known.AskAsync(request, stopping);
        }
        catch (OperationCanceledException)
        {
            return new KnownAnswer(
                new CoordinatorAnswer.Refused(RefusalKind.Unavailable, "this node stops"),
                TimeSpan.Zero, null);
        }
    }

    private void Take(in KnownAnswer runs, in KnownAnswer cluster)
    {
        string? trouble = runs.Trouble ?? cluster.Trouble
            ?? (runs.Answer as CoordinatorAnswer.Refused)?.Reason
            ?? (cluster.Answer as CoordinatorAnswer.Refused)?.Reason;
        ReadOnlyMemory<byte> list = runs.Answer is CoordinatorAnswer.Runs all
            ? Json(new RunPage(all.All, null))
            : _state.Runs;
        ReadOnlyMemory<byte> nodes = cluster.Answer is CoordinatorAnswer.Cluster shown
            ? Json(shown.View)
            : _state.Cluster;
        bool isChanged = !list.Span.SequenceEqual(_state.Runs.Span)
            || !nodes.Span.SequenceEqual(_state.Cluster.Span) || trouble is not null
            || _state.Trouble is not null;
        if (isChanged)
        {
            TimeSpan age = runs.Age > cluster.Age ? runs.Age : cluster.Age;
            _state = new ClusterFeedState(_state.Number + 1, list, nodes, trouble, age);
            _changed.Raise();
        }
    }

    private static ReadOnlyMemory<byte> Json<T>(T value) =>
        JsonSerializer.SerializeToUtf8Bytes(value, ApiJson.Options);
}
