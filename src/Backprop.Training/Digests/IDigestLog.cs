namespace Backprop.Training.Digests;

/// <summary>Where the digests of a run's versions are kept. What was recorded once has to come
/// again, whoever computes it.</summary>
public interface IDigestLog
{
    /// <summary>A version is made, or taken from a checkpoint.</summary>
    /// <param name="version">The version.</param>
    /// <param name="digest">Its digest.</param>
    /// <exception cref="DigestException">Another digest is recorded for it.</exception>
    void Record(long version, VersionDigest digest);

    /// <summary>Makes durable what is recorded; called before a checkpoint is kept.</summary>
    void Flush();
}

/// <summary>A version that was computed twice, with different bits: memory, a processor, a disk or
/// the program is at fault.</summary>
/// <param name="Version">The version.</param>
/// <param name="Recorded">Its digest as it was recorded.</param>
/// <param name="Found">Its digest now.</param>
public sealed record DigestDifference(long Version, VersionDigest Recorded, VersionDigest Found)
{
    /// <summary>In words, with the step.</summary>
    public override string ToString() => (Version == 0
        ? "the first weights are not those"
        : $"step {Version - 1} has not made the weights")
        + $" that are on record: version {Version} has the digest {Found}, where {Recorded} was"
        + " recorded";
}

/// <summary>Two computations of one version differ.</summary>
/// <param name="difference">The version, and both digests.</param>
public sealed class DigestException(DigestDifference difference)
    : Exception($"{difference}. Memory, a processor or a disk may be at fault, or another version"
        + " of this program: what was trained since the checkpoint before it should not be trusted")
{
    /// <summary>The version, and both digests.</summary>
    public DigestDifference Difference => difference;
}
