using System.Formats.Tar;
using System.Globalization;
using System.Text;
using Backprop.Data.Storage;
using Backprop.Data.Tensors;

namespace Backprop.Data.Formats;

/// <summary>Writes the samples of a dataset, as they are read, to files that can be read at random
/// without being held in memory; no more than a sample of them is in memory here either. The same
/// samples make the same bytes.</summary>
public static class DatasetConversion
{
    // Names of members: as many digits as ten billion samples need.
    private const string KeyFormat = "D10";

    /// <summary>Writes a pair of <c>.npy</c> files: features as bytes where every one is a whole
    /// number from 0 to 255, else in single precision; classes as integers, values in single
    /// precision.</summary>
    /// <param name="dataset">What is written.</param>
    /// <param name="features">Takes [samples, dimensions of the features].</param>
    /// <param name="targets">Takes [samples] classes, or [samples, values].</param>
    /// <exception cref="InvalidDatasetException">A number is missing, or a sample has several
    /// classes.</exception>
    public static void WriteNumpy(IDataset dataset, Stream features, Stream targets)
    {
        RequireOneTarget(dataset);
        ElementType featureType = FeatureType(dataset);
        ElementType targetType = TargetType(dataset);
        features.Write(NumpyWriter.Header(
            featureType,
            [dataset.Count, .. dataset.FeatureShape.Dimensions.Select(length => (long)length)]));
        targets.Write(NumpyWriter.Header(
            targetType,
            dataset.Target is TargetSchema.Class
                ? [dataset.Count]
                : [dataset.Count, dataset.Target.Width]));
        var sample = new WrittenSample(dataset, featureType, targetType);
        for (long i = 0; i < dataset.Count; i++)
        {
            sample.Read(i);
            features.Write(sample.Features);
            targets.Write(sample.Target);
        }
    }

    /// <summary>Writes tar archives for <see cref="TarShardFormat"/>: of each sample its features
    /// as a <c>.npy</c> file and its class's number as a <c>.cls</c> file.</summary>
    /// <param name="dataset">What is written; its targets are classes.</param>
    /// <param name="shardSamples">Samples of each archive, but for the last one.</param>
    /// <param name="write">Makes the archive of a number, from 0, of what it is given.</param>
    /// <returns>How many archives there are.</returns>
    /// <exception cref="InvalidDatasetException">A number is missing, or a sample's target is not
    /// one class.</exception>
    public static int WriteTarShards(
        IDataset dataset, long shardSamples, Action<int, Action<Stream>> write)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardSamples, 1);
        RequireOneTarget(dataset);
        if (dataset.Target is TargetSchema.Values)
        {
            throw new InvalidDatasetException(
                dataset.Source,
                "its targets are values, where a member of an archive holds a class",
                "convert it to NumPy's arrays");
        }

        var sample = new WrittenSample(dataset, FeatureType(dataset), TargetType(dataset));
        byte[] header = NumpyWriter.Header(
            sample.FeatureType,
            [.. dataset.FeatureShape.Dimensions.Select(length => (long)length)]);
        int shards = checked((int)((dataset.Count + shardSamples - 1) / shardSamples));
        for (int shard = 0; shard < shards; shard++)
        {
            long first = shard * shardSamples;
            long end = Math.Min(dataset.Count, first + shardSamples);
            write(shard, stream => WriteShard(sample, header, first, end, stream));
        }

        return shards;
    }

    private static void WriteShard(
        WrittenSample sample, byte[] header, long first, long end, Stream destination)
    {
        using var writer = new TarWriter(destination, TarEntryFormat.Ustar, leaveOpen: true);
        for (long i = first; i < end; i++)
        {
            sample.Read(i);
            string key = i.ToString(KeyFormat, CultureInfo.InvariantCulture);
            WriteMember(writer, key + ".npy", [.. header, .. sample.Features]);
            WriteMember(writer, key + ".cls", sample.ClassNumber);
        }
    }

    private static void WriteMember(TarWriter writer, string name, byte[] content) =>
        writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
        {
            ModificationTime = DateTimeOffset.UnixEpoch,
            DataStream = new MemoryStream(content),
        });

    private static void RequireOneTarget(IDataset dataset)
    {
        if (dataset.Target is TargetSchema.Class { Positions: > 1 } or TargetSchema.Several)
        {
            throw new InvalidDatasetException(
                dataset.Source,
                dataset.Target is TargetSchema.Several
                    ? "a sample has several targets"
                    : "a sample has a class at every position",
                "convert sets with one target a sample; texts are mapped as they are");
        }
    }

    private static ElementType TargetType(IDataset dataset) => dataset.Target switch
    {
        TargetSchema.Class { Classes.Length: <= 1 + byte.MaxValue } => ElementType.UInt8,
        TargetSchema.Class => ElementType.Int32,
        _ => ElementType.Float32,
    };

    // Bytes must come back as the floats that they were: minus zero would not.
    private static ElementType FeatureType(IDataset dataset)
    {
        var features = new float[dataset.FeatureShape.Count];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadFeatures(sample, features);
            foreach (float feature in features)
            {
                bool isByte = feature is >= 0 and <= byte.MaxValue
                    && BitConverter.SingleToUInt32Bits((byte)feature)
                        == BitConverter.SingleToUInt32Bits(feature);
                if (!isByte)
                {
                    return ElementType.Float32;
                }
            }
        }

        return ElementType.UInt8;
    }

    /// <summary>A sample as it is written, one after the other.</summary>
    private sealed class WrittenSample(
        IDataset dataset, ElementType featureType, ElementType targetType)
    {
        private readonly float[] _features = new float[dataset.FeatureShape.Count];
        private readonly float[] _target = new float[dataset.Target.Width];

        public ElementType FeatureType => featureType;

        /// <summary>The elements of its features.</summary>
        public byte[] Features { get; } =
            new byte[dataset.FeatureShape.Count * Elements.Size(featureType)];

        /// <summary>The elements of its target.</summary>
        public byte[] Target { get; } =
            new byte[dataset.Target.Width * Elements.Size(targetType)];

        /// <summary>The number of its class, as text.</summary>
        public byte[] ClassNumber => Encoding.ASCII.GetBytes(
            ((int)_target[0]).ToString(CultureInfo.InvariantCulture));

        public void Read(long sample)
        {
            dataset.ReadFeatures(sample, _features);
            dataset.ReadTarget(sample, _target);
            int missing = _features.AsSpan().IndexOfAnyExceptFinite();
            if (missing >= 0)
            {
                throw new InvalidDatasetException(
                    dataset.Source, $"feature {missing} is missing",
                    "arrays have no missing values: fill them in the table, or convert that",
                    new DataPosition { Sample = sample });
            }

            Elements.FromSingle(_features, featureType, Features);
            Elements.FromSingle(_target, targetType, Target);
        }
    }
}
