using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>What a run's events tell beside its state: what people are shown, and which versions
/// were begun to be saved and may have left pieces behind.</summary>
/// <param name="Happenings">The latest, oldest first.</param>
/// <param name="Committed">When each checkpoint was committed that is kept.</param>
/// <param name="Left">Versions that were begun, and neither kept nor deleted for sure.</param>
/// <param name="Participants">The nodes that took part, the latest of them.</param>
internal sealed record RunRecord(
    ImmutableArray<HappeningView> Happenings,
    ImmutableSortedDictionary<long, DateTimeOffset> Committed, ImmutableSortedSet<long> Left,
    ImmutableArray<ParticipantView> Participants)
{
    private const int MaxParticipants = 1_000;

    // Older ones were deleted long ago, unless the database refused every time.
    private const int MaxLeft = 64;

    public static RunRecord Empty { get; } =
        new([], ImmutableSortedDictionary<long, DateTimeOffset>.Empty, [], []);

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
            GenerationOpened opened => opened.Servers.Aggregate(
                this, (record, node) => record.Enter(node, happened.At, serves: true)),
            WorkersAssigned assigned => assigned.Ranges.Where(entry => entry.Range.Count > 0)
                .Select(entry => entry.Worker).Aggregate(
                    this, (record, node) => record.Enter(node, happened.At, serves: false)),
            _ => this,
        };
        return HappeningText.Of(happened) is { } text
            ? next with
            {
                Happenings = Add(new HappeningView(NextNumber, happened.At, text)
                {
                    IsRoutine = happened is EpochJudged or CheckpointCommitted,
                }),
            }
            : next;
    }

    // The oldest of its kind makes room, so that what is rare is not crowded out.
    private ImmutableArray<HappeningView> Add(HappeningView added)
    {
        int most = added.IsRoutine ? HappeningView.MaxRoutine : HappeningView.MaxOthers;
        int count = Happenings.Count(known => known.IsRoutine == added.IsRoutine);
        ImmutableArray<HappeningView> kept = count < most
            ? Happenings
            : Happenings.Remove(
                Happenings.First(known => known.IsRoutine == added.IsRoutine));
        return kept.Add(added);
    }

    /// <summary>Versions whose pieces nobody needs or saves any more, as far as a newer commit
    /// makes sure.</summary>
    public IEnumerable<long> SuperfluousIn(CoordinatorState state) => Left.Where(version =>
        version < state.Newest?.Version && version != state.Saving?.Step
        && state.Checkpoints.All(kept => kept.Version != version));

    private RunRecord Enter(NodeId node, DateTimeOffset at, bool serves)
    {
        int index = 0;
        while (index < Participants.Length && Participants[index].Node != node)
        {
            index++;
        }

        ParticipantView known = index < Participants.Length
            ? Participants[index]
            : new ParticipantView(node, false, false, at, at);
        known = known with
        {
            Served = known.Served || serves,
            Computed = known.Computed || !serves,
            Until = at,
        };
        return this with
        {
            Participants = index < Participants.Length
                ? Participants.SetItem(index, known)
                : [.. Participants.TakeLast(MaxParticipants - 1), known],
        };
    }

    private RunRecord Leave(long version)
    {
        ImmutableSortedSet<long> left = Left.Add(version);
        return this with { Left = left.Count > MaxLeft ? left.Remove(left.Min) : left };
    }
}
