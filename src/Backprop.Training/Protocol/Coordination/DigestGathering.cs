using Backprop.Training.Digests;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Puts the slices' digests of a generation together. One caller at a time.</summary>
/// <param name="generation">The generation.</param>
public sealed class DigestGathering(RunGeneration generation)
{
    private const int MaxWaiting = 2 * DigestBacklog.MaxReported;

    private readonly Queue<(long Version, VersionDigest Digest)>[] _slices =
        [.. generation.Servers.Select(_ => new Queue<(long, VersionDigest)>())];

    private readonly long[] _ends =
        [.. generation.Servers.Select(_ => generation.Origin.Version)];

    /// <summary>The generation.</summary>
    public Generation Generation => generation.Number;

    /// <summary>One past the last version that is put together, or that nobody can put together any
    /// more since a server has let go of its part.</summary>
    public long EndVersion { get; private set; } = generation.Origin.Version;

    /// <summary>Takes a report in, or says why not.</summary>
    /// <param name="report">The report.</param>
    /// <param name="totalSteps">Steps of the run.</param>
    public string? Take(DigestReport report, long totalSteps)
    {
        if (report.Generation != Generation)
        {
            return $"digests of {report.Generation}, not {Generation}";
        }

        if (report.Slice < 0 || report.Slice >= _slices.Length
            || generation.Servers[report.Slice] != report.Server)
        {
            return $"{report.Server} does not hold slice {report.Slice}";
        }

        if (report.Digests.IsDefaultOrEmpty || report.Digests.Length > DigestBacklog.MaxReported
            || report.FirstVersion < generation.Origin.Version
            || report.EndVersion > totalSteps + 1)
        {
            return $"digests of versions from {report.FirstVersion}, which are none of the run's";
        }

        int slice = report.Slice;
        Queue<(long Version, VersionDigest Digest)> waiting = _slices[slice];
        for (long version = Math.Max(_ends[slice], report.FirstVersion);
            version < report.EndVersion && waiting.Count < MaxWaiting; version++)
        {
            waiting.Enqueue((version, report.Digests[(int)(version - report.FirstVersion)]));
            _ends[slice] = version + 1;
        }

        return null;
    }

    /// <summary>The next version that every slice has told of, if there is one.</summary>
    public bool TryTake(out long version, out VersionDigest digest)
    {
        digest = default;
        version = 0;
        while (_slices.All(slice => slice.Count > 0))
        {
            version = _slices.Max(slice => slice.Peek().Version);
            EndVersion = version;
            if (_slices.All(slice => slice.Peek().Version == EndVersion))
            {
                EndVersion++;
                foreach (Queue<(long Version, VersionDigest Digest)> slice in _slices)
                {
                    digest += slice.Dequeue().Digest;
                }

                return true;
            }

            foreach (Queue<(long Version, VersionDigest Digest)> slice in _slices)
            {
                while (slice.Count > 0 && slice.Peek().Version < EndVersion)
                {
                    slice.Dequeue();
                }
            }
        }

        return false;
    }
}
