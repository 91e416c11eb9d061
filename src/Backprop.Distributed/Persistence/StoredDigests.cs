using System.Runtime.CompilerServices;
using Akka.Actor;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>The digests of runs' versions in Akka's snapshot store, beside the checkpoints: a row
/// for each chunk of a <see cref="DigestRecord"/>, 16 bytes a version.</summary>
public sealed class StoredDigests
{
    private readonly SnapshotStoreClient _store;

    /// <summary>Over the actor system's snapshot store.</summary>
    /// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
    /// <param name="patience">How long it is waited for.</param>
    /// <param name="time">The clock.</param>
    public StoredDigests(ActorSystem system, StoragePatience patience, TimeProvider time) =>
        _store = new SnapshotStoreClient(system, patience, time);

    /// <summary>Stores a chunk, in the place of what was stored of it; when this is done, it is
    /// durable.</summary>
    /// <exception cref="CheckpointException">It could not be stored.</exception>
    public Task SaveAsync(
        RunId run, long chunk, ReadOnlyMemory<byte> content, CancellationToken cancellation) =>
        _store.SaveAsync(
            Describe(run, chunk), PlaceOf(run), chunk + 1,
            new FilePiece(PlaceOf(run), chunk, content), cancellation);

    /// <summary>The chunks of a run from one on, until there are no more.</summary>
    /// <exception cref="CheckpointException">One is damaged, or could not be loaded.</exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        RunId run, long firstChunk, [EnumeratorCancellation] CancellationToken cancellation)
    {
        for (long chunk = firstChunk; ; chunk++)
        {
            object? found = await _store
                .LoadAsync(Describe(run, chunk), PlaceOf(run), chunk + 1, cancellation)
                .ConfigureAwait(false);
            if (found is null)
            {
                yield break;
            }

            if (found is not FilePiece piece || piece.Place != PlaceOf(run)
                || piece.Index != chunk || piece.Content.Length % VersionDigest.Bytes != 0
                || piece.Content.Length > DigestRecord.ChunkLength * VersionDigest.Bytes)
            {
                throw new CheckpointException($"{Describe(run, chunk)} is damaged");
            }

            yield return piece.Content;
        }
    }

    private static string PlaceOf(RunId run) => $"digests/{run}";

    private static string Describe(RunId run, long chunk) =>
        $"digests of run {run}: those of the versions from {chunk * DigestRecord.ChunkLength}";
}
