using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>What becomes of a dispute between two workers: neither computes until a third one has
/// said whose bits are right, and the other is quarantined for the rest of the run.</summary>
internal static class VerificationRules
{
    /// <summary>The event that an input is by itself, or why it is none.</summary>
    public static (RunEvent? Happened, string? Refusal) EventOf(
        RunCoordination run, CoordinatorInput.WorkersDiffer input, DateTimeOffset now)
    {
        CoordinatorState state = run.State;
        // What comes to light of an earlier step while the run goes back has it go back further.
        if (state.Phase.IsFinal || state.Generation?.Number != input.Generation
            || input.Dispute.Step >= (state.Dispute?.Step ?? long.MaxValue))
        {
            return (null, $"{input.Dispute}, in {input.Generation}, which is over");
        }

        // The final weights are chosen, and nobody trains any more.
        return state.Phase is RunPhase.Concluding
            ? (new RunFailed(now, $"{input.Dispute}, and the run had just ended"), null)
            : (new WorkersDisputed(now, input.Generation, input.Dispute), null);
    }

    /// <summary>The third vote.</summary>
    public static (RunEvent? Happened, string? Refusal) EventOf(
        RunCoordination run, CoordinatorInput.Rechecked input, DateTimeOffset now)
    {
        CheckReport report = input.Report;
        if (run.State.Dispute is not { } dispute || run.State.Open?.Number != report.Generation
            || report.Step != dispute.Step || IsParty(dispute, report.Worker)
            || report.Nodes.FirstOrDefault(node => node.Range == dispute.Range) is not { } node)
        {
            return (null, $"nobody waits for a vote of {report.Worker} on step {report.Step}");
        }

        (NodeId right, NodeId wrong) = node.Whole == dispute.Digest
            ? (dispute.Checked, dispute.Pushed)
            : (dispute.Pushed, dispute.Checked);
        return (
            new WorkerQuarantined(
                now, wrong,
                $"{wrong} is quarantined: {dispute}, and {report.Worker} bears {right} out"),
            null);
    }

    /// <summary>Goes back to before a step that is in doubt; null: that is done.</summary>
    public static RunEvent? GoBack(RunCoordination run, DateTimeOffset now)
    {
        CoordinatorState state = run.State;
        if (state.Dispute is not { } dispute || state.DisputedIn != state.Generation?.Number)
        {
            return null;
        }

        return CheckpointRules.RetireDoubtful(run, dispute.Step + 1, now) as RunEvent
            ?? (state.Open is null ? null : new GenerationEnded(
                now, $"{dispute}: a third worker is to tell who is right", IsFailure: false));
    }

    /// <summary>Who is asked for the third vote; null: nobody can be, or need be.</summary>
    public static NodeId? Voter(CoordinatorState state, Observations observed) =>
        state.Dispute is null ? null
            : observed.WholeWorkers() is [var first, ..] ? first
            : null;

    /// <summary>Workers that are not to compute.</summary>
    public static ImmutableSortedSet<NodeId> ExcludedBy(CoordinatorState state) =>
        state.Dispute is { } dispute
            ? state.Quarantined.Add(dispute.Pushed).Add(dispute.Checked)
            : state.Quarantined;

    /// <summary>Whose micro-batches a worker computes as well in steps that are verified: those of
    /// another one, at each assignment; none, where nothing is verified or nobody else
    /// computes.</summary>
    public static IReadOnlyDictionary<NodeId, MicroBatchRange> PartnerRanges(
        CoordinationPlan plan, RunGeneration generation)
    {
        AssignedRange[] computing = [.. generation.Assigned.Where(entry => entry.Range.Count > 0)];
        int others = computing.Length - 1;
        if (plan.Options.VerifyShare <= 0 || others < 1)
        {
            return ImmutableDictionary<NodeId, MicroBatchRange>.Empty;
        }

        long offset = 1 + ((generation.Revision - 1) % others);
        return computing.Index().ToDictionary(
            self => self.Item.Worker,
            self => computing[(int)((self.Index + offset) % computing.Length)].Range);
    }

    private static bool IsParty(Dispute dispute, NodeId worker) =>
        worker == dispute.Pushed || worker == dispute.Checked;
}
