using Akka.Actor;
using Backprop.Training.Checkpoints;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>The curves of runs beside their checkpoints: a row for each chunk of a
/// <see cref="CurveRecord"/>.</summary>
/// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
/// <param name="patience">How long it is waited for.</param>
/// <param name="time">The clock.</param>
public sealed class StoredCurves(ActorSystem system, StoragePatience patience, TimeProvider time)
{
    private readonly StoredChunks _chunks = new(
        system, patience, time, "curves", length => length <= FilePiece.MaxBytes);

    /// <summary>Stores a chunk, in the place of what was stored of it; when this is done, it is
    /// durable.</summary>
    /// <exception cref="CheckpointException">It could not be stored.</exception>
    public Task SaveAsync(
        RunId run, long chunk, CurveSegment segment, CancellationToken cancellation) =>
        _chunks.SaveAsync(run, chunk, CurveFormat.Write(segment), cancellation);

    /// <summary>All points of a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="layers">Layers that it has.</param>
    /// <param name="cancellation">Before the next chunk.</param>
    /// <exception cref="CheckpointException">A chunk is damaged, or could not be loaded.
    /// </exception>
    public async Task<CurveRecord> LoadAsync(
        RunId run, int layers, CancellationToken cancellation)
    {
        var record = new CurveRecord(layers);
        await foreach (ReadOnlyMemory<byte> chunk in
            _chunks.ReadAsync(run, 0, cancellation).ConfigureAwait(false))
        {
            try
            {
                record.Load(CurveFormat.Read(chunk.Span, layers));
            }
            catch (FormatException damage)
            {
                throw new CheckpointException(
                    $"the curves of run {run} are damaged: {damage.Message}", damage);
            }
        }

        return record;
    }
}
