using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Akka.Actor;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>
/// The pieces of checkpoints in Akka's snapshot store, where any node finds what any other saved.
/// </summary>
/// <remarks>
/// A piece's place is (run and version; blocks and the beginning of the digest). So a piece that is
/// saved late, twice, or again after the run was cut otherwise never overwrites one of other
/// content, and a version is deleted as a whole without anybody's knowing what was saved of it.
/// </remarks>
public sealed class CheckpointPieces
{
    // A block's number has 15 bits, since a flat vector has less than 2^31 parameters, and one past
    // the last may need one more; with 32 bits of the digest that makes a positive long.
    private const int FirstBlockShift = 48;
    private const int EndBlockShift = 32;
    private const int DigestCharacters = 8;

    private readonly SnapshotStoreClient _store;

    /// <summary>Over the actor system's snapshot store.</summary>
    /// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
    /// <param name="patience">How long it is waited for.</param>
    /// <param name="time">The clock.</param>
    public CheckpointPieces(ActorSystem system, StoragePatience patience, TimeProvider time) =>
        _store = new SnapshotStoreClient(system, patience, time);

    /// <summary>Saves a slice, piece by piece; when this is done, it is durable.</summary>
    /// <param name="run">The run.</param>
    /// <param name="version">The slice's version.</param>
    /// <param name="slice">Must not change meanwhile.</param>
    /// <param name="cancellation">Between two attempts.</param>
    /// <exception cref="CheckpointException">A piece could not be saved.</exception>
    public async Task<ImmutableArray<CheckpointPart>> SaveAsync(
        RunId run, long version, SliceContent slice, CancellationToken cancellation)
    {
        var parts = ImmutableArray.CreateBuilder<CheckpointPart>();
        foreach ((int first, int end) in slice.Cut.PiecesOf(slice.FirstBlock, slice.EndBlock))
        {
            byte[] content = slice.CopyOut(first, end);
            var part = new CheckpointPart(first, end, CheckpointPiece.DigestOf(content));
            await SaveAsync(new CheckpointPiece(run, version, part, content), cancellation)
                .ConfigureAwait(false);
            parts.Add(part);
        }

        return parts.ToImmutable();
    }

    /// <summary>Fills a slice from a committed checkpoint, however that was cut.</summary>
    /// <param name="run">The run.</param>
    /// <param name="version">The checkpoint's version.</param>
    /// <param name="parts">Every part of the checkpoint.</param>
    /// <param name="destination">The slice; undefined if this fails.</param>
    /// <param name="cancellation">Between two attempts.</param>
    /// <exception cref="CheckpointException">The parts do not cover the slice, or a piece is
    /// missing, damaged, or could not be loaded.</exception>
    public async Task RestoreAsync(
        RunId run, long version, ImmutableArray<CheckpointPart> parts, SliceContent destination,
        CancellationToken cancellation)
    {
        foreach (CheckpointPart part in Needed(run, version, parts, destination))
        {
            CheckpointPiece piece = await LoadAsync(
                run, version, part, destination.Cut, cancellation).ConfigureAwait(false);
            destination.CopyIn(part.FirstBlock, part.EndBlock, piece.Content.Span);
        }
    }

    /// <summary>Reads the contents of parts, one after the other.</summary>
    /// <exception cref="CheckpointException">A piece is missing, damaged, or could not be loaded.
    /// </exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        RunId run, long version, ImmutableArray<CheckpointPart> parts,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (CheckpointPart part in parts)
        {
            CheckpointPiece piece = await LoadAsync(run, version, part, null, cancellation)
                .ConfigureAwait(false);
            yield return piece.Content;
        }
    }

    /// <summary>Deletes all that was ever saved of a version: of a checkpoint that a newer commit
    /// has made superfluous, or of one that was begun and never committed.</summary>
    /// <exception cref="CheckpointException">It could not be deleted.</exception>
    public Task DeleteAsync(RunId run, long version, CancellationToken cancellation) =>
        _store.DeleteAsync(
            $"checkpoint {version} of run {run}", PlaceOf(run, version), cancellation);

    private static IEnumerable<CheckpointPart> Needed(
        RunId run, long version, ImmutableArray<CheckpointPart> parts, SliceContent destination)
    {
        CheckpointPart[] needed =
        [
            .. parts
                .Where(part => part.EndBlock > destination.FirstBlock
                    && part.FirstBlock < destination.EndBlock)
                .OrderBy(part => part.FirstBlock),
        ];
        int covered = destination.FirstBlock;
        foreach (CheckpointPart part in needed)
        {
            bool meets = part.FirstBlock == covered
                || (covered == destination.FirstBlock && part.FirstBlock < covered);
            if (!meets || part.EndBlock > destination.Cut.BlockCount)
            {
                break;
            }

            covered = part.EndBlock;
        }

        return covered >= destination.EndBlock
            ? needed
            : throw new CheckpointException(
                $"checkpoint {version} of run {run} cannot be restored: its parts do not cover"
                + $" the blocks from {destination.FirstBlock} to {destination.EndBlock}, but end"
                + $" or overlap at {covered}");
    }

    private Task SaveAsync(CheckpointPiece piece, CancellationToken cancellation) =>
        _store.SaveAsync(
            Describe(piece.Run, piece.Version, piece.Part), PlaceOf(piece.Run, piece.Version),
            NumberOf(piece.Part), piece, cancellation);

    private async Task<CheckpointPiece> LoadAsync(
        RunId run, long version, CheckpointPart part, PieceCut? cut,
        CancellationToken cancellation)
    {
        string what = Describe(run, version, part);
        object found = await _store
            .LoadAsync(what, PlaceOf(run, version), NumberOf(part), cancellation)
            .ConfigureAwait(false)
            ?? throw new CheckpointException($"{what} is missing in the database")
            {
                IsDamage = true,
            };
        if (found is not CheckpointPiece piece || piece.Part != part
            || (cut is not null
                && piece.Content.Length != cut.BytesOf(part.FirstBlock, part.EndBlock))
            || CheckpointPiece.DigestOf(piece.Content.Span) != part.Sha256)
        {
            throw new CheckpointException(
                $"{what} is damaged: its content does not match its SHA-256 and its size")
            {
                IsDamage = true,
            };
        }

        return piece;
    }

    private static string PlaceOf(RunId run, long version) => $"checkpoint/{run}/{version}";

    private static long NumberOf(CheckpointPart part) =>
        ((long)part.FirstBlock << FirstBlockShift) | ((long)part.EndBlock << EndBlockShift)
        | Convert.ToUInt32(part.Sha256[..DigestCharacters], 16);

    private static string Describe(RunId run, long version, CheckpointPart part) =>
        $"checkpoint {version} of run {run}: the piece of blocks {part.FirstBlock} to"
        + $" {part.EndBlock - 1}";
}
