using Backprop.Training.Digests;

namespace Backprop.Training.Tests.Digests;

/// <summary>Keeps digests in memory, and compares what comes again.</summary>
internal sealed class DigestList : IDigestLog
{
    public SortedDictionary<long, VersionDigest> Versions { get; } = [];

    public int Flushes { get; private set; }

    public void Record(long version, VersionDigest digest)
    {
        if (!Versions.TryAdd(version, digest) && Versions[version] != digest)
        {
            throw new DigestException(
                new DigestDifference(version, Versions[version], digest));
        }
    }

    public void Flush() => Flushes++;
}
