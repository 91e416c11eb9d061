using System.IO.Hashing;
using System.Runtime.InteropServices;
using Backprop.Engine.Networks;

namespace Backprop.Training.Digests;

/// <summary>
/// What tells one version of the weights from another: the sum, modulo 2^128, of the XXH3-128 of
/// each parameter block's bytes with the block's number as the seed. Digests of slices add up to
/// that of the whole, however it is cut. It finds errors, not forgers:
/// <see cref="WeightsDigest"/> is for what nobody must be able to make up.
/// </summary>
/// <param name="Value">The digest; 0 stands for none.</param>
public readonly record struct VersionDigest(UInt128 Value)
{
    /// <summary>Bytes of a digest.</summary>
    public const int Bytes = 16;

    /// <summary>Whether it is a digest at all, and not the place of one.</summary>
    public bool IsThere => Value != default;

    /// <summary>The digest of two parts together.</summary>
    public static VersionDigest operator +(VersionDigest left, VersionDigest right) =>
        new(unchecked(left.Value + right.Value));

    /// <summary>The digest of one block.</summary>
    /// <param name="block">Its number in the whole vector.</param>
    /// <param name="weights">Its weights, padding included.</param>
    public static VersionDigest OfBlock(int block, ReadOnlySpan<float> weights) =>
        BitConverter.IsLittleEndian
            ? new VersionDigest(
                XxHash128.HashToUInt128(MemoryMarshal.AsBytes(weights), seed: block))
            : throw new PlatformNotSupportedException("digests are of little-endian floats");

    /// <summary>The digest of whole blocks that follow each other.</summary>
    /// <param name="firstBlock">The first of them.</param>
    /// <param name="weights">Their weights, padding included.</param>
    public static VersionDigest Of(int firstBlock, ReadOnlySpan<float> weights)
    {
        VersionDigest sum = default;
        for (int block = firstBlock; !weights.IsEmpty; block++)
        {
            int length = Math.Min(ParameterLayout.DefaultBlockLength, weights.Length);
            sum += OfBlock(block, weights[..length]);
            weights = weights[length..];
        }

        return sum;
    }

    /// <summary>In lower-case hex.</summary>
    public override string ToString() => Value.ToString("x32", null);
}
