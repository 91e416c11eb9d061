using Backprop.Distributed.Persistence;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>One coordinator works with a database at a time, and one cluster for ever.</summary>
public sealed class StateOwnershipTests(PostgreSqlServer server)
    : IClassFixture<PostgreSqlServer>, IDisposable
{
    private static readonly TimeSpan s_short = TimeSpan.FromMilliseconds(300);

    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_second_coordinator_is_refused_until_the_first_has_let_go(bool postgres)
    {
        PersistenceOptions options = await PrepareAsync(postgres, "second");
        StateOwnership first = await TakeAsync(options, "here", s_short);

        var refused = await Assert.ThrowsAsync<StateDatabaseException>(
            () => TakeAsync(options, "here", s_short));
        Assert.StartsWith("another coordinator works with", refused.Message);

        Task<StateOwnership> next = TakeAsync(options, "here", StateFolder.Patience);
        await first.DisposeAsync();
        await (await next).DisposeAsync();
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_cluster_is_refused_by_name(bool postgres)
    {
        PersistenceOptions options = await PrepareAsync(postgres, "other");
        await (await TakeAsync(options, "here", s_short)).DisposeAsync();

        var refused = await Assert.ThrowsAsync<StateDatabaseException>(
            () => TakeAsync(options, "there", s_short));

        Assert.Contains(
            "belongs to cluster 'here', and this node is of cluster 'there'", refused.Message);
        await (await TakeAsync(options, "here", s_short)).DisposeAsync();
    }

    private static Task<StateOwnership> TakeAsync(
        PersistenceOptions options, string cluster, TimeSpan patience) =>
        StateOwnership.TakeAsync(options, cluster, patience, CancellationToken.None);

    private async Task<PersistenceOptions> PrepareAsync(bool postgres, string schema)
    {
        Skip.If(postgres && server.WhyNot is not null, server.WhyNot);
        PersistenceOptions options = postgres
            ? new PersistenceOptions.PostgreSql(server.Connection, $"owner_{schema}")
            : _folder.Options;
        await StateDatabase.PrepareAsync(options, StateFolder.Patience, CancellationToken.None);
        return options;
    }
}
