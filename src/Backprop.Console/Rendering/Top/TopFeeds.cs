using System.Collections.Immutable;
using System.Threading.Channels;
using Backprop.Console.Client;
using Backprop.Training.Protocol;

namespace Backprop.Console.Rendering.Top;

/// <summary>Follows the events that <c>backprop top</c> wants to hear, and does what its user
/// wants, beside the thread that shows them.</summary>
internal sealed class TopFeeds : IAsyncDisposable
{
    private const int MaxWaiting = 1_024;

    private static readonly TimeSpan s_mostForEnd = TimeSpan.FromSeconds(2);

    private readonly ApiClient _api;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _ending = new();
    private readonly Dictionary<RunId, (CancellationTokenSource Ending, Task Following)> _runs = [];
    private readonly Channel<TopInput> _heard = Channel.CreateBounded<TopInput>(MaxWaiting);
    private readonly Task _cluster;

    public TopFeeds(ApiClient api, TimeProvider time)
    {
        _api = api;
        _time = time;
        _cluster = FollowClusterAsync();
    }

    /// <summary>What was heard next, if anything.</summary>
    /// <exception cref="ApiUnavailableException">The cluster's events cannot be followed.
    /// </exception>
    public bool TryHear(out TopInput? input)
    {
        if (_heard.Reader.TryRead(out input))
        {
            return true;
        }

        if (_cluster.IsCompleted)
        {
            _cluster.GetAwaiter().GetResult();
        }

        return false;
    }

    /// <summary>Follows these runs, and no others any more.</summary>
    public void Follow(ImmutableArray<RunId> wanted)
    {
        foreach (RunId run in _runs.Keys.Except(wanted).ToArray())
        {
            _runs[run].Ending.Cancel();
            _runs.Remove(run);
        }

        foreach (RunId run in wanted.Where(run => !_runs.ContainsKey(run)))
        {
            var ending = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
            _runs.Add(run, (ending, FollowRunAsync(run, ending.Token)));
        }
    }

    /// <summary>Asks the cluster for what the user wants; the outcome is heard.</summary>
    public void Begin(TopRequest.Control wanted) => _ = ControlAsync(wanted);

    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _heard.Writer.TryComplete();
        await Task.WhenAny(
            Task.WhenAll(_runs.Values.Select(run => run.Following).Append(_cluster)),
            Task.Delay(s_mostForEnd, _time));
    }

    private async Task FollowClusterAsync()
    {
        var follower = new EventFollower(_api, _time, TimeSpan.MaxValue);
        try
        {
            await foreach (ServerEvent told in follower.FollowAsync(
                ApiClient.ClusterEvents, _ending.Token))
            {
                await _heard.Writer.WriteAsync(new TopInput.Told(told), _ending.Token);
            }
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // Nobody looks any more.
        }
    }

    private async Task FollowRunAsync(RunId run, CancellationToken ending)
    {
        var follower = new EventFollower(_api, _time, TimeSpan.MaxValue);
        try
        {
            await foreach (ServerEvent told in follower.FollowAsync(
                ApiClient.RunEvents(run), ending))
            {
                await _heard.Writer.WriteAsync(new TopInput.ToldOfRun(run, told), ending);
            }
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            // Another run is looked at now.
        }
        catch (Exception failure) when (failure is MistakeException or IOException)
        {
            await SayAsync($"{run}: {failure.Message}");
        }
    }

    private async Task ControlAsync(TopRequest.Control wanted)
    {
        string doing = wanted.Wanted.ToString().ToLowerInvariant();
        try
        {
            await _api.ControlAsync(wanted.Run, wanted.Wanted, _ending.Token);
            await SayAsync($"{doing} {wanted.Run}: done");
        }
        catch (Exception failure) when (failure is MistakeException or IOException)
        {
            await SayAsync($"{doing} {wanted.Run}: {failure.Message}");
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // Nobody waits for the answer any more.
        }
    }

    private async Task SayAsync(string outcome)
    {
        try
        {
            await _heard.Writer.WriteAsync(new TopInput.Answered(outcome), _ending.Token);
        }
        catch (OperationCanceledException) when (_ending.IsCancellationRequested)
        {
            // Nobody looks any more.
        }
    }
}
