using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Backprop.Data;

/// <summary>A digest of a dataset's content as it is read, so that workers can tell whether they
/// hold the same one.</summary>
public static class DatasetDigest
{
    /// <summary>SHA-256 over the number of samples, the shape of the features, the targets' names,
    /// and then sample after sample the bits of features and target, little-endian.</summary>
    /// <returns>64 lower-case hexadecimal digits.</returns>
    public static string Compute(IDataset dataset)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(
            $"{dataset.Count}\n{dataset.FeatureShape}\n{Describe(dataset.Target)}\n"));
        var features = new float[dataset.FeatureShape.Count];
        var target = new float[dataset.Target.Width];
        var bytes = new byte[(features.Length + target.Length) * sizeof(float)];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadFeatures(sample, features);
            dataset.ReadTarget(sample, target);
            Write(features, bytes);
            Write(target, bytes.AsSpan(features.Length * sizeof(float)));
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Describe(TargetSchema target) => target switch
    {
        TargetSchema.Class { Positions: > 1 } schema =>
            $"classes at {schema.Positions} positions\n" + string.Join('\n', schema.Classes)
            + (schema.Tokenizer is null ? "" : "\n" + schema.Tokenizer),
        TargetSchema.Class schema => "classes\n" + string.Join('\n', schema.Classes),
        TargetSchema.Values schema => "values\n" + string.Join('\n', schema.Names),
        TargetSchema.Several schema => string.Join(
            '\n', schema.Parts.Select(part => $"target {part.Name}\n{Describe(part.Schema)}")),
        _ => throw new InvalidOperationException($"unknown kind of target {target}"),
    };

    private static void Write(ReadOnlySpan<float> values, Span<byte> destination)
    {
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(destination[(i * sizeof(float))..], values[i]);
        }
    }
}
