using System.Collections.Immutable;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>What a run's events tell beside its state: what people are shown, and which versions
/// were begun to be saved and may have left pieces behind.</summary>
/// <param name="Happenings">The latest, oldest first.</param>
/// <param name="Committed">When each checkpoint was committed that is kept.</param>
/// <param name="Left">Versions that were begun, and neither kept nor deleted for sure.</param>
internal sealed record RunRecord(
    ImmutableArray<HappeningView> Happenings,
    ImmutableSortedDictionary<long, DateTimeOffset> Committed, ImmutableSortedSet<long> Left)
{
    private const int MaxHappenings = 500;

    // Older ones were deleted long ago, unless the database refused every time.
    private const int MaxLeft = 64;

    public static RunRecord Empty { get; } =
        new([], ImmutableSortedDictionary<long, DateTimeOffset>.Empty, []);

    private long NextNumber => Happenings is [.., var last] ? last.Number + 1 : 1;

    public RunRecord Apply(RunEvent happened)
    {
        RunRecord next = happened switch
        {
            CheckpointBegun begun => Leave(begun.Position.Step),
            CheckpointCommitted { Manifest.Version: var version } => this with
            {
                Committed = Committed.SetItem(version, happened.At),
                Left = Left.Remove(version),
            },
            CheckpointRetired retired => Leave(retired.Version) with
            {
                Committed = Committed.Remove(retired.Version),
            },
            _ => this,
        };
        return HappeningText.Of(happened) is { } text
            ? next with
            {
                Happenings =
                [
                    .. Happenings.TakeLast(MaxHappenings - 1),
                    new HappeningView(NextNumber, happened.At, text),
                ],
            }
            : next;
    }

    /// <summary>Versions whose pieces nobody needs or saves any more, as far as a newer commit
    /// makes sure.</summary>
    public IEnumerable<long> SuperfluousIn(CoordinatorState state) => Left.Where(version =>
        version < state.Newest?.Version && version != state.Saving?.Step
        && state.Checkpoints.All(kept => kept.Version != version));

    private RunRecord Leave(long version)
    {
        ImmutableSortedSet<long> left = Left.Add(version);
        return this with { Left = left.Count > MaxLeft ? left.Remove(left.Min) : left };
    }
}
