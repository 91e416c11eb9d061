using System.Buffers;
using System.Collections.Immutable;
using Backprop.Data.Storage;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>The samples of one archive, read and decoded when they are asked for: of each, no more
/// is in memory than where it stands and its class.</summary>
/// <param name="archive">The archive, which this owns.</param>
/// <param name="samples">Where the samples' features are.</param>
/// <param name="labels">Their classes.</param>
/// <param name="decoder">Makes features of them.</param>
/// <param name="target">All classes.</param>
internal sealed class TarShardDataset(
    TarArchive archive, ImmutableArray<TarExtent> samples, ImmutableArray<int> labels,
    SampleDecoder decoder, TargetSchema.Class target) : IDataset
{
    /// <inheritdoc/>
    public string Source => archive.Path;

    /// <inheritdoc/>
    public long Count => samples.Length;

    /// <inheritdoc/>
    public Shape FeatureShape => decoder.FeatureShape;

    /// <inheritdoc/>
    public TargetSchema Target => target;

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames => [];

    /// <summary>Reads and decodes a sample's features, which allocates what the decoder does.
    /// </summary>
    /// <param name="sample">In [0, <see cref="Count"/>).</param>
    /// <param name="destination">As many floats as <see cref="FeatureShape"/> has.</param>
    /// <exception cref="InvalidDatasetException">What is there cannot be decoded, or is no longer
    /// there.</exception>
    public void ReadFeatures(long sample, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)sample, (ulong)Count);
        using var content = new TarContent(archive, samples[(int)sample]);
        decoder.Decode(content.Source, content.Bytes, destination);
    }

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination) =>
        destination[0] = labels[checked((int)sample)];

    /// <inheritdoc/>
    public void Dispose() => archive.Dispose();
}

/// <summary>Where a member's content is in an archive.</summary>
/// <param name="Offset">Of its first byte.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct TarExtent(long Offset, int Length);

/// <summary>A member's content, in memory that is lent until this is disposed.</summary>
internal readonly struct TarContent : IDisposable
{
    private readonly byte[] _buffer;

    /// <summary>Reads a member together with the header before it, which knows its name.</summary>
    /// <exception cref="InvalidDatasetException">It is no longer there.</exception>
    public TarContent(TarArchive archive, TarExtent extent)
    {
        const int HeaderBytes = TarArchive.BlockBytes;
        _buffer = ArrayPool<byte>.Shared.Rent(HeaderBytes + extent.Length);
        archive.Read(
            extent.Offset - HeaderBytes, _buffer.AsSpan(0, HeaderBytes + extent.Length));
        Source = archive.PlaceOf(TarArchive.NameIn(_buffer.AsSpan(0, HeaderBytes)));
        Bytes = new ArraySegment<byte>(_buffer, HeaderBytes, extent.Length);
    }

    /// <summary>The archive and the member, for messages.</summary>
    public string Source { get; }

    /// <summary>The content.</summary>
    public ArraySegment<byte> Bytes { get; }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);
}
