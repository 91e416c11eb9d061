using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Backprop.Data.Storage;

/// <summary>The kinds of number that array files hold.</summary>
public enum ElementType
{
    /// <summary>8 bits, unsigned.</summary>
    UInt8,

    /// <summary>8 bits, signed.</summary>
    Int8,

    /// <summary>16 bits, signed.</summary>
    Int16,

    /// <summary>32 bits, signed.</summary>
    Int32,

    /// <summary>64 bits, signed.</summary>
    Int64,

    /// <summary>IEEE single precision.</summary>
    Float32,

    /// <summary>IEEE double precision.</summary>
    Float64,
}

/// <summary>Reads the numbers of array files as floats.</summary>
internal static class Elements
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(ElementType type) => type switch
    {
        ElementType.UInt8 or ElementType.Int8 => 1,
        ElementType.Int16 => 2,
        ElementType.Int32 or ElementType.Float32 => 4,
        _ => 8,
    };

    /// <summary>Whether elements are floating-point numbers, which may be NaN or infinite.
    /// </summary>
    public static bool IsFloating(ElementType type) =>
        type is ElementType.Float32 or ElementType.Float64;

    /// <summary>Reads elements as floats, rounded to nearest where they are wider.</summary>
    /// <param name="source">Bytes of the elements.</param>
    /// <param name="type">Their type.</param>
    /// <param name="bigEndian">Their byte order.</param>
    /// <param name="destination">One float an element.</param>
    public static void ToSingle(
        ReadOnlySpan<byte> source, ElementType type, bool bigEndian, Span<float> destination)
    {
        if (type == ElementType.UInt8)
        {
            WidenBytes(source, destination);
        }
        else if (type == ElementType.Float32 && bigEndian != BitConverter.IsLittleEndian)
        {
            MemoryMarshal.Cast<byte, float>(source)[..destination.Length].CopyTo(destination);
        }
        else
        {
            int size = Size(type);
            for (int i = 0; i < destination.Length; i++)
            {
                destination[i] = (float)ToDouble(source.Slice(i * size, size), type, bigEndian);
            }
        }
    }

    /// <summary>Reads one element. Integers beyond 2^53 are rounded.</summary>
    public static double ToDouble(ReadOnlySpan<byte> source, ElementType type, bool bigEndian) =>
        (type, bigEndian) switch
        {
            (ElementType.UInt8, _) => source[0],
            (ElementType.Int8, _) => (sbyte)source[0],
            (ElementType.Int16, false) => BinaryPrimitives.ReadInt16LittleEndian(source),
            (ElementType.Int16, true) => BinaryPrimitives.ReadInt16BigEndian(source),
            (ElementType.Int32, false) => BinaryPrimitives.ReadInt32LittleEndian(source),
            (ElementType.Int32, true) => BinaryPrimitives.ReadInt32BigEndian(source),
            (ElementType.Int64, false) => BinaryPrimitives.ReadInt64LittleEndian(source),
            (ElementType.Int64, true) => BinaryPrimitives.ReadInt64BigEndian(source),
            (ElementType.Float32, false) => BinaryPrimitives.ReadSingleLittleEndian(source),
            (ElementType.Float32, true) => BinaryPrimitives.ReadSingleBigEndian(source),
            (ElementType.Float64, false) => BinaryPrimitives.ReadDoubleLittleEndian(source),
            _ => BinaryPrimitives.ReadDoubleBigEndian(source),
        };

    /// <summary>Writes floats as elements that hold each of them exactly, little-endian.</summary>
    /// <param name="source">Whole numbers where elements are integers.</param>
    /// <param name="type">Bytes, 32-bit integers or single precision.</param>
    /// <param name="destination">As many elements.</param>
    public static void FromSingle(
        ReadOnlySpan<float> source, ElementType type, Span<byte> destination)
    {
        int size = Size(type);
        for (int i = 0; i < source.Length; i++)
        {
            Span<byte> element = destination[(i * size)..];
            switch (type)
            {
                case ElementType.UInt8:
                    element[0] = checked((byte)source[i]);
                    break;
                case ElementType.Int32:
                    BinaryPrimitives.WriteInt32LittleEndian(element, checked((int)source[i]));
                    break;
                case ElementType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(element, source[i]);
                    break;
                default:
                    throw new ArgumentOutOfRangeException(nameof(type), type, "not written here");
            }
        }
    }

    // Images are bytes, and a batch of them is most of what loading costs.
    private static void WidenBytes(ReadOnlySpan<byte> source, Span<float> destination)
    {
        int i = 0;
        for (; i + Vector128<byte>.Count <= destination.Length; i += Vector128<byte>.Count)
        {
            (Vector128<ushort> low, Vector128<ushort> high) =
                Vector128.Widen(Vector128.Create(source[i..]));
            StoreWidened(low, destination[i..]);
            StoreWidened(high, destination[(i + Vector128<ushort>.Count)..]);
        }

        for (; i < destination.Length; i++)
        {
            destination[i] = source[i];
        }
    }

    private static void StoreWidened(Vector128<ushort> source, Span<float> destination)
    {
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(source);
        Vector128.ConvertToSingle(low.AsInt32()).CopyTo(destination);
        Vector128.ConvertToSingle(high.AsInt32()).CopyTo(destination[Vector128<uint>.Count..]);
    }
}
