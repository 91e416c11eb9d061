using System.Buffers;
using Backprop.Data.Storage;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>Makes features of a file that holds one sample's; safe for several threads at once.
/// </summary>
internal abstract class SampleDecoder
{
    /// <summary>The shape of every sample's features.</summary>
    public abstract Shape FeatureShape { get; }

    /// <summary>Decodes a sample.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="destination">As many floats as the shape has.</param>
    /// <exception cref="InvalidDatasetException">It is damaged, or has another shape.</exception>
    public abstract void Decode(
        string source, ArraySegment<byte> bytes, Span<float> destination);
}

/// <summary>Images of one size.</summary>
/// <param name="size">The size of every image.</param>
/// <param name="isGrey">Whether pixels are one byte of brightness, and no three of colours.</param>
/// <param name="standard">What has this size: a file's name, or the specification.</param>
internal sealed class ImageSampleDecoder(ImageSize size, bool isGrey, string standard)
    : SampleDecoder
{
    private readonly int _channels = isGrey ? 1 : 3;

    public override Shape FeatureShape { get; } = ArrayDimensions.RequireItem(
        standard, isGrey ? [size.Height, size.Width] : [size.Height, size.Width, 3]);

    public override void Decode(string source, ArraySegment<byte> bytes, Span<float> destination)
    {
        ImageSize found = ImageDecoder.SizeOf(source, bytes);
        if (found != size)
        {
            throw new InvalidDatasetException(
                source, $"its size is {found}, where {standard} has {size}",
                "give images of one size; none is made larger or smaller");
        }

        byte[] pixels = ArrayPool<byte>.Shared.Rent(FeatureShape.Count);
        try
        {
            Span<byte> image = pixels.AsSpan(0, FeatureShape.Count);
            ImageDecoder.Decode(source, bytes, size, _channels, image);
            Elements.ToSingle(image, ElementType.UInt8, bigEndian: false, destination);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(pixels);
        }
    }
}

/// <summary>Arrays that NumPy saved, one a sample.</summary>
internal sealed class ArraySampleDecoder : SampleDecoder
{
    private readonly string _standard;
    private readonly byte[] _header;
    private readonly NumpyHeader _first;

    /// <summary>For arrays of the shape of a first one.</summary>
    /// <param name="source">The first one's file, for messages.</param>
    /// <param name="bytes">Its content.</param>
    /// <exception cref="InvalidDatasetException">It is no array that can be read.</exception>
    public ArraySampleDecoder(string source, ArraySegment<byte> bytes)
    {
        _standard = source;
        _first = NumpyFormat.ReadHeader(source, bytes);
        _header = bytes.AsSpan(0, _first.Bytes).ToArray();
        FeatureShape = ArrayDimensions.RequireItem(source, _first.Dimensions);
    }

    public override Shape FeatureShape { get; }

    public override void Decode(string source, ArraySegment<byte> bytes, Span<float> destination)
    {
        // Most have the first one's header.
        NumpyHeader header = bytes.AsSpan().StartsWith(_header)
            ? _first
            : NumpyFormat.ReadHeader(source, bytes);
        if (!header.Dimensions.AsSpan().SequenceEqual(_first.Dimensions.AsSpan()))
        {
            throw new InvalidDatasetException(
                source, $"its shape is {string.Join('x', header.Dimensions)}, where {_standard} "
                + $"has {FeatureShape}", "give arrays of one shape");
        }

        DataFile.RequireSize(source, bytes.Count, header.Bytes, header.PayloadBytes);
        Span<float> features = destination[..FeatureShape.Count];
        Elements.ToSingle(
            bytes.AsSpan(header.Bytes), header.Type, header.BigEndian, features);
        int bad = features.IndexOfAnyExceptFinite();
        if (bad >= 0)
        {
            throw new InvalidDatasetException(
                source, $"a number is {features[bad]}",
                $"only finite numbers within ±{float.MaxValue:g3} can be used",
                new DataPosition
                {
                    ByteOffset = header.Bytes + ((long)bad * Elements.Size(header.Type)),
                });
        }
    }
}
