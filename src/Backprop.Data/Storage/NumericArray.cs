using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data.Storage;

/// <summary>An array of numbers, row-major, as its file holds it: items along the first dimension,
/// converted to floats as they are read.</summary>
internal sealed class NumericArray : IDisposable
{
    private const int ScanLength = 4096;

    private readonly ByteStore _bytes;
    private readonly long _start;

    /// <summary>An array over <paramref name="bytes"/> from <paramref name="start"/>, whose size
    /// its reader has checked.</summary>
    public NumericArray(
        string source, ElementType type, bool bigEndian, ImmutableArray<int> dimensions,
        ByteStore bytes, long start)
    {
        Source = source;
        Type = type;
        BigEndian = bigEndian;
        Count = dimensions[0];
        ItemShape = Shape.Of(dimensions.AsSpan()[1..]);
        _bytes = bytes;
        _start = start;
    }

    /// <summary>The file, for messages.</summary>
    public string Source { get; }

    /// <summary>What the file holds.</summary>
    public ElementType Type { get; }

    /// <summary>The file's byte order.</summary>
    public bool BigEndian { get; }

    /// <summary>Items: the first dimension.</summary>
    public int Count { get; }

    /// <summary>The other dimensions.</summary>
    public Shape ItemShape { get; }

    private int ItemBytes => ItemShape.Count * Elements.Size(Type);

    /// <summary>Reads an item; allocates nothing.</summary>
    public void Read(long item, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)item, (ulong)Count);
        ReadOnlySpan<byte> bytes = _bytes.Slice(_start + (item * ItemBytes), ItemBytes);
        Elements.ToSingle(bytes, Type, BigEndian, destination);
    }

    /// <summary>Refuses numbers that are not finite as floats.</summary>
    public void RequireFinite()
    {
        if (!Elements.IsFloating(Type))
        {
            return;
        }

        Span<float> values = stackalloc float[ScanLength];
        int size = Elements.Size(Type);
        long total = (long)Count * ItemShape.Count;
        for (long first = 0; first < total; first += ScanLength)
        {
            int length = (int)Math.Min(ScanLength, total - first);
            long offset = _start + (first * size);
            Elements.ToSingle(
                _bytes.Slice(offset, length * size), Type, BigEndian, values[..length]);
            int bad = values[..length].IndexOfAnyExceptFinite();
            if (bad >= 0)
            {
                throw new InvalidDatasetException(
                    Source, $"a number is {values[bad]}",
                    $"only finite numbers within ±{float.MaxValue:g3} can be used",
                    new DataPosition
                    {
                        ByteOffset = offset + ((long)bad * size),
                        Sample = (first + bad) / ItemShape.Count,
                    });
            }
        }
    }

    /// <summary>Refuses items that are not class indices, and returns the largest.</summary>
    /// <param name="classes">How many classes there are; null: as many as needed.</param>
    /// <param name="maxClasses">The most there may be where their number is not given.</param>
    public int RequireLabels(int? classes, int maxClasses)
    {
        int size = Elements.Size(Type);
        int largest = 0;
        int bound = classes ?? maxClasses;
        for (long item = 0; item < Count; item++)
        {
            long offset = _start + (item * size);
            double label = Elements.ToDouble(_bytes.Slice(offset, size), Type, BigEndian);
            if (!(label >= 0 && label < bound) || label != Math.Floor(label))
            {
                throw new InvalidDatasetException(
                    Source, $"label {label} is out of range",
                    $"labels are whole numbers from 0 to {bound - 1}",
                    new DataPosition { ByteOffset = offset, Sample = item });
            }

            largest = Math.Max(largest, (int)label);
        }

        return largest;
    }

    /// <inheritdoc/>
    public void Dispose() => _bytes.Dispose();
}

/// <summary>Searches spans of floats.</summary>
internal static class FiniteSearch
{
    /// <summary>The first element that is NaN or infinite; −1: none.</summary>
    public static int IndexOfAnyExceptFinite(this ReadOnlySpan<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                return i;
            }
        }

        return -1;
    }

    /// <inheritdoc cref="IndexOfAnyExceptFinite(ReadOnlySpan{float})"/>
    public static int IndexOfAnyExceptFinite(this Span<float> values) =>
        IndexOfAnyExceptFinite((ReadOnlySpan<float>)values);
}
