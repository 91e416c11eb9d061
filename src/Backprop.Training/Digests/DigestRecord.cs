namespace Backprop.Training.Digests;

/// <summary>
/// The digests of a run's versions in chunks of a fixed length, as they are stored, and held in
/// memory as far back as a run may still go. One caller at a time.
/// </summary>
/// <param name="firstVersion">The version that the run goes on from: chunks before its own are
/// neither known nor changed.</param>
public sealed class DigestRecord(long firstVersion)
{
    /// <summary>Versions of a chunk: 16 KiB.</summary>
    public const int ChunkLength = 1_024;

    private readonly SortedDictionary<long, byte[]> _chunks = [];
    private readonly SortedSet<long> _unsaved = [];
    private long _end = firstVersion;

    /// <summary>Chunks that were changed since they were saved, first ones first.</summary>
    public IReadOnlyCollection<long> Unsaved => _unsaved;

    /// <summary>The chunk of a version.</summary>
    public static long ChunkOf(long version) => version / ChunkLength;

    /// <summary>Takes a chunk from where it is stored.</summary>
    /// <param name="index">Its number.</param>
    /// <param name="content">Its bytes.</param>
    public void Load(long index, ReadOnlySpan<byte> content)
    {
        content = content[..Math.Min(content.Length, ChunkLength * VersionDigest.Bytes)];
        content.CopyTo(Chunk(index));
        _end = Math.Max(
            _end, (index * ChunkLength) + (content.Length / VersionDigest.Bytes));
    }

    /// <summary>Enters a digest, or holds it against the one on record.</summary>
    /// <returns>How they differ; null: they do not, or there was none.</returns>
    public DigestDifference? Enter(long version, VersionDigest digest)
    {
        Span<byte> place = Place(version);
        VersionDigest recorded = DigestFormat.Read(place);
        if (recorded.IsThere)
        {
            return recorded == digest ? null : new DigestDifference(version, recorded, digest);
        }

        DigestFormat.Write(digest, place);
        // Chunks between, of which nothing was ever told, are stored as well: a reader goes on
        // until it finds none.
        for (long chunk = Math.Min(ChunkOf(_end), ChunkOf(version)); chunk <= ChunkOf(version);
            chunk++)
        {
            Chunk(chunk);
            _unsaved.Add(chunk);
        }

        _end = Math.Max(_end, version + 1);
        return null;
    }

    /// <summary>Forgets the digests from a version on: they were outvoted.</summary>
    public void CutAt(long version)
    {
        for (long left = version; left < _end; left++)
        {
            Place(left)[..VersionDigest.Bytes].Clear();
            _unsaved.Add(ChunkOf(left));
        }
    }

    /// <summary>A copy of a chunk to store, up to the newest version; from now on it counts as
    /// saved.</summary>
    public byte[] TakeToSave(long index)
    {
        _unsaved.Remove(index);
        long count = Math.Min(ChunkLength, _end - (index * ChunkLength));
        return Chunk(index)[..(int)(count * VersionDigest.Bytes)];
    }

    /// <summary>A chunk could not be stored.</summary>
    public void MarkUnsaved(long index) => _unsaved.Add(index);

    /// <summary>Lets go of what is stored and before a version that the run cannot go back
    /// behind.</summary>
    public void ForgetBefore(long version)
    {
        long first = ChunkOf(Math.Min(version, _end));
        foreach (long index in _chunks.Keys.TakeWhile(index => index < first).ToArray())
        {
            if (!_unsaved.Contains(index))
            {
                _chunks.Remove(index);
            }
        }
    }

    private Span<byte> Place(long version) => Chunk(ChunkOf(version)).AsSpan(
        (int)(version % ChunkLength) * VersionDigest.Bytes);

    private byte[] Chunk(long index)
    {
        if (!_chunks.TryGetValue(index, out byte[]? chunk))
        {
            chunk = new byte[ChunkLength * VersionDigest.Bytes];
            _chunks.Add(index, chunk);
        }

        return chunk;
    }
}
