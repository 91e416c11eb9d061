using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>When checkpoints begin, are committed, fail and are let go of.</summary>
internal static class CheckpointRules
{
    // With notice doubled each time, the last attempt has eight times as much as the first.
    private const int MaxPassed = 3;

    // Who finds the final weights damaged so often has a storage that damages them.
    private const int MaxDamagedEnds = 3;

    /// <summary>What comes of the checkpoint that is being saved; null: nothing yet.</summary>
    public static RunEvent? Saved(RunCoordination run, DateTimeOffset now)
    {
        if (run.State.Saving is not { } saving || run.State.Open is not { } open)
        {
            return null;
        }

        foreach (NodeId server in open.Servers)
        {
            ServerStatus? status = run.Observed.Servers.GetValueOrDefault(server);
            if (status?.Lost is { } lost && lost.Version == saving.Step
                && HasSeenRequest(run.Observed, status, saving.Step))
            {
                return new CheckpointAborted(
                    now, saving.Step, $"{server} could not save it: {lost.Reason}", lost.Cause);
            }

            if (status?.Saved?.Version != saving.Step)
            {
                return null;
            }
        }

        return Commit(run, open, saving, now);
    }

    /// <summary>What a run that stands until it is saved does next; null: it waits.</summary>
    public static RunEvent? Standing(
        RunCoordination run, RunPhase.Checkpointing standing, DateTimeOffset now)
    {
        CoordinatorState state = run.State;
        CoordinationOptions options = run.Plan.Options;
        if (standing.Stop is null && state.Newest?.Version == standing.Version)
        {
            return state.IsPauseRequested
                ? new RunPaused(
                    now, PauseCause.User, $"paused by the user at version {standing.Version}")
                : new GenerationEnded(
                    now, $"{WhyRecut(run, now)}; the run is saved at version {standing.Version}",
                    IsFailure: false);
        }

        if (state.Saving?.Step == standing.Version)
        {
            return null;
        }

        if (standing.Attempt > options.MaxCheckpointAttempts)
        {
            return new RunFailed(
                now,
                $"the checkpoint of version {standing.Version} could not be saved,"
                + $" {standing.Attempt - 1} times; that of version"
                + $" {state.Newest?.Version.ToString() ?? "none"} is the newest");
        }

        return MayRetry(run, now)
            ? new CheckpointBegun(
                now, PositionAt(run, standing.Version, standing.Stop, now), Waits: true)
            : null;
    }

    /// <summary>Why the run is to be cut over other parameter servers, in words.</summary>
    public static string WhyRecut(RunCoordination run, DateTimeOffset now)
    {
        ImmutableArray<NodeId> servers = run.State.Open!.Servers;
        NodeId[] leaving = [.. servers.Where(run.Observed.IsLeaving)];
        NodeId[] joining = [.. SpreadRules.Servers(run, now).Except(servers)];
        return (leaving.Length, joining.Length) switch
        {
            (0, 0) => "a parameter server has left",
            (0, 1) => $"{joining[0]} takes a slice",
            (0, _) => $"{string.Join(", ", joining)} take slices",
            (1, _) => $"{leaving[0]} leaves",
            _ => $"{string.Join(", ", leaving)} leave",
        };
    }

    /// <summary>Whether one is due at the end of an epoch.</summary>
    public static bool IsDueAfterEpoch(RunCoordination run, DateTimeOffset now) =>
        run.State.Saving is null && MayRetry(run, now)
        && (run.State.EpochsSinceCheckpoint >= run.Plan.Options.CheckpointEveryEpochs
            || IsDueByTime(run, now));

    /// <summary>One that is due by time, of a version to come: servers copy it on their way, and
    /// training goes on. Null: none is due, or the end of the epoch is near enough.</summary>
    public static CheckpointBegun? Ahead(
        RunCoordination run, RunPhase.Training training, DateTimeOffset now) =>
        training.Ends is null && IsDueByTime(run, now)
        && VersionAhead(run, now) is { } version && version < training.Lease.EndVersion
            ? new CheckpointBegun(now, PositionAt(run, version, null, now), Waits: false)
            : null;

    /// <summary>Whether training has to be brought to a stand for one that is due by time.
    /// </summary>
    public static bool NeedsStand(RunCoordination run, DateTimeOffset now) =>
        IsDueByTime(run, now) && VersionAhead(run, now) is null;

    /// <summary>Whether one is due by time.</summary>
    public static bool IsDueByTime(RunCoordination run, DateTimeOffset now) =>
        run.State.Saving is null && MayRetry(run, now)
        && now - run.State.CheckpointedAt >= run.Plan.Options.CheckpointInterval;

    /// <summary>Lets go of one that is needed no longer; null: all are.</summary>
    public static CheckpointRetired? Retire(RunCoordination run, DateTimeOffset now)
    {
        ImmutableArray<CheckpointManifest> kept = run.State.Checkpoints;
        for (int i = 0; i < kept.Length - run.Plan.Options.KeepCheckpoints; i++)
        {
            if (kept[i].Version != run.State.BestVersion)
            {
                return new CheckpointRetired(now, kept[i].Version);
            }
        }

        return null;
    }

