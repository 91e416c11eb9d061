using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Backprop.Data.Tensors;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Values">Its numbers, row-major, made when they are written.</param>
public sealed record WrittenTensor(
    string Name, ImmutableArray<int> Shape, Func<ReadOnlyMemory<float>> Values)
{
    /// <summary>Numbers.</summary>
    public long Count => Shape.Aggregate(1L, (product, dimension) => product * dimension);

    /// <summary>Writes the numbers, little-endian.</summary>
    internal void WriteValues(Stream destination)
    {
        ReadOnlySpan<float> values = Values().Span;
        if (BitConverter.IsLittleEndian)
        {
            destination.Write(MemoryMarshal.AsBytes(values));
            return;
        }

        Span<byte> number = stackalloc byte[sizeof(float)];
        foreach (float value in values)
        {
            BinaryPrimitives.WriteSingleLittleEndian(number, value);
            destination.Write(number);
        }
    }
}

/// <summary>Writes files of safetensors: see <see cref="SafetensorsFile"/>.</summary>
public static class SafetensorsWriter
{
    // The format's own writer has tensors begin at a multiple of so many bytes.
    private const int Alignment = 8;

    /// <summary>Writes a file.</summary>
    /// <param name="tensors">The tensors, in the order of their bytes; names differ.</param>
    /// <param name="metadata">What the file says beside them.</param>
    /// <param name="destination">Written from its position on.</param>
    /// <exception cref="ArgumentException">The header would be longer than readers take.
    /// </exception>
    public static void Write(
        IReadOnlyList<WrittenTensor> tensors, IReadOnlyDictionary<string, string> metadata,
        Stream destination)
    {
        byte[] header = Header(tensors, metadata);
        if (header.Length > SafetensorsFile.MaxHeaderBytes)
        {
            throw new ArgumentException(
                $"a header of {header.Length:N0} bytes; {SafetensorsFile.MaxHeaderBytes:N0} is "
                + "the most", nameof(tensors));
        }

        Span<byte> length = stackalloc byte[SafetensorsFile.LengthBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        destination.Write(length);
        destination.Write(header);
        foreach (WrittenTensor tensor in tensors)
        {
            tensor.WriteValues(destination);
        }
    }

    private static byte[] Header(
        IReadOnlyList<WrittenTensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteStartObject(SafetensorsFile.MetadataKey);
            foreach ((string key, string text) in metadata)
            {
                json.WriteString(key, text);
            }

            json.WriteEndObject();
            long offset = 0;
            foreach (WrittenTensor tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", "F32");
                WriteNumbers(json, "shape", [.. tensor.Shape.Select(d => (long)d)]);
                long end = offset + (tensor.Count * sizeof(float));
                WriteNumbers(json, "data_offsets", [offset, end]);
                json.WriteEndObject();
                offset = end;
            }

            json.WriteEndObject();
        }

        while ((bytes.Length + SafetensorsFile.LengthBytes) % Alignment != 0)
        {
            bytes.WriteByte((byte)' ');
        }

        return bytes.ToArray();
    }

    private static void WriteNumbers(
        Utf8JsonWriter json, string key, ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(key);
        foreach (long number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
