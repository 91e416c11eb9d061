namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Actors, links and checkpoints together: however many nodes train a run, and whatever
/// becomes of them, it ends in the bits of the single process.</summary>
public sealed class ClusterEqualityTests
{
    [Theory]
    [InlineData(false, 1, 1)]
    [InlineData(false, 2, 3)]
    [InlineData(false, 3, 2)]
    [InlineData(true, 1, 2)]
    [InlineData(true, 3, 3)]
    public async Task Any_number_of_nodes_ends_in_the_same_bits(
        bool overTcp, int servers, int workers)
    {
        await using TestCluster cluster = TestCluster.Of(overTcp, servers, workers);

        await cluster.AssertEndsAsOracleAsync();
    }
}
