using System.Collections.Immutable;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A coordinator that starts again knows whom to look for.</summary>
public sealed class KnownMembersTests : IDisposable
{
    private static readonly ImmutableArray<NodeId> s_nodes =
        [new NodeId("a:1#7"), new NodeId("b:2#8")];

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Fact]
    public async Task What_was_kept_last_is_read() =>
        await KeepAndRead(new PersistenceOptions.Sqlite(_directory.FullName));

    [SkippableFact]
    public async Task PostgreSql_keeps_them_too()
    {
        using var server = new PostgreSqlServer();
        Skip.If(server.WhyNot is not null, server.WhyNot);
        var options = new PersistenceOptions.PostgreSql(server.Connection, "members");
        await StateDatabase.PrepareAsync(options, TimeSpan.FromSeconds(30), default);
        await KeepAndRead(options);
    }

    private static async Task KeepAndRead(PersistenceOptions options)
    {
        Assert.Empty(await KnownMembers.ReadAsync(options, default));
        await using (var members = new KnownMembers(options))
        {
            members.Keep([s_nodes[0]]);
            members.Keep(s_nodes);
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1));
            while (!(await KnownMembers.ReadAsync(options, limit.Token)).SequenceEqual(s_nodes))
            {
                await Task.Delay(20, limit.Token);
            }
        }
    }
}
