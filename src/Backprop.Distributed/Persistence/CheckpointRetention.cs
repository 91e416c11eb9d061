using System.Collections.Immutable;

namespace Backprop.Distributed.Persistence;

/// <summary>Which checkpoints have become superfluous.</summary>
public static class CheckpointRetention
{
    /// <summary>The versions whose pieces may be deleted, ascending: committed ones but for the
    /// newest <paramref name="keep"/>, and ones that were begun, never committed, and followed by a
    /// commit. As long as nothing is committed, nothing is deleted.</summary>
    /// <param name="committed">Versions with a committed checkpoint.</param>
    /// <param name="begun">Versions for which one was ever begun.</param>
    /// <param name="underWay">The version that is being saved; null: none is.</param>
    /// <param name="pinned">Versions to keep in any case.</param>
    /// <param name="keep">Committed ones to keep, at least 1.</param>
    public static ImmutableArray<long> Superfluous(
        IReadOnlyCollection<long> committed, IReadOnlyCollection<long> begun, long? underWay,
        IReadOnlyCollection<long> pinned, int keep)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        if (committed.Count == 0)
        {
            return [];
        }

        long[] newest = [.. committed.Distinct().OrderDescending().Take(keep)];
        long last = newest[0];
        IEnumerable<long> aborted =
            begun.Where(version => version < last && !committed.Contains(version));
        return
        [
            .. committed.Concat(aborted).Distinct()
                .Where(version => !newest.Contains(version) && version != underWay
                    && !pinned.Contains(version))
                .Order(),
        ];
    }
}
