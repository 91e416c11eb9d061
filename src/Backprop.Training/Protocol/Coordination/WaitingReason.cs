using System.Globalization;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Says in words what a run is at and what, or whom, it waits for.</summary>
internal static class WaitingReason
{
    // Nobody reads hundreds of names; and they are written at every decision.
    private const int MostNames = 8;

    public static string Of(RunCoordination run, DateTimeOffset now) =>
        OfPhase(run, now) + (run.State.Phase.IsFinal ? "" : OfWorkers(run.State));

    private static string OfWorkers(CoordinatorState state)
    {
        string dispute = state.Dispute is { } open
            ? $"; {open}: a third worker is to tell who is right"
            : "";
        return state.Quarantined.IsEmpty
            ? dispute
            : $"{dispute}; quarantined: {string.Join(", ", state.Quarantined)}";
    }

    private static string OfPhase(RunCoordination run, DateTimeOffset now) => run.State.Phase switch
    {
        RunPhase.Queued queued => QueuedReason(run, queued),
        RunPhase.Opening => OpeningReason(run, run.State.Open!),
        RunPhase.Training training => TrainingReason(run, training),
        RunPhase.Evaluating evaluating => EvaluatingReason(run, evaluating),
        RunPhase.Checkpointing saving =>
            $"saving the checkpoint of version {saving.Version}, attempt {saving.Attempt}"
            + (run.State.CheckpointFailedAt is { } failed && run.State.Saving is null
                ? $", again {Seconds(now - failed)} after it failed"
                : ""),
        RunPhase.Concluding concluding =>
            $"examining the weights of checkpoint {concluding.Checkpoint}:"
            + $" {concluding.Stop.Reason}",
        RunPhase.Paused paused => paused.Reason,
        RunPhase.Completed completed => completed.Result.Stop.Reason,
        RunPhase.Failed failed => failed.Reason,
        RunPhase.Stopped stopped => stopped.Reason,
        _ => throw new InvalidOperationException($"unknown phase {run.State.Phase}"),
    };

    private static string QueuedReason(RunCoordination run, RunPhase.Queued queued)
    {
        if (run.Observed.Nodes is not { } nodes)
        {
            return "waiting to hear of the cluster's nodes";
        }

        int servers = nodes.Count(one => one.IsServer);
        int workers = run.Observed.PresentWorkers().Length;
        return $"{queued.Reason}; waiting for nodes: {servers} of at least 1 parameter server,"
            + $" {workers} of at least {Counted.Of(run.Plan.Options.MinWorkers, "worker")}";
    }

    private static string OpeningReason(RunCoordination run, RunGeneration open)
    {
        IEnumerable<string> servers = open.Servers
            .Where(node =>
                run.Observed.Servers.GetValueOrDefault(node)?.Phase is not SlicePhase.Open)
            .Select(node => $"{node} opens its slice");
        IEnumerable<string> workers = run.Observed.PresentWorkers().Select(node =>
            run.Observed.Workers.GetValueOrDefault(node)?.Phase switch
            {
                WorkerPhase.Whole => "",
                WorkerPhase.Failed failed => $"{node} cannot take part: {failed.Reason}",
                WorkerPhase.Observing => $"{node} gathers the weights",
                _ => $"{node} opens its data",
            });
        string waits = Some(", ", servers.Concat(workers).Where(text => text.Length > 0));
        return $"opening {open.Number} at version {open.Origin.Version}{KeptBy(open)}: {waits}";
    }

    private static string KeptBy(RunGeneration open) => open.Origin is SliceOrigin.Memory copies
        ? $", held in memory by {string.Join(
            " and ", copies.Keepers.Select(keeper => keeper.Node).Distinct())}"
        : "";

    private static string TrainingReason(RunCoordination run, RunPhase.Training training)
    {
        RunGeneration open = run.State.Open!;
        if (training.Halt is { } cause)
        {
            return $"bringing the servers to a stand: {cause}";
        }

        SliceWait? wait = open.Servers
            .Select(node => run.Observed.Servers.GetValueOrDefault(node)?.Wait)
            .OfType<SliceWait>().MaxBy(waiting => waiting.Waited);
        if (wait is not null)
        {
            return wait.Missing.IsDefaultOrEmpty
                ? $"waiting for {string.Join(", ", wait.SlicesWithoutSums.Select(
                    slice => $"{open.Servers[slice]}'s sums"))} of step {wait.Step},"
                    + $" {Seconds(wait.Waited)}"
                : $"waiting for {Late(open, wait)} of step {wait.Step}, {Seconds(wait.Waited)}";
        }

        int workers = open.Assigned.Count(entry => entry.Range.Count > 0);
        return $"training to version {training.Lease.EndVersion} in {open.Number}:"
            + $" {Counted.Of(workers, "worker")},"
            + $" {Counted.Of(open.Servers.Length, "parameter server")}";
    }

    private static string Late(RunGeneration open, SliceWait wait)
    {
        IEnumerable<string> late =
            from entry in open.Assigned
            where wait.Lacks(entry.Range)
            let ranges = wait.Missing
                .Select(range => new MicroBatchRange(
                    Math.Max(range.First, entry.Range.First),
                    Math.Min(range.End, entry.Range.End)))
                .Where(range => range.Count > 0)
            select $"{entry.Worker}: micro-batches {string.Join(", ", ranges)}";
        return Some("; ", late);
    }

    private static string EvaluatingReason(RunCoordination run, RunPhase.Evaluating evaluating)
    {
        if (run.Observed.Evaluation is not { } shares || shares.Version != evaluating.Version)
        {
            return $"evaluating version {evaluating.Version}: waiting for workers";
        }

        IEnumerable<string> owners = shares.Owners.Select(
            entry => $"{entry.Key} with micro-batches {entry.Value}");
        return $"evaluating version {evaluating.Version}: {shares.Parts.Length} of"
            + $" {shares.Shares.Length} shares are done, waiting for {Some(", ", owners)}";
    }

    private static string Some(string separator, IEnumerable<string> texts)
    {
        string[] first = [.. texts.Take(MostNames + 1)];
        return first.Length <= MostNames
            ? string.Join(separator, first)
            : $"{string.Join(separator, first[..MostNames])}{separator}and others";
    }

    private static string Seconds(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s");
}
