using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Backprop.Data;

namespace Backprop.Training.Specification;

/// <summary>What tells two datasets apart: their numbers, not where they lie.</summary>
internal static class DatasetDigest
{
    private const int BufferedSamples = 256;

    /// <summary>One line: the role, the sizes, and SHA-256 over every sample's features and target
    /// as they are prepared.</summary>
    public static string Of(string role, IDataset dataset)
    {
        int features = dataset.FeatureShape.Count;
        int width = features + dataset.Target.Width;
        var rows = new float[BufferedSamples * width];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        int filled = 0;
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            Span<float> row = rows.AsSpan(filled * width, width);
            dataset.ReadFeatures(sample, row[..features]);
            dataset.ReadTarget(sample, row[features..]);
            if (++filled == BufferedSamples)
            {
                hash.AppendData(MemoryMarshal.AsBytes(rows.AsSpan()));
                filled = 0;
            }
        }

        hash.AppendData(MemoryMarshal.AsBytes(rows.AsSpan(0, filled * width)));
        string digest = Convert.ToHexStringLower(hash.GetHashAndReset());
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{role}: {dataset.Count} samples of {dataset.FeatureShape}, sha256 {digest}");
    }
}
