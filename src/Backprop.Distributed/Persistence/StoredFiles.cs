using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Persistence;

/// <summary>A part of a file as it is stored.</summary>
/// <param name="Place">What the file is stored under.</param>
/// <param name="Index">Counts the file's pieces, from 0.</param>
/// <param name="Content">The next bytes of it. Nobody changes them.</param>
public sealed record FilePiece(string Place, long Index, ReadOnlyMemory<byte> Content)
{
    /// <summary>The most content of a piece; all but a file's last are as long.</summary>
    public const int MaxBytes = 4 << 20;
}

/// <summary>Files in Akka's snapshot store, in pieces, where every node finds them: the trained
/// models.</summary>
public sealed class StoredFiles : IModelStore
{
    private readonly SnapshotStoreClient _store;

    /// <summary>Over the actor system's snapshot store.</summary>
    /// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
    /// <param name="patience">How long it is waited for.</param>
    /// <param name="time">The clock.</param>
    public StoredFiles(ActorSystem system, StoragePatience patience, TimeProvider time) =>
        _store = new SnapshotStoreClient(system, patience, time);

    /// <inheritdoc/>
    /// <remarks>The digest is part of where the pieces lie, so that a file which is stored again
    /// with other content never mixes with the one before.</remarks>
    public async Task<StoredFile> SaveAsync(
        string place, ReadOnlyMemory<byte> content, CancellationToken cancellation)
    {
        var file = new StoredFile(
            place, content.Length, Convert.ToHexStringLower(SHA256.HashData(content.Span)));
        for (long index = 0; index < PiecesOf(file); index++)
        {
            int start = (int)(index * FilePiece.MaxBytes);
            ReadOnlyMemory<byte> part = content.Slice(
                start, Math.Min(FilePiece.MaxBytes, content.Length - start));
            await _store.SaveAsync(
                Describe(file, index), PlaceOf(file), index + 1,
                new FilePiece(place, index, part), cancellation).ConfigureAwait(false);
        }

        return file;
    }

    /// <summary>Reads a file, piece by piece; the last one comes only if the whole has its digest.
    /// </summary>
    /// <exception cref="CheckpointException">A piece is missing or damaged, or could not be loaded.
    /// </exception>
    public async IAsyncEnumerable<ReadOnlyMemory<byte>> ReadAsync(
        StoredFile file, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long left = file.Bytes, pieces = PiecesOf(file);
        for (long index = 0; index < pieces; index++)
        {
            object? found = await _store
                .LoadAsync(Describe(file, index), PlaceOf(file), index + 1, cancellation)
                .ConfigureAwait(false);
            long wanted = Math.Min(FilePiece.MaxBytes, left);
            if (found is not FilePiece piece || piece.Place != file.Place || piece.Index != index
                || piece.Content.Length != wanted)
            {
                throw new CheckpointException(
                    $"{Describe(file, index)} is {(found is null ? "missing" : "damaged")}");
            }

            left -= wanted;
            hash.AppendData(piece.Content.Span);
            if (index == pieces - 1
                && Convert.ToHexStringLower(hash.GetHashAndReset()) != file.Sha256)
            {
                throw new CheckpointException(
                    $"the file '{file.Place}' is damaged: it does not match its SHA-256");
            }

            yield return piece.Content;
        }
    }

    private static long PiecesOf(StoredFile file) =>
        (file.Bytes + FilePiece.MaxBytes - 1) / FilePiece.MaxBytes;

    private static string PlaceOf(StoredFile file) => $"file/{file.Place}/{file.Sha256}";

    private static string Describe(StoredFile file, long index) =>
        $"piece {index + 1} of {PiecesOf(file)} of the file '{file.Place}'";
}
