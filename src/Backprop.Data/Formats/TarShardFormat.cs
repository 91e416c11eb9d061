using System.Collections.Immutable;
using Backprop.Data.Storage;

namespace Backprop.Data.Formats;

/// <summary>
/// Reads tar archives whose members are named after WebDataset (github.com/webdataset/webdataset):
/// what is before the first dot of a file's name says which sample it belongs to, and what is
/// behind it what it is. The members of a sample follow each other. Opening an archive reads its
/// headers and classes; features are read and decoded whenever they are asked for, so that a set
/// may be larger than memory.
/// </summary>
public static class TarShardFormat
{
    /// <summary>Opens a dataset.</summary>
    /// <exception cref="InvalidDatasetException">An archive is not what it should be; the message
    /// says which member, and what would be right.</exception>
    public static IDataset Open(TarShardOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfZero(options.Paths.Length, nameof(options));
        var archives = new List<TarArchive>();
        try
        {
            var classes = new TarClasses();
            var shards = new List<TarIndex>();
            foreach (string path in options.Paths)
            {
                archives.Add(TarArchive.Open(path));
                shards.Add(TarIndex.Read(archives[^1], options, classes));
            }

            SampleDecoder decoder = DecoderFor(archives[0], shards[0].Samples[0], options);
            (TargetSchema.Class target, int[] indices) = classes.Resolve(options.Classes);
            return ConcatenatedDataset.Of(
                [
                    .. archives.Zip(shards, (archive, shard) => new TarShardDataset(
                        archive, shard.Samples,
                        [.. shard.Labels.Select(label => indices[label])], decoder, target)),
                ]);
        }
        catch
        {
            archives.ForEach(archive => archive.Dispose());
            throw;
        }
    }

    private static SampleDecoder DecoderFor(
        TarArchive archive, TarExtent first, TarShardOptions options)
    {
        using var content = new TarContent(archive, first);
        if (options.Features.Any(TarShardOptions.IsArray))
        {
            return new ArraySampleDecoder(content.Source, content.Bytes);
        }

        ImageSize size =
            options.Size ?? ImageDecoder.SizeOf(content.Source, content.Bytes);
        return new ImageSampleDecoder(
            size, options.IsGrey, options.Size is null ? content.Source : "the specification");
    }
}
