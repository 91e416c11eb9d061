using Backprop.Console.Api.Feeds;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Training.Specification;

namespace Backprop.Console.Api;

/// <summary>What the API is served with.</summary>
internal sealed class ApiBackend : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    /// <summary>Answers of this coordinator.</summary>
    /// <param name="coordinator">Answers the requests.</param>
    /// <param name="time">The clock.</param>
    /// <param name="plugins">The plug-ins that runs may have layers of; null: none.</param>
    public ApiBackend(
        ICoordinatorClient coordinator, TimeProvider time, LayerPlugins? plugins = null)
    {
        Coordinator = coordinator;
        Known = new KnownAnswers(coordinator, time);
        Runs = new RunFeeds(coordinator, time, _stopping.Token);
        Cluster = new ClusterFeed(Known, time, _stopping.Token);
        Plugins = plugins ?? LayerPlugins.None;
        Models = new ModelShelf(Plugins);
    }

    /// <summary>Answers the requests.</summary>
    public ICoordinatorClient Coordinator { get; }

    /// <summary>Answers that are good for everybody, and for when the coordinator moves.</summary>
    public KnownAnswers Known { get; }

    /// <summary>What happens to runs.</summary>
    public RunFeeds Runs { get; }

    /// <summary>What happens to the list of runs and to the cluster.</summary>
    public ClusterFeed Cluster { get; }

    /// <summary>Trained models in memory, to predict by.</summary>
    public ModelShelf Models { get; }

    /// <summary>Reads a stored file, piece by piece.</summary>
    public required Func<StoredFile, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<byte>>>
        ReadFile { get; init; }

    /// <summary>Where checkpoints lie.</summary>
    public required CheckpointPieces Checkpoints { get; init; }

    /// <summary>Where the digests of versions lie.</summary>
    public required StoredDigests Digests { get; init; }

    /// <summary>Why a run that is handed in may not name a file of data; null: it may name any.
    /// </summary>
    public Func<string, string?>? FileRefusal { get; init; }

    /// <summary>The plug-ins that runs may have layers of.</summary>
    public LayerPlugins Plugins { get; }

    /// <summary>How this node is.</summary>
    public required NodeHealth Health { get; init; }

    /// <summary>That the node stops.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Ends what goes on for as long as somebody listens.</summary>
    public Task StopAsync() => _stopping.CancelAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Models.Dispose();
    }
}
