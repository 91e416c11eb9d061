using System.Collections.Concurrent;
using Akka.Actor;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Tests.Persistence;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A stored state of which bytes, or rows, are not what was written: it is refused with
/// the reason, or makes no difference. Nothing else happens, and nothing grows: no other test takes
/// memory of this process meanwhile.</summary>
[Collection(nameof(Alone))]
public sealed class DamagedStateTests : IClassFixture<DamagedStateTests.Undamaged>
{
    // More are tried with a number in this variable.
    private const string MoreSeeds = "BACKPROP_FUZZ_SEEDS";
    private const int MostGrowth = 64 << 20;

    private const int LongRunEpochs = 100;

    private static readonly string s_longRun = TestRun.Specification.Replace(
        "epochs = 4", $"epochs = {LongRunEpochs}", StringComparison.Ordinal);

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(2);
    private static readonly RunId s_run = new("tiny-1");

    private readonly Undamaged _undamaged;

    public DamagedStateTests(Undamaged undamaged) => _undamaged = undamaged;

    [Fact]
    public async Task A_damaged_journal_is_refused_with_its_reason_or_makes_no_difference()
    {
        int seeds = SeedsOr(12), refused = 0;
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int seed = 1; seed <= seeds; seed++)
        {
            using var folder = new StateFolder();
            _undamaged.CopyTo(folder);
            string damage = DamageJournal(folder.Options.JournalFile, new Random(seed));
            string? reason = await TryAsync(folder);
            refused += reason is null ? 0 : 1;
            Assert.True(
                reason is null || (reason.Length > 20 && !reason.Contains('\n')),
                $"seed {seed}, {damage}: {reason}");
        }

