using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Persistence;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;
using Npgsql;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>The same promises on a real PostgreSQL server.</summary>
public sealed class PostgreSqlTests(PostgreSqlServer server) : IClassFixture<PostgreSqlServer>
{
    private static readonly StoragePatience s_patience =
        new(TimeSpan.FromSeconds(30), 3, TimeSpan.FromMilliseconds(10));

    [SkippableFact]
    public async Task Decisions_and_pieces_outlive_the_actor_systems_and_the_server()
    {
        PersistenceOptions options = Options("outlive");
        var cut = new PieceCut((5 * ParameterLayout.DefaultBlockLength) + 7, 2, true);
        var run = new RunId("run-1");
        var parts = ImmutableArray.CreateBuilder<CheckpointPart>();
        using (ActorSystem before = await StateFolder.StartAsync(options))
        {
            IActorRef ledger = before.ActorOf(Ledger.Props("ledger-1"));
            Assert.Equal(2, await ledger.Ask<int>(
                new Ledger.Record("a", "b"), StateFolder.Patience));
            var pieces = new CheckpointPieces(before, s_patience, TimeProvider.System);
            foreach (SliceBuffers slice in SliceBuffers.Of(cut, 3))
            {
                using (slice)
                {
                    slice.Fill();
                    parts.AddRange(await pieces.SaveAsync(
                        run, 40, slice.Content, CancellationToken.None));
                }
            }

            await before.Terminate();
        }

        server.Stop();
        server.Start();
        using ActorSystem system = await StateFolder.StartAsync(options);
        IActorRef again = system.ActorOf(Ledger.Props("ledger-1"));
        Assert.Equal(["a", "b"], await again.Ask<ImmutableList<string>>(
            new Ledger.Read(), StateFolder.Patience));
        foreach (SliceBuffers slice in SliceBuffers.Of(cut, 2))
        {
            using (slice)
            {
                await new CheckpointPieces(system, s_patience, TimeProvider.System).RestoreAsync(
                    run, 40, parts.ToImmutable(), slice.Content, CancellationToken.None);
                slice.AssertFilled();
            }
        }

        await system.Terminate();
    }

    [SkippableFact]
    public async Task A_look_tells_whose_the_database_is_and_changes_nothing()
    {
        PersistenceOptions options = Options("looked");
        StateExamination empty = await LookAsync(options);
        Assert.Null(empty.Refusal);
        Assert.Null(empty.Cluster);
        Assert.EndsWith("where nothing is yet", empty.Text);
        Assert.Equal(empty with { Skew = null }, await LookAsync(options) with { Skew = null });

        await StateDatabase.PrepareAsync(options, StateFolder.Patience, CancellationToken.None);
        StateOwnership owner = await StateOwnership.TakeAsync(
            options, "lab", StateFolder.Patience, CancellationToken.None);
        await owner.DisposeAsync();
        StateExamination ours = await LookAsync(options);
        Assert.Null(ours.Refusal);
        Assert.Equal("lab", ours.Cluster);
        Assert.InRange(ours.Skew!.Value.Duration(), TimeSpan.Zero, TimeSpan.FromMinutes(1));

        var elsewhere = new PersistenceOptions.PostgreSql("Host=127.0.0.1;Port=1;Timeout=1");
        Assert.NotNull((await LookAsync(elsewhere)).Refusal);
    }

    [SkippableFact]
    public async Task A_server_that_is_away_is_noticed()
    {
        PersistenceOptions options = Options("watched");
        Assert.Null(await StateWatch.AskAsync(
            options, StateFolder.Patience, CancellationToken.None));
        server.Stop();
        try
        {
            Assert.NotNull(await StateWatch.AskAsync(
                options, StateFolder.Patience, CancellationToken.None));
        }
        finally
        {
            server.Start();
        }
    }

