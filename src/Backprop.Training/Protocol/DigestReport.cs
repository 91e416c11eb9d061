using System.Collections.Immutable;
using Backprop.Training.Digests;

namespace Backprop.Training.Protocol;

/// <summary>From a parameter server to its run's coordinator, every few seconds and where a lease
/// ends: the digests of its slice's versions, as far as they are not known to be kept. It is
/// complete: it replaces every one before it.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Server">Whose slice it is.</param>
/// <param name="Slice">The slice.</param>
/// <param name="FirstVersion">The version of the first digest.</param>
/// <param name="Digests">Version by version; at most <see cref="DigestBacklog.MaxReported"/>.
/// </param>
public sealed record DigestReport(
    RunId Run, Generation Generation, NodeId Server, int Slice, long FirstVersion,
    ImmutableArray<VersionDigest> Digests)
{
    /// <summary>One past the last version.</summary>
    public long EndVersion => FirstVersion + Digests.Length;
}

/// <summary>To a parameter server: digests are kept, and need not be told again.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="EndVersion">One past the last version that is settled.</param>
public sealed record DigestsTaken(RunId Run, Generation Generation, long EndVersion);

/// <summary>The digests of a slice's versions that the coordinator has not said it keeps. Bounded:
/// if it is away for very long, the oldest are let go of.</summary>
public sealed class DigestBacklog
{
    /// <summary>The most that are told at once: 64 KiB.</summary>
    public const int MaxReported = 4_096;

    /// <summary>The most that are kept: 1 MiB.</summary>
    public const int MaxKept = 65_536;

    private readonly Queue<VersionDigest> _digests = new();
    private long _first;
    private TimeSpan? _toldAt;
    private long _toldEnd = -1;

    /// <summary>One past the last version.</summary>
    public long EndVersion => _first + _digests.Count;

    /// <summary>A version is made, or opened with.</summary>
    /// <param name="version">The one after the last.</param>
    /// <param name="digest">The slice's.</param>
    public void Enter(long version, VersionDigest digest)
    {
        if (_digests.Count == 0)
        {
            _first = version;
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(version, EndVersion);
        if (_digests.Count == MaxKept)
        {
            _digests.Dequeue();
            _first++;
        }

        _digests.Enqueue(digest);
    }

    /// <summary>Digests before a version are kept.</summary>
    public void Taken(long endVersion)
    {
        while (_digests.Count > 0 && _first < endVersion)
        {
            _digests.Dequeue();
            _first++;
        }

        // What did not fit into one report follows at once.
        if (_digests.Count >= MaxReported)
        {
            _toldAt = null;
        }
    }

    /// <summary>Whether it is time to tell, and what.</summary>
    /// <param name="now">The time.</param>
    /// <param name="interval">Between two reports.</param>
    /// <param name="stands">Whether no version comes after the last for the time being, so that
    /// it is told at once.</param>
    /// <param name="first">The version of the first.</param>
    /// <param name="digests">The digests.</param>
    public bool TryReport(
        TimeSpan now, TimeSpan interval, bool stands, out long first,
        out ImmutableArray<VersionDigest> digests)
    {
        first = _first;
        digests = [];
        bool isDue = _toldAt is not { } told || now - told >= interval
            || (stands && _toldEnd != EndVersion);
        if (_digests.Count == 0 || !isDue)
        {
            return false;
        }

        _toldAt = now;
        _toldEnd = EndVersion;
        digests = [.. _digests.Take(MaxReported)];
        return true;
    }
}
