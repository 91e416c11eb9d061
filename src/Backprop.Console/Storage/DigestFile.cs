using Backprop.Training.Digests;

namespace Backprop.Console.Storage;

/// <summary>
/// Keeps the digests of a run's versions in a file of its directory, <c>digests.bin</c>, as
/// <see cref="DigestFormat"/> has it. What is recorded there holds: a version that is computed
/// again, after an interruption, has to come to the same digest.
/// </summary>
internal sealed class DigestFile : IDigestLog, IDisposable
{
    /// <summary>The name of the file.</summary>
    public const string Name = "digests.bin";

    private const int BufferedDigests = 4_096;

    private readonly FileStream _file;
    private readonly byte[] _buffer = new byte[BufferedDigests * VersionDigest.Bytes];
    private long _firstBuffered;
    private int _buffered;

    private DigestFile(FileStream file)
    {
        _file = file;
        _firstBuffered = DigestFormat.CountIn(file.Length);
    }

    /// <summary>One past the newest version on record.</summary>
    public long EndVersion => _firstBuffered + _buffered;

    /// <summary>Opens the file of a directory, or makes one.</summary>
    /// <exception cref="IOException">It cannot be written to, or is another program's.</exception>
    public static DigestFile Open(string directory)
    {
        var file = new FileStream(
            Path.Combine(directory, Name), FileMode.OpenOrCreate, FileAccess.ReadWrite,
            FileShare.Read, bufferSize: 1);
        try
        {
            if (file.Length < DigestFormat.HeaderBytes)
            {
                // New, or cut off before the first digest was there.
                file.Write(DigestFormat.Header);
                file.SetLength(DigestFormat.HeaderBytes);
            }
            else
            {
                RequireHeader(file);
            }

            return new DigestFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>All digests of a directory's file, by version; none: there is no such file. The run
    /// may train meanwhile.</summary>
    /// <exception cref="IOException">It cannot be read, or is another program's.</exception>
    public static VersionDigest[] ReadAll(string directory)
    {
        string path = Path.Combine(directory, Name);
        if (!File.Exists(path))
        {
            return [];
        }

        using var file = new FileStream(
            path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return ReadAll(file);
    }

    /// <summary>All digests of a file, by version.</summary>
    /// <exception cref="IOException">It cannot be read, or is another program's.</exception>
    public static VersionDigest[] ReadAll(Stream file)
    {
        RequireHeader(file);
        var digests = new VersionDigest[DigestFormat.CountIn(file.Length)];
        var bytes = new byte[VersionDigest.Bytes];
        for (long version = 0; version < digests.Length; version++)
        {
            file.ReadExactly(bytes);
            digests[version] = DigestFormat.Read(bytes);
        }

        return digests;
    }

    /// <summary>Deletes the file of a directory: the run starts anew.</summary>
    public static void Delete(string directory) => File.Delete(Path.Combine(directory, Name));

    /// <inheritdoc/>
    public void Record(long version, VersionDigest digest)
    {
        if (version < EndVersion)
        {
            Compare(version, digest);
            return;
        }

        if (version > EndVersion || _buffered == BufferedDigests)
        {
            Write();
            _firstBuffered = version;
        }

        DigestFormat.Write(digest, _buffer.AsSpan(_buffered * VersionDigest.Bytes));
        _buffered++;
    }

    /// <inheritdoc/>
    public void Flush()
    {
        Write();
        _file.Flush(flushToDisk: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Write();
        _file.Dispose();
    }

    private static void RequireHeader(Stream file)
    {
        Span<byte> header = stackalloc byte[DigestFormat.HeaderBytes];
        file.Position = 0;
        if (file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length
            || !header.SequenceEqual(DigestFormat.Header))
        {
            throw new IOException(
                "the file of digests is not one that this program wrote; move it away, and digests"
                + " are taken anew");
        }
    }

    private void Compare(long version, VersionDigest digest)
    {
        Write();
        Span<byte> bytes = stackalloc byte[VersionDigest.Bytes];
        long offset = DigestFormat.OffsetOf(version);
        RandomAccess.Read(_file.SafeFileHandle, bytes, offset);
        VersionDigest recorded = DigestFormat.Read(bytes);
        if (!recorded.IsThere)
        {
            DigestFormat.Write(digest, bytes);
            RandomAccess.Write(_file.SafeFileHandle, bytes, offset);
        }
        else if (recorded != digest)
        {
            throw new DigestException(new DigestDifference(version, recorded, digest));
        }
    }

    // What lies between the end of the file and the place is zeros: versions without a record.
    private void Write()
    {
        if (_buffered > 0)
        {
            RandomAccess.Write(
                _file.SafeFileHandle, _buffer.AsSpan(0, _buffered * VersionDigest.Bytes),
                DigestFormat.OffsetOf(_firstBuffered));
            _firstBuffered += _buffered;
            _buffered = 0;
        }
    }
}
