using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;
using Backprop.Data.Formats;
using Backprop.Data.Storage;
using Backprop.Engine.Numerics;

namespace Backprop.Data.Tensors;

/// <summary>
/// A file of safetensors, little-endian: 8 bytes of length, so many of a JSON object, then the
/// tensors' bytes. The object has for each tensor its <c>dtype</c>, <c>shape</c> and
/// <c>data_offsets</c>, from the first tensor byte on, and texts under <c>__metadata__</c>; see
/// <see href="https://github.com/huggingface/safetensors"/>.
/// </summary>
/// <remarks>Every length is held against the file's before memory is taken; tensors cover the bytes
/// behind the header without gaps and overlaps, as the format demands.</remarks>
public sealed class SafetensorsFile : ITensorFile
{
    /// <summary>The most bytes of a header: what the format's own reader takes.</summary>
    public const int MaxHeaderBytes = 100_000_000;

    internal const string MetadataKey = "__metadata__";
    internal const int LengthBytes = sizeof(ulong);
    private const int MaxDimensions = 16;
    private const int PieceBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly ImmutableDictionary<string, TensorEntry> _entries;

    // Whether the source is a path.
    private bool _isOnDisk;

    private SafetensorsFile(
        string source, Stream stream, ImmutableDictionary<string, TensorEntry> entries,
        IReadOnlyDictionary<string, string> metadata)
    {
        Source = source;
        Metadata = metadata;
        _stream = stream;
        _entries = entries;
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public IEnumerable<string> Names => _entries.Keys;

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDatasetException">There is none, or it is not what it should be; the
    /// message says where, and what would be right.</exception>
    public static SafetensorsFile Open(string path)
    {
        FileStream stream = DataFile.Open(path);
        try
        {
            SafetensorsFile file = Open(path, stream);
            file._isOnDisk = true;
            return file;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file.</summary>
    /// <param name="source">Its name, for messages.</param>
    /// <param name="stream">Its bytes, from the beginning; seekable, and the file's to dispose.
    /// </param>
    /// <exception cref="InvalidDatasetException">It is not what it should be.</exception>
    public static SafetensorsFile Open(string source, Stream stream)
    {
        stream.Position = 0;
        Span<byte> lengthBytes = stackalloc byte[LengthBytes];
        DataFile.ReadHeader(stream, source, "safetensors", lengthBytes);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
        long left = stream.Length - LengthBytes;
        if (length > MaxHeaderBytes || (long)length > left)
        {
            throw new InvalidDatasetException(
                source, $"its header is said to have {length:N0} bytes, of {left:N0} that follow",
                $"a header has at most {MaxHeaderBytes:N0} bytes, and the file has all of it",
                new DataPosition { ByteOffset = 0 });
        }

        var header = new byte[length];
        DataFile.ReadHeader(stream, source, "safetensors", header);
        try
        {
            using var document = JsonDocument.Parse(
                header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return Parse(source, stream, document.RootElement, LengthBytes + (long)length);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDatasetException(
                source, $"its header cannot be read: {e.Message}",
                "it is a JSON object of tensors, each with dtype, shape and data_offsets",
                new DataPosition { ByteOffset = LengthBytes }, e);
        }
    }

    /// <inheritdoc/>
    public TensorEntry? Find(string name) => _entries.GetValueOrDefault(name);

    /// <inheritdoc/>
    public string? Beside(string name) => _isOnDisk ? DataFile.TextBeside(Source, name) : null;

    /// <inheritdoc/>
    public void Read(string name, Span<float> destination)
    {
        TensorEntry entry = _entries[name];
        int size = SizeOf(entry.Type);
        if (!IsFloating(entry.Type))
        {
            throw new InvalidDatasetException(
                Source, $"the elements of tensor {Quotation.Of(name)} are {entry.Type}",
                "F64, F32, F16 and BF16 can be read: save it as one of them");
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(
            destination.Length * (long)size, entry.Bytes, nameof(destination));
        var piece = new byte[Math.Min(entry.Bytes, PieceBytes)];
        _stream.Position = entry.Offset;
        for (int done = 0; done < destination.Length;)
        {
            int count = Math.Min(PieceBytes / size, destination.Length - done);
            Span<byte> bytes = piece.AsSpan(0, count * size);
            DataFile.ReadHeader(_stream, Source, "safetensors", bytes);
            Span<float> here = destination.Slice(done, count);
            ToSingle(bytes, entry.Type, here);
            int bad = here.IndexOfAnyExceptFinite();
            if (bad >= 0)
            {
                throw new InvalidDatasetException(
                    Source, $"a number of tensor {Quotation.Of(name)} is {here[bad]}",
                    $"only finite numbers within ±{float.MaxValue:g3} can be used",
                    new DataPosition { ByteOffset = entry.Offset + ((long)(done + bad) * size) });
            }

            done += count;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static SafetensorsFile Parse(
        string source, Stream stream, JsonElement root, long start)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        var entries = ImmutableDictionary.CreateBuilder<string, TensorEntry>(
            StringComparer.Ordinal);
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name == MetadataKey)
            {
                foreach (JsonProperty text in property.Value.EnumerateObject())
                {
                    metadata.Add(text.Name, text.Value.GetString() ?? "");
                }
            }
            else
            {
                entries.Add(
                    property.Name, ParseEntry(source, property.Name, property.Value, start));
            }
        }

        RequireCover(source, entries, start, stream.Length);
        return new SafetensorsFile(source, stream, entries.ToImmutable(), metadata);
    }

    private static TensorEntry ParseEntry(
        string source, string name, JsonElement element, long start)
    {
        string type = Property(source, name, element, "dtype").GetString() ?? "";
        JsonElement shape = Property(source, name, element, "shape");
        JsonElement offsets = Property(source, name, element, "data_offsets");
        if (shape.GetArrayLength() > MaxDimensions || offsets.GetArrayLength() != 2
            || !shape.EnumerateArray().All(IsCount) || !offsets.EnumerateArray().All(IsCount))
        {
            throw Malformed(
                source, name, $"shape {Quotation.Of(shape.GetRawText())} and data_offsets "
                + Quotation.Of(offsets.GetRawText()),
                $"a shape has at most {MaxDimensions} whole numbers, data_offsets have two");
        }

        ImmutableArray<long> dimensions = [.. shape.EnumerateArray().Select(d => d.GetInt64())];
        long begin = offsets[0].GetInt64(), end = offsets[1].GetInt64();
        Int128 bytes = SizeOf(type);
        foreach (long dimension in dimensions)
        {
            // Saturated: more than any file has.
            bytes = Int128.Min(bytes * dimension, long.MaxValue);
        }

        bool isKnown = SizeOf(type) > 0;
        if (begin > end || (isKnown && bytes != end - begin))
        {
            throw Malformed(
                source, name,
                $"{type} numbers of shape [{string.Join(", ", dimensions)}] at {begin} to {end}",
                "data_offsets span as many bytes as type and shape say");
        }

        return new TensorEntry(type, dimensions, start + begin, end - begin);
    }

    // Entries that each fit may still lie upon each other, or leave bytes that nobody reads.
    private static void RequireCover(
        string source, IReadOnlyDictionary<string, TensorEntry> entries, long start, long end)
    {
        long at = start;
        foreach ((string name, TensorEntry entry) in entries
            .OrderBy(entry => entry.Value.Offset).ThenBy(entry => entry.Value.Bytes))
        {
            if (entry.Offset != at || entry.Bytes > end - at)
            {
                throw Malformed(
                    source, name,
                    $"{entry.Bytes:N0} bytes at {entry.Offset - start:N0}, where {at - start:N0} "
                    + $"is next and {end - start:N0} the end",
                    "tensors follow each other without gaps, within the file");
            }

            at += entry.Bytes;
        }

        if (at != end)
        {
            throw new InvalidDatasetException(
                source, $"{end - at:N0} bytes follow its last tensor",
                "give a file whose header counts all of its data",
                new DataPosition { ByteOffset = at });
        }
    }

    private static JsonElement Property(
        string source, string name, JsonElement element, string key) =>
        element.TryGetProperty(key, out JsonElement value)
            ? value
            : throw Malformed(
                source, name, $"no '{key}'", "a tensor has dtype, shape and data_offsets");

    private static bool IsCount(JsonElement element) =>
        element.ValueKind == JsonValueKind.Number
        && element.TryGetInt64(out long value) && value >= 0;

    private static bool IsFloating(string type) => type is "F64" or "F32" or "F16" or "BF16";

    // 0: a type of a later version, whose tensors are passed over.
    private static int SizeOf(string type) => type switch
    {
        "F64" or "I64" or "U64" => 8,
        "F32" or "I32" or "U32" => 4,
        "F16" or "BF16" or "I16" or "U16" => 2,
        "BOOL" or "I8" or "U8" => 1,
        _ => 0,
    };

    private static void ToSingle(ReadOnlySpan<byte> bytes, string type, Span<float> destination)
    {
        switch (type)
        {
            case "F32":
                Elements.ToSingle(bytes, ElementType.Float32, false, destination);
                break;
            case "F64":
                Elements.ToSingle(bytes, ElementType.Float64, false, destination);
                break;
            case "BF16" when BitConverter.IsLittleEndian:
                Bfloat16.Widen(MemoryMarshal.Cast<byte, ushort>(bytes), destination);
                break;
            default:
                for (int i = 0; i < destination.Length; i++)
                {
                    ReadOnlySpan<byte> element = bytes.Slice(i * sizeof(ushort), sizeof(ushort));
                    destination[i] = type == "F16"
                        ? (float)BinaryPrimitives.ReadHalfLittleEndian(element)
                        : BitConverter.Int32BitsToSingle(
                            BinaryPrimitives.ReadUInt16LittleEndian(element) << 16);
                }

                break;
        }
    }

    private static InvalidDatasetException Malformed(
        string source, string name, string problem, string remedy) => new(
        source, $"tensor {Quotation.Of(name)} has {problem}", remedy,
        new DataPosition { ByteOffset = LengthBytes });
}