        Assert.True(refused >= seeds / 2, $"of {seeds} damages {refused} were refused");
        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(growth, long.MinValue, MostGrowth);
    }

    [Fact]
    public async Task A_damaged_piece_of_a_checkpoint_is_refused_by_name_or_is_the_same()
    {
        using var folder = new StateFolder();
        using ActorSystem system = await StateFolder.StartAsync(folder.Options);
        var pieces = new CheckpointPieces(
            system, new StoragePatience(s_patience, 1, TimeSpan.FromMilliseconds(1)),
            TimeProvider.System);
        using var slice = new SliceBuffers(new PieceCut(1_000, 1, false), 0, 1);
        slice.Fill();
        var parts = await pieces.SaveAsync(s_run, 1, slice.Content, default);
        byte[] stored = ReadPiece(folder.Options.SnapshotFile);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        int seeds = SeedsOr(60), refused = 0;
        for (int seed = 1; seed <= seeds; seed++)
        {
            WritePiece(folder.Options.SnapshotFile, Mutations.Of(stored, new Random(seed)));
            using var restored = new SliceBuffers(slice.Content.Cut, 0, 1);
            try
            {
                await pieces.RestoreAsync(s_run, 1, parts, restored.Content, default);
                restored.AssertFilled();
            }
            catch (CheckpointException refusal)
            {
                refused++;
                Assert.Equal(
                    "checkpoint 1 of run tiny-1: the piece of blocks 0 to 0 is damaged: its content"
                        + " does not match its SHA-256 and its size", refusal.Message);
            }
        }

        Assert.True(refused > seeds * 3 / 4, $"of {seeds} damages {refused} were refused");
        long growth = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(growth, long.MinValue, MostGrowth);

        // What was damaged is mended by what is written again.
        WritePiece(folder.Options.SnapshotFile, new byte[100]);
        await pieces.SaveAsync(s_run, 1, slice.Content, default);
        using var mended = new SliceBuffers(slice.Content.Cut, 0, 1);
        await pieces.RestoreAsync(s_run, 1, parts, mended.Content, default);
        mended.AssertFilled();
        await system.Terminate();
    }

    [Fact]
    public async Task A_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before()
    {
        using var folder = new StateFolder();
        await using EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 1);
        await SubmitAsync(cluster, s_longRun);
        await UntilAsync(cluster, view => view.Checkpoints.Length >= 2);
        await ControlAsync(cluster, RunControl.Pause);
        RunView paused = await UntilAsync(
            cluster, view => view.Summary.Standing is RunStanding.Paused);
        Assert.Null(paused.Result);
        long newest = paused.Checkpoints.Max(kept => kept.Version);
        using (SqliteConnection connection = Open(folder.Options.SnapshotFile))
        {
            Assert.True(0 < (long)Execute(
                connection,
                "UPDATE snapshot SET snapshot = zeroblob(100) WHERE persistence_id = @place;"
                    + " SELECT changes()", ("place", $"checkpoint/{s_run}/{newest}"))!);
        }

        await ControlAsync(cluster, RunControl.Resume);
        RunView ended = await UntilAsync(cluster, view => view.Result is not null);
        string said = Assert.Single(
            ended.Happenings, happening => happening.Text.Contains("goes back")).Text;
        Assert.StartsWith($"the checkpoint of version {newest} is damaged", said);
        Assert.Contains($"checkpoint {newest} of run {s_run}: the piece of blocks 0 to", said);

        await AssertUndisturbedAsync(ended);
    }

    [Fact]
    public async Task Final_weights_that_are_damaged_are_made_again()
    {
        using var folder = new StateFolder();
        await using EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 1);
        long last = LongRunEpochs * RunDimensions.Of(TestRun.Plan).StepsPerEpoch;
        await SubmitAsync(cluster, s_longRun);
        await UntilAsync(cluster, view => view.Checkpoints.Length >= 1);
        using (SqliteConnection connection = Open(folder.Options.SnapshotFile))
        {
            Execute(connection, "CREATE TABLE damage (done INTEGER)");
            Execute(
                connection,
                "CREATE TRIGGER damages AFTER INSERT ON snapshot"
                    + $" WHEN NEW.persistence_id = 'checkpoint/{s_run}/{last}'"
                    + " AND NOT EXISTS (SELECT * FROM damage)"
                    + " BEGIN UPDATE snapshot SET snapshot = zeroblob(100)"
                    + " WHERE persistence_id = NEW.persistence_id;"
                    + " INSERT INTO damage VALUES (1); END");
        }

        RunView ended = await UntilAsync(cluster, view => view.Result is not null);
        string said = Assert.Single(
            ended.Happenings, happening => happening.Text.Contains("goes back")).Text;
        Assert.StartsWith($"the checkpoint of version {last} is damaged", said);
        await AssertUndisturbedAsync(ended);
    }

    private static async Task AssertUndisturbedAsync(RunView ended)
    {
        using var folder = new StateFolder();
        await using EmbeddedCluster undisturbed = await StoredCluster.StartAsync(folder, each: 1);
        await SubmitAsync(undisturbed, s_longRun);
        RunView same = await UntilAsync(undisturbed, view => view.Result is not null);
        Assert.Equal(same.Result!.WeightsSha256, ended.Result!.WeightsSha256);
        Assert.Equal(same.Result.Steps, ended.Result.Steps);
    }

    private static Task SubmitAsync(EmbeddedCluster cluster, string specification) =>
        cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), specification, "tiny.conf", 0),
            CancellationToken.None);

    private static async Task ControlAsync(EmbeddedCluster cluster, RunControl control) =>
        Assert.IsType<CoordinatorAnswer.Done>(await cluster.Client.AskAsync(
            new CoordinatorRequest.ControlRun(s_run, control), CancellationToken.None));

    private static async Task<RunView> UntilAsync(
        EmbeddedCluster cluster, Func<RunView, bool> isSo)
    {
        RunView? last = null;
        using var limit = new CancellationTokenSource(s_patience);
        try
        {
            while (true)
            {
                CoordinatorAnswer answer = await cluster.Client.AskAsync(
                    new CoordinatorRequest.ShowRun(s_run), limit.Token);
                last = (answer as CoordinatorAnswer.Run)?.View;
                if (last is not null && isSo(last))
                {
                    return last;
                }

                await Task.Delay(10, limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            string[] texts = [.. (last?.Happenings ?? []).TakeLast(8).Select(one => one.Text)];
            throw new TimeoutException(
                $"{last?.Summary.Reason}; {string.Join(Environment.NewLine, texts)}");
        }
    }

    // Why the run cannot be shown; null: it is shown as it was.
    private async Task<string?> TryAsync(StateFolder folder)
    {
        await using EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 1);
        var told = new ConcurrentQueue<JournalUnavailable>();
        cluster.System.EventStream.Subscribe(
            cluster.System.ActorOf(Props.Create(() => new Listener(told))),
            typeof(JournalUnavailable));
        using var limit = new CancellationTokenSource(s_patience);
        while (true)
        {
            limit.Token.ThrowIfCancellationRequested();
            if (told.FirstOrDefault(one => one.PersistenceId == Coordinator.JournalName)
                is { } registry)
            {
                return registry.Reason;
            }

            using var patience = new CancellationTokenSource(s_answer);
            try
            {
                switch (await cluster.Client.AskAsync(
                    new CoordinatorRequest.ShowRun(s_run), patience.Token))
                {
                    case CoordinatorAnswer.Run shown:
                        _undamaged.AssertSame(shown.View);
                        return null;
                    // The whole entry of the run may be gone, with its row: that is said of it.
                    case CoordinatorAnswer.Refused refusal:
                        return refusal.Reason;
                }
            }
            catch (OperationCanceledException)
            {
                // Nobody has read the journal yet.
            }
        }
    }

    private static string DamageJournal(string file, Random random)
    {
        using SqliteConnection connection = Open(file);
        long rows = (long)Execute(connection, "SELECT count(*) FROM journal")!;
        long row = 1 + random.NextInt64(rows);
        switch (random.Next(6))
        {
            case 0:
                Execute(connection, "DELETE FROM journal WHERE ordering = @row", ("row", row));
                return $"row {row} is gone";
            case 1:
                Execute(
                    connection, "UPDATE journal SET manifest = @manifest WHERE ordering = @row",
                    ("manifest", random.Next(2) == 0 ? "WS" : "??"), ("row", row));
                return $"row {row} has another manifest";
            default:
                byte[] message = (byte[])Execute(
                    connection, "SELECT message FROM journal WHERE ordering = @row", ("row", row))!;
                Execute(
                    connection, "UPDATE journal SET message = @message WHERE ordering = @row",
                    ("message", Mutations.Of(message, random)), ("row", row));
                return $"row {row} is mutated";
        }
    }

    private static byte[] ReadPiece(string file)
    {
        using SqliteConnection connection = Open(file);
        return (byte[])Execute(connection, "SELECT snapshot FROM snapshot")!;
    }

    private static void WritePiece(string file, byte[] content)
    {
        using SqliteConnection connection = Open(file);
        Execute(connection, "UPDATE snapshot SET snapshot = @content", ("content", content));
    }

    private static SqliteConnection Open(string file)
    {
        var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        return connection;
    }

    private static object? Execute(
        SqliteConnection connection, string text, params (string Name, object Value)[] values)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        foreach ((string name, object value) in values)
        {
            command.Parameters.AddWithValue(name, value);
        }

        return command.ExecuteScalar();
    }

    private static int SeedsOr(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable(MoreSeeds), out int more) ? more : usual;

    private sealed class Listener : ReceiveActor
    {
        public Listener(ConcurrentQueue<JournalUnavailable> told) =>
            Receive<JournalUnavailable>(told.Enqueue);
    }

    /// <summary>A run that has trained to its end, once for all.</summary>
    public sealed class Undamaged : IAsyncLifetime
    {
        private readonly StateFolder _folder = new();
        private TrainingResult? _result;

        public async Task InitializeAsync()
        {
            await using (EmbeddedCluster cluster = await StoredCluster.StartAsync(_folder, each: 1))
            {
                await cluster.Client.AskAsync(
                    new CoordinatorRequest.Submit(
                        Guid.NewGuid(), TestRun.Specification, "tiny.conf", 0),
                    CancellationToken.None);
                using var limit = new CancellationTokenSource(s_patience);
                while (_result is null)
                {
                    await Task.Delay(50, limit.Token);
                    CoordinatorAnswer answer = await cluster.Client.AskAsync(
                        new CoordinatorRequest.ShowRun(s_run), limit.Token);
                    _result = (answer as CoordinatorAnswer.Run)?.View.Result;
                }
            }

            SqliteConnection.ClearAllPools();
        }

        public Task DisposeAsync()
        {
            _folder.Dispose();
            return Task.CompletedTask;
        }

        internal void CopyTo(StateFolder other)
        {
            foreach (string file in Directory.GetFiles(_folder.Path))
            {
                File.Copy(file, Path.Combine(other.Path, Path.GetFileName(file)));
            }
        }

        internal void AssertSame(RunView shown)
        {
            // Without its last event it is as it was before that.
            if (shown.Result is { } result)
            {
                Assert.Equal(_result!.WeightsSha256, result.WeightsSha256);
                Assert.Equal(
                    _result.History.Select(epoch => epoch.TrainingLoss),
                    result.History.Select(epoch => epoch.TrainingLoss));
            }
        }
    }
}
