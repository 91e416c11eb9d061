using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence;
using Akka.Persistence.Snapshot;
using Backprop.Distributed.Persistence;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>What any servers saved, any others restore, to the bit, or are told why not.</summary>
public sealed class CheckpointPiecesTests : IDisposable
{
    private static readonly RunId s_run = new("run-1");

    // 2 MiB a block: four blocks a piece.
    private static readonly PieceCut s_cut =
        new((9 * ParameterLayout.DefaultBlockLength) + 1_000, StateCount: 6, HasBest: true);

    private static readonly StoragePatience s_patience =
        new(TimeSpan.FromSeconds(30), 3, TimeSpan.FromMilliseconds(1));

    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(3, 1)]
    [InlineData(3, 5)]
    [InlineData(1, 10)]
    [InlineData(1, 1)]
    public async Task A_checkpoint_restores_onto_any_number_of_servers(int savers, int restorers)
    {
        ImmutableArray<CheckpointPart> parts;
        using (ActorSystem before = await StateFolder.StartAsync(_folder.Options))
        {
            parts = await SaveAsync(before, savers, version: 40);
            await before.Terminate();
        }

        Assert.All(parts, part => Assert.InRange(
            s_cut.BytesOf(part.FirstBlock, part.EndBlock), 1, PieceCut.MaxPieceBytes));
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        await AssertRestoresAsync(system, parts, restorers, version: 40);
        await system.Terminate();
    }

    [Fact]
    public async Task Saving_again_and_under_another_cut_disturbs_nothing()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        ImmutableArray<CheckpointPart> parts = await SaveAsync(system, 3, version: 40);
        ImmutableArray<CheckpointPart> again = await SaveAsync(system, 3, version: 40);
        Assert.Equal(parts.ToArray(), again.ToArray());
        ImmutableArray<CheckpointPart> others = await SaveAsync(system, 2, version: 40);
        await AssertRestoresAsync(system, parts, 1, version: 40);
        await AssertRestoresAsync(system, others, 1, version: 40);
        await system.Terminate();
    }

    [Fact]
    public async Task A_deleted_version_is_gone_with_all_that_was_saved_of_it_and_no_other_is()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        ImmutableArray<CheckpointPart> aborted = await SaveAsync(system, 2, version: 30);
        ImmutableArray<CheckpointPart> parts = await SaveAsync(system, 1, version: 40);
        var pieces = new CheckpointPieces(system, s_patience, TimeProvider.System);

        await pieces.DeleteAsync(s_run, 30, CancellationToken.None);

        var missing = await Assert.ThrowsAsync<CheckpointException>(
            () => AssertRestoresAsync(system, aborted, 1, version: 30));
        Assert.Contains("checkpoint 30 of run run-1", missing.Message);
        Assert.Contains("missing in the database", missing.Message);
        await AssertRestoresAsync(system, parts, 1, version: 40);
        await system.Terminate();
        Assert.Equal(3, Scalar("SELECT count(*) FROM snapshot"));
    }

    [Fact]
    public async Task A_flipped_bit_is_found()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        ImmutableArray<CheckpointPart> parts = await SaveAsync(system, 1, version: 40);
        Scalar("""
            UPDATE snapshot SET snapshot =
                CAST(substr(snapshot, 1, 1000000) || x'2A' || substr(snapshot, 1000002) AS BLOB)
            """);
        var damaged = await Assert.ThrowsAsync<CheckpointException>(
            () => AssertRestoresAsync(system, parts, 1, version: 40));
        Assert.Contains("is damaged", damaged.Message);
        await system.Terminate();
    }

    [Fact]
    public async Task Parts_that_leave_a_gap_are_refused_before_anything_is_loaded()
    {
        using ActorSystem system = await StateFolder.StartAsync(_folder.Options);
        ImmutableArray<CheckpointPart> parts = await SaveAsync(system, 3, version: 40);
        var gap = await Assert.ThrowsAsync<CheckpointException>(
            () => AssertRestoresAsync(system, parts.RemoveAt(1), 1, version: 40));
        Assert.Contains("do not cover the blocks from 0 to 10", gap.Message);
        await system.Terminate();
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public async Task Failures_are_tried_again_and_then_told(int failures, bool saved)
    {
        using ActorSystem system = ActorSystem.Create("fail", ConfigurationFactory.ParseString($$"""
            akka.persistence.snapshot-store.sql.class = "{{typeof(FailingStore).FullName}}, {{
                typeof(FailingStore).Assembly.GetName().Name}}"
            akka.persistence.snapshot-store.sql.failures = {{failures}}
            """).WithFallback(StateFolder.Configuration(_folder.Options)));
        var small = new PieceCut(1_000, 0, false);
        using var buffers = new SliceBuffers(small, 0, 1);
        var pieces = new CheckpointPieces(system, s_patience, TimeProvider.System);
        Task<ImmutableArray<CheckpointPart>> saving =
            pieces.SaveAsync(s_run, 1, buffers.Content, CancellationToken.None);
        if (saved)
        {
            Assert.Single(await saving);
        }
        else
        {
            var failure = await Assert.ThrowsAsync<CheckpointException>(() => saving);
            Assert.Contains("in 3 attempts: the disk is full", failure.Message);
        }

        await system.Terminate();
    }

    [Fact]
    public async Task A_store_that_never_answers_is_not_waited_for_longer_than_said()
    {
        using ActorSystem system = ActorSystem.Create("mute", ConfigurationFactory.ParseString($$"""
            akka.persistence.snapshot-store.sql.class = "{{typeof(MuteStore).FullName}}, {{
                typeof(MuteStore).Assembly.GetName().Name}}"
            """).WithFallback(StateFolder.Configuration(_folder.Options)));
        using var buffers = new SliceBuffers(new PieceCut(1_000, 0, false), 0, 1);
        var pieces = new CheckpointPieces(
            system, s_patience with { Deadline = TimeSpan.FromMilliseconds(20) },
            TimeProvider.System);
        var failure = await Assert.ThrowsAsync<CheckpointException>(() =>
            pieces.SaveAsync(s_run, 1, buffers.Content, CancellationToken.None));
        Assert.Contains("did not answer within", failure.Message);
        await system.Terminate();
    }

    [Fact]
    public void An_optimizer_whose_block_fits_no_piece_is_refused()
    {
        var failure = Assert.Throws<CheckpointException>(
            () => new PieceCut(1_000, StateCount: 32, HasBest: false).BlocksPerPiece);
        Assert.Contains("8,388,608", failure.Message);
    }

    private static async Task<ImmutableArray<CheckpointPart>> SaveAsync(
        ActorSystem system, int servers, long version)
    {
        var pieces = new CheckpointPieces(system, s_patience, TimeProvider.System);
        var parts = ImmutableArray.CreateBuilder<CheckpointPart>();
        foreach (SliceBuffers slice in SliceBuffers.Of(s_cut, servers))
        {
            using (slice)
            {
                slice.Fill();
                parts.AddRange(await pieces.SaveAsync(
                    s_run, version, slice.Content, CancellationToken.None));
            }
        }

        return parts.ToImmutable();
    }

    private static async Task AssertRestoresAsync(
        ActorSystem system, ImmutableArray<CheckpointPart> parts, int servers, long version)
    {
        var pieces = new CheckpointPieces(system, s_patience, TimeProvider.System);
        foreach (SliceBuffers slice in SliceBuffers.Of(s_cut, servers))
        {
            using (slice)
            {
                await pieces.RestoreAsync(
                    s_run, version, parts, slice.Content, CancellationToken.None);
                slice.AssertFilled();
            }
        }
    }

    private long Scalar(string text)
    {
        using var connection = new SqliteConnection(
            $"Data Source={_folder.Options.SnapshotFile};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        return command.ExecuteScalar() is long value ? value : 0;
    }

    /// <summary>Saves after a number of failures.</summary>
    private sealed class FailingStore(Config config) : EmptyStore
    {
        private int _failures = config.GetInt("failures");

        protected override Task SaveAsync(
            SnapshotMetadata metadata, object snapshot, CancellationToken cancellationToken) =>
            _failures-- > 0
                ? Task.FromException(new IOException("the disk is full"))
                : Task.CompletedTask;
    }

    /// <summary>Takes every request and answers none.</summary>
    private sealed class MuteStore : EmptyStore
    {
        protected override Task SaveAsync(
            SnapshotMetadata metadata, object snapshot, CancellationToken cancellationToken) =>
            new TaskCompletionSource().Task;
    }

    private abstract class EmptyStore : SnapshotStore
    {
        protected override Task<SelectedSnapshot> LoadAsync(
            string persistenceId, SnapshotSelectionCriteria criteria,
            CancellationToken cancellationToken) => Task.FromResult<SelectedSnapshot>(null!);

        protected override Task DeleteAsync(
            SnapshotMetadata metadata, CancellationToken cancellationToken) => Task.CompletedTask;

        protected override Task DeleteAsync(
            string persistenceId, SnapshotSelectionCriteria criteria,
            CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
