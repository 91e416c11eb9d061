using System.Runtime.CompilerServices;
using Akka.Actor;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>What is recorded of runs beside their checkpoints, in Akka's snapshot store: a row for
/// each chunk, which grows until the next one begins.</summary>
/// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
/// <param name="patience">How long it is waited for.</param>
/// <param name="time">The clock.</param>
/// <param name="kind">What is recorded, in a word; frozen.</param>
/// <param name="isLength">Whether a chunk may have so many bytes.</param>
internal sealed class StoredChunks(
    ActorSystem system, StoragePatience patience, TimeProvider time, string kind,
    Func<int, bool> isLength)
{
    private readonly SnapshotStoreClient _store = new(system, patience, time);

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
                || piece.Index != chunk || !isLength(piece.Content.Length))
            {
                throw new CheckpointException($"{Describe(run, chunk)} is damaged");
            }

            yield return piece.Content;
        }
    }

    private string PlaceOf(RunId run) => $"{kind}/{run}";

    private string Describe(RunId run, long chunk) => $"chunk {chunk} of the {kind} of run {run}";
}
