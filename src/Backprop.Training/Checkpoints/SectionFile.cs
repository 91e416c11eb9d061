using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Backprop.Engine;

namespace Backprop.Training.Checkpoints;

/// <summary>
/// The container of checkpoints and models, little-endian:
/// <code>
/// magic            8 bytes, by kind
/// version          4 bytes
/// header           4 bytes of length, then so many of UTF-8 JSON
/// section count    4 bytes
/// each section     8 bytes of length, then so many of fp32
/// digest           32 bytes: SHA-256 of all of the above
/// </code>
/// The digest is checked first, and every length against what is left of the file, so that nothing
/// in a damaged file is believed and no memory is taken on a file's word.
/// </summary>
internal static class SectionFile
{
    public const int Version = 1;
    public const int MagicBytes = 8;
    private const int MaxHeaderBytes = 256 << 20;
    private const int CopyBytes = 1 << 20;

    /// <summary>How headers are written.</summary>
    public static readonly JsonSerializerOptions Json = new()
    {
        IgnoreReadOnlyProperties = true,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>Writes a header and its sections.</summary>
    public static void Write<THeader>(
        ReadOnlySpan<byte> magic, THeader header, IReadOnlyList<AlignedBuffer> sections,
        Stream destination)
    {
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(header, Json);
        if (json.Length > MaxHeaderBytes)
        {
            throw new CheckpointException(
                $"a header of {json.Length:N0} bytes; the format has room for {MaxHeaderBytes:N0}");
        }

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Put(magic);
        Put(Bytes(Version));
        Put(Bytes(json.Length));
        Put(json);
        Put(Bytes(sections.Count));
        foreach (AlignedBuffer section in sections)
        {
            Put(Bytes((long)section.Length * sizeof(float)));
            for (int start = 0; start < section.Length; start += LittleEndian.PieceFloats)
            {
                Put(LittleEndian.Piece(section.Span, start));
            }
        }

        destination.Write(hash.GetHashAndReset());

        void Put(ReadOnlySpan<byte> bytes)
        {
            hash.AppendData(bytes);
            destination.Write(bytes);
        }
    }

    /// <summary>Reads a file from the stream's position to its end.</summary>
    /// <param name="magic">The kind of file that is wanted.</param>
    /// <param name="kind">Its name, for messages: <c>checkpoint</c>.</param>
    /// <param name="sectionLengths">From the header, how many floats each section must have;
    /// throws <see cref="CheckpointException"/> where the header makes no sense.</param>
    /// <param name="source">Must be seekable.</param>
    public static (THeader Header, ImmutableArray<AlignedBuffer> Sections) Read<THeader>(
        ReadOnlySpan<byte> magic, string kind,
        Func<THeader, IReadOnlyList<long>> sectionLengths, Stream source)
    {
        long begin = source.Position;
        long end = source.Length - SHA256.HashSizeInBytes;
        CheckIdentity(magic, kind, source);
        CheckDigest(kind, begin, end, source);
        source.Position = begin + MagicBytes + sizeof(int);
        THeader header = ReadHeader<THeader>(kind, end, source);
        IReadOnlyList<long> lengths = sectionLengths(header);
        int count = ReadInt32(kind, source);
        if (count != lengths.Count)
        {
            throw Malformed(kind, $"{count} sections where {lengths.Count} belong");
        }

        var sections = new List<AlignedBuffer>();
        try
        {
            foreach (long length in lengths)
            {
                sections.Add(ReadSection(kind, length, end, source));
            }

            if (source.Position != end)
            {
                throw Malformed(kind, $"{end - source.Position:N0} bytes too many");
            }
        }
        catch
        {
            sections.ForEach(section => section.Dispose());
            throw;
        }

        return (header, [.. sections]);
    }

    private static void CheckIdentity(ReadOnlySpan<byte> magic, string kind, Stream source)
    {
        Span<byte> start = stackalloc byte[MagicBytes + sizeof(int)];
        if (source.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length
            || !start[..MagicBytes].SequenceEqual(magic))
        {
            throw new CheckpointException($"not a {kind} file: it does not begin as one");
        }

        int version = BinaryPrimitives.ReadInt32LittleEndian(start[MagicBytes..]);
        if (version != Version)
        {
            throw new CheckpointException(
                $"the {kind} has format version {version}; this program reads {Version}");
        }
    }

    private static void CheckDigest(string kind, long begin, long end, Stream source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        source.Position = begin;
        byte[] piece = new byte[Math.Clamp(end - begin, 1, CopyBytes)];
        for (long left = end - begin; left > 0;)
        {
            int read = source.Read(piece, 0, (int)Math.Min(left, piece.Length));
            if (read == 0)
            {
                break;
            }

            hash.AppendData(piece, 0, read);
            left -= read;
        }

        Span<byte> stored = stackalloc byte[SHA256.HashSizeInBytes];
        if (end < begin
            || source.ReadAtLeast(stored, stored.Length, throwOnEndOfStream: false) < stored.Length
            || !stored.SequenceEqual(hash.GetHashAndReset()))
        {
            throw new CheckpointException(
                $"the {kind} is damaged: its SHA-256 does not match its content");
        }
    }

    private static THeader ReadHeader<THeader>(string kind, long end, Stream source)
    {
        int length = ReadInt32(kind, source);
        if (length < 0 || length > MaxHeaderBytes || length > end - source.Position)
        {
            throw Malformed(kind, $"a header of {length:N0} bytes");
        }

        byte[] json = new byte[length];
        source.ReadExactly(json);
        try
        {
            return JsonSerializer.Deserialize<THeader>(json, Json)
                ?? throw Malformed(kind, "an empty header");
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"the {kind}'s header cannot be read: {e.Message}", e);
        }
    }

    private static AlignedBuffer ReadSection(string kind, long floats, long end, Stream source)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        ReadExactly(kind, source, number);
        long bytes = BinaryPrimitives.ReadInt64LittleEndian(number);
        if (bytes != floats * sizeof(float) || bytes > end - source.Position
            || floats > Shape.MaxCount)
        {
            throw Malformed(kind, $"a section of {bytes:N0} bytes for {floats:N0} floats");
        }

        var section = new AlignedBuffer((int)floats);
        for (int start = 0; start < section.Length; start += LittleEndian.PieceFloats)
        {
            source.ReadExactly(LittleEndian.Piece(section.Span, start));
        }

        return section;
    }

    private static int ReadInt32(string kind, Stream source)
    {
        Span<byte> number = stackalloc byte[sizeof(int)];
        ReadExactly(kind, source, number);
        return BinaryPrimitives.ReadInt32LittleEndian(number);
    }

    private static void ReadExactly(string kind, Stream source, Span<byte> destination)
    {
        if (source.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false)
            < destination.Length)
        {
            throw Malformed(kind, "an early end");
        }
    }

    private static CheckpointException Malformed(string kind, string what) =>
        new($"the {kind} is malformed: {what}");

    private static byte[] Bytes(int value)
    {
        byte[] bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static byte[] Bytes(long value)
    {
        byte[] bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        return bytes;
    }
}
