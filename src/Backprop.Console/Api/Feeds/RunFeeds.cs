using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Api.Feeds;

/// <summary>A reader's hold on a feed: as long as there is one, the feed follows its run.</summary>
internal sealed class FeedReader : IDisposable
{
    public FeedReader(RunFeed feed)
    {
        Feed = feed;
        feed.Enter();
    }

    public RunFeed Feed { get; }

    public void Dispose() => Feed.Leave();
}

/// <summary>The feeds of the runs that somebody looks at, or did lately. Safe for any thread.
/// </summary>
internal sealed class RunFeeds(
    ICoordinatorClient coordinator, TimeProvider time, CancellationToken stopping)
{
    // A run's curves may be a megabyte or two.
    private const int MaxFeeds = 100;

    private readonly Lock _lock = new();
    private readonly Dictionary<RunId, RunFeed> _feeds = [];

    /// <summary>Begins to read a run's feed.</summary>
    /// <returns>Null: too many runs are looked at.</returns>
    public FeedReader? Open(RunId run)
    {
        lock (_lock)
        {
            if (!_feeds.TryGetValue(run, out RunFeed? feed))
            {
                if (_feeds.Count == MaxFeeds && !TryForget())
                {
                    return null;
                }

                feed = new RunFeed(run, coordinator, time, stopping);
                _feeds.Add(run, feed);
            }

            return new FeedReader(feed);
        }
    }

    private bool TryForget()
    {
        RunId[] idle =
        [
            .. _feeds.Where(entry => entry.Value.Readers == 0)
                .OrderBy(entry => entry.Value.UsedAt).Select(entry => entry.Key).Take(1),
        ];
        return idle is [var oldest] && _feeds.Remove(oldest);
    }
}