    [SkippableFact]
    public async Task A_server_that_goes_away_and_comes_back_costs_an_attempt_and_no_piece()
    {
        PersistenceOptions options = Options("away");
        using ActorSystem system = await StateFolder.StartAsync(options);
        using var slice = new SliceBuffers(new PieceCut(1_000, 1, false), 0, 1);
        slice.Fill();
        var pieces = new CheckpointPieces(
            system, new StoragePatience(TimeSpan.FromSeconds(30), 8, TimeSpan.FromMilliseconds(50)),
            TimeProvider.System);
        var run = new RunId("run-1");
        await pieces.SaveAsync(run, 1, slice.Content, CancellationToken.None);

        server.Stop();
        Task<ImmutableArray<CheckpointPart>> saving =
            pieces.SaveAsync(run, 2, slice.Content, CancellationToken.None);
        server.Start();
        ImmutableArray<CheckpointPart> parts = await saving;

        using var restored = new SliceBuffers(slice.Content.Cut, 0, 1);
        await pieces.RestoreAsync(run, 2, parts, restored.Content, CancellationToken.None);
        restored.AssertFilled();
        await system.Terminate();
    }

    [SkippableFact]
    public async Task Two_nodes_may_prepare_one_schema_at_once()
    {
        PersistenceOptions options = Options("together");
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => StateDatabase.PrepareAsync(
            options, StateFolder.Patience, CancellationToken.None)));
    }

    [SkippableFact]
    public async Task A_later_format_is_refused()
    {
        PersistenceOptions options = Options("later");
        await PrepareAsync(options);
        await using (var connection = new NpgsqlConnection(server.Connection))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(
                "UPDATE later.format SET version = 2", connection);
            await command.ExecuteNonQueryAsync();
        }

        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(
            () => PrepareAsync(options));
        Assert.Contains("was written by a later version", refusal.Message);
    }

    [SkippableFact]
    public async Task A_database_that_does_not_exist_is_told_by_name()
    {
        Skip.If(server.WhyNot is not null, server.WhyNot);
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(() => PrepareAsync(
            new PersistenceOptions.PostgreSql(
                server.Connection.Replace("=postgres", "=nowhere"))));
        Assert.Contains("the database nowhere on 127.0.0.1", refusal.Message);
        Assert.Contains("does not exist", refusal.Message);
    }

    [SkippableFact]
    public async Task A_server_that_is_not_up_yet_is_waited_for()
    {
        PersistenceOptions options = Options("late");
        server.Stop();
        var waits = new List<string>();
        Task prepared;
        try
        {
            prepared = StateDatabase.PrepareAsync(
                options, TimeSpan.FromSeconds(30), CancellationToken.None, waits.Add);
            await Task.Delay(TimeSpan.FromSeconds(1));
            Assert.False(prepared.IsCompleted);
        }
        finally
        {
            server.Start();
        }

        await prepared;
        Assert.StartsWith("waiting up to 30 s for the database ", Assert.Single(waits));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("nobody.invalid")]
    public async Task A_server_that_does_not_come_is_waited_for_within_bounds(string host)
    {
        var waits = new List<string>();
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(() =>
            StateDatabase.PrepareAsync(
                new PersistenceOptions.PostgreSql($"Host={host};Port=1;Database=runs"),
                TimeSpan.FromSeconds(1), CancellationToken.None, waits.Add));
        Assert.Contains($"the database runs on {host}:1 cannot be reached", refusal.Message);
        Assert.Contains($"for the database runs on {host}:1: ", Assert.Single(waits));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_by_its_address()
    {
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(() => PrepareAsync(
            new PersistenceOptions.PostgreSql("Host=127.0.0.1;Port=1;Database=runs")));
        Assert.Contains("the database runs on 127.0.0.1:1 cannot be reached", refusal.Message);
    }

    [Fact]
    public async Task A_connection_string_that_cannot_be_read_is_not_repeated()
    {
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(() => PrepareAsync(
            new PersistenceOptions.PostgreSql("Hots=db;Password=secret")));
        Assert.DoesNotContain("secret", refusal.Message);
        Assert.Contains("Host=db;Database=backprop", refusal.Message);
    }

    private PersistenceOptions Options(string schema)
    {
        Skip.If(server.WhyNot is not null, server.WhyNot);
        return new PersistenceOptions.PostgreSql(server.Connection, schema);
    }

    private static Task<StateExamination> LookAsync(PersistenceOptions options) =>
        StateExamination.OfAsync(options, StateFolder.Patience, CancellationToken.None);

    private static Task PrepareAsync(PersistenceOptions options) => StateDatabase.PrepareAsync(
        options, TimeSpan.FromSeconds(5), CancellationToken.None);
}
