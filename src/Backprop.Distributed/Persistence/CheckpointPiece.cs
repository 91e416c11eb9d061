using System.Security.Cryptography;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Persistence;

/// <summary>A part of a checkpoint as it is stored.</summary>
/// <param name="Run">The run.</param>
/// <param name="Version">The checkpoint's version.</param>
/// <param name="Part">Its blocks, and the digest of its content.</param>
/// <param name="Content">Of its blocks the weights, each optimizer state, and the best weights if
/// there are any, one after the other, as little-endian fp32. Nobody changes it.</param>
public sealed record CheckpointPiece(
    RunId Run, long Version, CheckpointPart Part, ReadOnlyMemory<byte> Content)
{
    /// <summary>What belongs under a part's digest.</summary>
    public static string DigestOf(ReadOnlySpan<byte> content) =>
        Convert.ToHexStringLower(SHA256.HashData(content));
}
