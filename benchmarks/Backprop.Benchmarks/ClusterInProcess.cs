using Backprop.Data.Sources;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Links;
using Backprop.Distributed.Persistence;

namespace Backprop.Benchmarks;

/// <summary>A cluster in this process that computes next to nothing: one parameter server, and a
/// thread a node. Its state lies in a directory that is gone afterwards.</summary>
internal sealed class ClusterInProcess : IAsyncDisposable
{
    private readonly DirectoryInfo _folder;

    private ClusterInProcess(DirectoryInfo folder, EmbeddedCluster cluster)
    {
        _folder = folder;
        Cluster = cluster;
    }

    /// <summary>The cluster.</summary>
    public EmbeddedCluster Cluster { get; }

    /// <summary>Starts one.</summary>
    /// <param name="name">What it is for.</param>
    /// <param name="workers">Workers.</param>
    /// <param name="linksIn">What makes the links of a cluster whose sockets lie in a directory;
    /// null: they are in memory.</param>
    public static async Task<ClusterInProcess> StartAsync(
        string name, int workers,
        Func<string, Func<LinkIdentity, LinkOptions, ITensorTransport>?>? linksIn = null)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory($"backprop-{name}-");
        try
        {
            var state = new PersistenceOptions.Sqlite(folder.FullName);
            await StateDatabase.PrepareAsync(state, TimeSpan.FromSeconds(20), default);
            var cluster = new EmbeddedCluster(new EmbeddedOptions
            {
                Workers = workers,
                ParameterServers = 1,
                Threads = 1,
                Persistence = PersistenceConfiguration.ToAkka(state),
                Data = new DataSourceOpener(),
                MemoryLimitBytes = long.MaxValue,
                OnHung = Console.Error.WriteLine,
                Links = linksIn?.Invoke(Path.Combine(folder.FullName, "links")),
            });
            return new ClusterInProcess(folder, cluster);
        }
        catch
        {
            folder.Delete(recursive: true);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        _folder.Delete(recursive: true);
    }
}
