using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>What people are shown of a run, as a function of what its coordinator knows.</summary>
internal static class RunViewWriter
{
    /// <summary>In full.</summary>
    public static RunView Write(
        RunCoordination run, RegisteredRun registered, StepProgress? progress,
        RunRecord record, DateTimeOffset now)
    {
        CoordinatorState state = run.State;
        RunDimensions dimensions = run.Plan.Dimensions;
        bool isOpen = state.Open is not null;
        return new RunView
        {
            Summary = Summarize(run, registered, progress, now),
            Epochs = run.Plan.Epochs,
            StepsPerEpoch = dimensions.StepsPerEpoch,
            Parameters = dimensions.Layout.Count,
            Elapsed = state.ElapsedAt(now),
            Generation = state.Generation?.Number.Value ?? 0,
            Servers = isOpen ? state.Open!.Servers : [],
            Workers = isOpen ? SharesOf(run, state.Open!) : [],
            MicroBatches = dimensions.MicroBatches,
            Progress = isOpen && progress?.Generation == state.Open!.Number ? progress : null,
            History = state.Position.History,
            Checkpoints =
            [
                .. state.Checkpoints.Reverse().Select(
                    manifest => ViewOf(run.Plan, manifest, record.Committed)),
            ],
            Happenings = record.Happenings,
            Participants = record.Participants,
            Result = (state.Phase as RunPhase.Completed)?.Result,
            Model = registered.Model,
            Notes = run.Plan.Notes,
        };
    }

    /// <summary>For a list.</summary>
    public static RunSummaryView Summarize(
        RunCoordination run, RegisteredRun registered, StepProgress? progress, DateTimeOffset now)
    {
        CoordinatorState state = run.State;
        return new RunSummaryView(
            registered.Id, registered.Registered.Name, StandingOf(state.Phase),
            run.Reason(now), registered.Registered.Priority,
            registered.Registered.At, VersionOf(run, progress), run.Plan.Dimensions.TotalSteps,
            state.Open?.Assigned.Count(entry => entry.Range.Count > 0) ?? 0,
            state.Position.History.LastOrDefault()?.Metric);
    }

    private static RunStanding StandingOf(RunPhase phase) => phase switch
    {
        RunPhase.Queued => RunStanding.Queued,
        RunPhase.Opening => RunStanding.Opening,
        RunPhase.Training => RunStanding.Training,
        RunPhase.Evaluating => RunStanding.Evaluating,
        RunPhase.Checkpointing => RunStanding.Checkpointing,
        RunPhase.Concluding => RunStanding.Concluding,
        RunPhase.Paused => RunStanding.Paused,
        RunPhase.Completed => RunStanding.Completed,
        RunPhase.Failed => RunStanding.Failed,
        RunPhase.Stopped => RunStanding.Stopped,
        _ => throw new InvalidOperationException($"unknown phase {phase}"),
    };

    // The newest that is heard of: nothing but people looks at it.
    private static long VersionOf(RunCoordination run, StepProgress? progress)
    {
        CoordinatorState state = run.State;
        if (state.Phase is RunPhase.Completed completed)
        {
            return completed.Result.Steps;
        }

        if (state.Open is not { } open)
        {
            return state.Newest?.Version ?? 0;
        }

        long shown = open.Servers
            .Select(server => run.Observed.Servers.GetValueOrDefault(server)?.Version ?? 0)
            .Min();
        long stepped = progress?.Generation == open.Number ? progress.Version : 0;
        return Math.Max(Math.Max(shown, stepped), state.Position.Step);
    }

    private static ImmutableArray<WorkerShareView> SharesOf(
        RunCoordination run, RunGeneration open)
    {
        IReadOnlyDictionary<NodeId, MicroBatchRange> assigned = open.Ranges();
        return
        [
            .. run.Observed.PresentWorkers().Select(node => new WorkerShareView(
                node, assigned.GetValueOrDefault(node),
                run.Observed.Workers.GetValueOrDefault(node)?.SecondsPerMicroBatch)),
        ];
    }

    private static CheckpointView ViewOf(
        CoordinationPlan plan, CheckpointManifest manifest,
        IReadOnlyDictionary<long, DateTimeOffset> committed)
    {
        int vectors = 1 + plan.OptimizerStates + (manifest.BestVersion is null ? 0 : 1);
        return new CheckpointView(
            manifest.Version, committed.GetValueOrDefault(manifest.Version),
            (long)vectors * plan.Dimensions.Layout.Length * sizeof(float),
            Math.Max(0, manifest.Version - 1) / plan.Dimensions.StepsPerEpoch,
            manifest.BestVersion is not null);
    }
}