    /// <summary>Lets go of one that holds what comes of a doubtful version; null: none does.
    /// </summary>
    public static CheckpointRetired? RetireDoubtful(
        RunCoordination run, long version, DateTimeOffset now) =>
        run.State.Newest is { } newest && newest.Version >= version
            ? new CheckpointRetired(now, newest.Version)
            : null;

    /// <summary>Lets go of one that a slice could not be opened from, since what is stored of it
    /// is damaged, so that the run goes back to the one before: the same run gives the same bits
    /// from any. The first time it is tried again, in case it was the way there; and the last one
    /// is kept, since it may be mended from a backup. Null: nothing is to be let go of.</summary>
    public static CheckpointRetired? RetireDamaged(
        RunCoordination run, ServerStatus status, SlicePhase.Failed failed, DateTimeOffset now) =>
        status.DamagedCheckpoint is { } version && run.State.Newest?.Version == version
        && run.State.Checkpoints.Length > 1 && run.State.FailedGenerations > 0
            ? new CheckpointRetired(now, version) { Damage = failed.Reason }
            : null;

    /// <summary>Lets go of the one that holds the run's final weights, since what is stored of it
    /// is damaged, so that the last steps are made again from the one before. Null: there is none
    /// before, or that has not helped, or it is not damaged.</summary>
    public static CheckpointRetired? RetireFinal(
        RunCoordination run, CoordinatorInput.ExaminationFailed failed, DateTimeOffset now) =>
        failed.IsDamage && run.State.Checkpoints.Length > 1
        && run.State.DamagedEnds < MaxDamagedEnds
            ? new CheckpointRetired(now, failed.Checkpoint) { Damage = failed.Reason }
            : null;

    /// <summary>Whether the checkpoint that a slice found damaged has been let go of: the run goes
    /// back to another one, and has not failed at that yet.</summary>
    public static bool HasBeenRetired(CoordinatorState state, ServerStatus status) =>
        status.DamagedCheckpoint is { } version
        && state.Open?.Origin is SliceOrigin.Checkpoint from && from.Saved == version
        && state.Checkpoints.All(kept => kept.Version != version);

    /// <summary>Where the run stands at a version.</summary>
    public static TrainingPosition PositionAt(
        RunCoordination run, long version, StopDecision? ended, DateTimeOffset now)
    {
        TrainingPosition judged = run.State.Position;
        bool isJudged = judged.History.LastOrDefault()?.StepsDone == version;
        return judged with
        {
            Step = version,
            EpochLossSum = 0,
            EpochRows = isJudged ? 0 : run.Plan.Dimensions.EpochRows(version),
            RunRows = run.Plan.RunRows(version),
            Elapsed = run.State.ElapsedAt(now),
            Ended = ended,
        };
    }

    // Where servers were past the last one before they heard of it, the next is further ahead;
    // where that does not help, or another failed, it is not risked.
    private static long? VersionAhead(RunCoordination run, DateTimeOffset now) =>
        run.State is { CheckpointFailedAt: null, CheckpointsPassed: <= MaxPassed and var passed }
            ? run.Observed.Pace?.VersionAfter(
                run.Plan.Options.CheckpointNotice * (1 << passed), now)
            : null;

    private static bool MayRetry(RunCoordination run, DateTimeOffset now) =>
        run.State.CheckpointFailedAt is not { } failed
        || now - failed >= run.Plan.Options.CheckpointRetry;

    // What a server says of an earlier attempt says nothing of this one.
    private static bool HasSeenRequest(
        Observations observed, ServerStatus status, long version) =>
        observed.ToServers.TryGetValue(status.Server, out Sent<ServerDirective>? sent)
        && sent.Directive.CheckpointVersion == version
        && status.Seen.CompareTo(sent.Directive.Stamp) >= 0;

    private static RunEvent Commit(
        RunCoordination run, RunGeneration open, TrainingPosition saving, DateTimeOffset now)
    {
        var slices = new SlicePlan(run.Plan.Dimensions.Layout, open.Servers.Length);
        var parts = ImmutableArray.CreateBuilder<CheckpointPart>();
        long? best = CoordinatorState.BestOf(saving);
        double? lossSum = null;
        for (int slice = 0; slice < open.Servers.Length; slice++)
        {
            NodeId server = open.Servers[slice];
            SavedSlice saved = run.Observed.Servers[server].Saved!;
            string? refusal = saved.BestVersion != best
                ? $"best weights of {saved.BestVersion?.ToString() ?? "none"}, where"
                    + $" {best?.ToString() ?? "none"} belong"
                : CheckpointManifest.Refusal(
                    saved.Parts, slices.FirstBlock(slice), slices.FirstBlock(slice + 1));
            if (refusal is not null)
            {
                return new CheckpointAborted(now, saving.Step, $"{server} saved {refusal}");
            }

            parts.AddRange(saved.Parts);
            lossSum ??= saved.EpochLossSum;
        }

        bool isMidEpoch = saving.EpochRows > 0;
        if (isMidEpoch && lossSum is null)
        {
            return new CheckpointAborted(
                now, saving.Step, $"{open.Servers[0]} saved no loss of the epoch");
        }

        TrainingPosition position = isMidEpoch
            ? saving with { EpochLossSum = lossSum!.Value }
            : saving;
        return new CheckpointCommitted(
            now, new CheckpointManifest(position, best, parts.ToImmutable()));
    }
}
