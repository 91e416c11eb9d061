using Backprop.Data.Sources;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Persistence;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A cluster in this process whose state is kept in files.</summary>
internal static class StoredCluster
{
    /// <summary>Starts one, of as many workers as parameter servers.</summary>
    public static async Task<EmbeddedCluster> StartAsync(StateFolder folder, int each)
    {
        await StateDatabase.PrepareAsync(
            folder.Options, StateFolder.Patience, CancellationToken.None);
        return new EmbeddedCluster(new EmbeddedOptions
        {
            Workers = each,
            ParameterServers = each,
            Threads = 1,
            Persistence = PersistenceConfiguration.ToAkka(folder.Options),
            Data = new DataSourceOpener(),
            MemoryLimitBytes = long.MaxValue,
            OnHung = reason => throw new TimeoutException(reason),
        });
    }
}
