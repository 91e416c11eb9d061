using Akka.Actor;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>The digests of runs' versions beside the checkpoints: a row for each chunk of a
/// <see cref="DigestRecord"/>, 16 bytes a version.</summary>
/// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
/// <param name="patience">How long it is waited for.</param>
/// <param name="time">The clock.</param>
public sealed class StoredDigests(
    ActorSystem system, StoragePatience patience, TimeProvider time)
{
    private const int MaxBytes = DigestRecord.ChunkLength * VersionDigest.Bytes;

    private readonly StoredChunks _chunks = new(
        system, patience, time, "digests",
        length => length % VersionDigest.Bytes == 0 && length <= MaxBytes);

    /// <summary>Stores a chunk, in the place of what was stored of it; when this is done, it is
    /// durable.</summary>
    /// <exception cref="CheckpointException">It could not be stored.</exception>
    public Task SaveAsync(
        RunId run, long chunk, ReadOnlyMemory<byte> content, CancellationToken cancellation) =>
        _chunks.SaveAsync(run, chunk, content, cancellation);

    /// <summary>The chunks of a run from one on, until there are no more.</summary>
    /// <exception cref="CheckpointException">One is damaged, or could not be loaded.</exception>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        RunId run, long firstChunk, CancellationToken cancellation) =>
        _chunks.ReadAsync(run, firstChunk, cancellation);
}
