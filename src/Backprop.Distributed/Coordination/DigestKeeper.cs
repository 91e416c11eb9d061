using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Persistence;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>
/// The digests of a run's versions, for its coordinator: puts together what servers report, holds
/// it against what is on record, stores it, and says so to the servers once it is durable.
/// Everything happens on the coordinator's thread but the database's work, whose results it is told
/// as messages.
/// </summary>
internal sealed class DigestKeeper(
    CoordinatorContext context, CoordinationPlan plan, IActorRef self,
    CancellationToken cancellation)
{
    private readonly Dictionary<int, IActorRef> _servers = [];
    private DigestGathering? _gathering;
    private DigestRecord? _record;
    private DigestDifference? _disputed;
    private Generation? _refused;
    private long _loadedFrom;
    private long _durableEnd;
    private bool _isUnderWay;
    private TimeSpan _nextSave;

    // Of a clock that nobody sets.
    private TimeSpan Now => context.Time.GetElapsedTime(0);

    /// <summary>Takes a report in.</summary>
    /// <param name="report">The report.</param>
    /// <param name="generation">The run's last generation.</param>
    /// <param name="server">Who has sent it.</param>
    /// <returns>A version that has come to other bits than before; null: none has.</returns>
    public DigestDifference? Take(
        DigestReport report, RunGeneration? generation, IActorRef server)
    {
        if (generation is null || report.Generation != generation.Number
            || report.Generation == _refused)
        {
            return null;
        }

        Begin(generation);
        if (_record is null || _gathering!.Take(report, plan.Dimensions.TotalSteps) is not null)
        {
            return null;
        }

        _servers[report.Slice] = server;
        if (report.EndVersion <= _durableEnd)
        {
            server.Tell(new DigestsTaken(plan.Run, report.Generation, _durableEnd), self);
        }

        return Enter(_record, _gathering);
    }

    /// <summary>What a generation has made from a version on is in doubt: it is forgotten, and no
    /// more of it is taken.</summary>
    public void Doubt(Generation generation, long version)
    {
        _refused = generation;
        _record?.CutAt(version);
    }

    /// <summary>To be called at every tick: stores what is new.</summary>
    /// <param name="newest">The version that the run would go back to.</param>
    public void Proceed(long newest)
    {
        if (_record is not { } record || _gathering is not { } gathering || _isUnderWay
            || Now < _nextSave)
        {
            return;
        }

        _nextSave = Now + context.Patience.Digests;
        if (record.Unsaved.Count > 0)
        {
            Save(record, gathering);
        }
        else
        {
            Settle(gathering, gathering.EndVersion);
        }

        record.ForgetBefore(newest);
    }

    /// <summary>What the database has done, told by a message of this class.</summary>
    /// <returns>What has failed, in words; null: nothing.</returns>
    public string? End(object message)
    {
        _isUnderWay = false;
        return message switch
        {
            Loaded loaded => End(loaded),
            Saved saved => End(saved),
            _ => throw new ArgumentException($"{message} is not of the digests"),
        };
    }

    /// <summary>Whether a message is for <see cref="End(object)"/>.</summary>
    public static bool IsMine(object message) => message is Loaded or Saved;

    private void Begin(RunGeneration generation)
    {
        if (_gathering?.Generation == generation.Number)
        {
            LoadIfNeeded();
            return;
        }

        _gathering = new DigestGathering(generation);
        _servers.Clear();
        _durableEnd = generation.Origin.Version;
        if (generation.Origin.Version < _loadedFrom)
        {
            // What was not stored of the versions since is computed again.
            _record = null;
        }

        LoadIfNeeded();
    }

    private void LoadIfNeeded()
    {
        if (_record is not null || _isUnderWay || Now < _nextSave)
        {
            return;
        }

        _isUnderWay = true;
        long from = _gathering!.EndVersion;
        LoadAsync(DigestRecord.ChunkOf(from)).PipeTo(
            self,
            success: chunks => new Loaded(from, chunks, null),
            failure: failure => new Loaded(from, [], failure.Message));
    }

    private DigestDifference? Enter(DigestRecord record, DigestGathering gathering)
    {
        while (gathering.TryTake(out long version, out VersionDigest digest))
        {
            if (record.Enter(version, digest) is not { } difference)
            {
                continue;
            }

            if (_disputed is { } before && before.Version == version && before.Found == digest)
            {
                // Two computations agree against the one on record.
                record.CutAt(version);
                record.Enter(version, digest);
                _disputed = null;
                continue;
            }

            _disputed = difference;
            _refused = gathering.Generation;
            return difference;
        }

        return null;
    }

    private void Save(DigestRecord record, DigestGathering gathering)
    {
        _isUnderWay = true;
        long end = gathering.EndVersion;
        ImmutableArray<long> chunks = [.. record.Unsaved];
        ImmutableArray<byte[]> contents = [.. chunks.Select(record.TakeToSave)];
        SaveAsync(chunks, contents).PipeTo(
            self,
            success: () => new Saved(record, gathering, end, chunks, null),
            failure: failure => new Saved(record, gathering, end, chunks, failure.Message));
    }

    private void Settle(DigestGathering gathering, long end)
    {
        if (gathering != _gathering || end <= _durableEnd)
        {
            return;
        }

        _durableEnd = end;
        foreach (IActorRef server in _servers.Values)
        {
            server.Tell(new DigestsTaken(plan.Run, gathering.Generation, end), self);
        }
    }

    private string? End(Loaded loaded)
    {
        if (loaded.Failure is { } failure)
        {
            _nextSave = Now + context.Patience.Digests;
            return $"digests could not be read: {failure}";
        }

        if (_record is null && _gathering!.EndVersion >= loaded.From)
        {
            _loadedFrom = loaded.From;
            _record = new DigestRecord(loaded.From);
            for (int i = 0; i < loaded.Chunks.Length; i++)
            {
                _record.Load(DigestRecord.ChunkOf(loaded.From) + i, loaded.Chunks[i].Span);
            }
        }

        return null;
    }

    private string? End(Saved saved)
    {
        if (saved.Failure is { } failure)
        {
            foreach (long chunk in saved.Chunks)
            {
                saved.Record.MarkUnsaved(chunk);
            }

            return $"digests could not be stored, and will be again: {failure}";
        }

        Settle(saved.Gathering, saved.End);
        return null;
    }

    private async Task<ImmutableArray<ReadOnlyMemory<byte>>> LoadAsync(long firstChunk)
    {
        var chunks = ImmutableArray.CreateBuilder<ReadOnlyMemory<byte>>();
        await foreach (ReadOnlyMemory<byte> chunk in
            context.Digests.ReadAsync(plan.Run, firstChunk, cancellation).ConfigureAwait(false))
        {
            chunks.Add(chunk);
        }

        return chunks.ToImmutable();
    }

    private async Task SaveAsync(ImmutableArray<long> chunks, ImmutableArray<byte[]> contents)
    {
        for (int i = 0; i < chunks.Length; i++)
        {
            await context.Digests.SaveAsync(plan.Run, chunks[i], contents[i], cancellation)
                .ConfigureAwait(false);
        }
    }

    private sealed record Loaded(
        long From, ImmutableArray<ReadOnlyMemory<byte>> Chunks, string? Failure)
        : INoSerializationVerificationNeeded;

    private sealed record Saved(
        DigestRecord Record, DigestGathering Gathering, long End, ImmutableArray<long> Chunks,
        string? Failure) : INoSerializationVerificationNeeded;
}
