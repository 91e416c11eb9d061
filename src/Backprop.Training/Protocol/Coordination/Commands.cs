namespace Backprop.Training.Protocol.Coordination;

/// <summary>What users' commands come to, and the end of a run.</summary>
internal static class Commands
{
    /// <summary>The event that an input is by itself, or why it cannot be; neither: it is a matter
    /// of observation.</summary>
    public static (RunEvent? Happened, string? Refusal) EventOf(
        RunCoordination run, CoordinatorInput input, DateTimeOffset now) => input switch
    {
        CoordinatorInput.Pause => Pause(run.State, now),
        CoordinatorInput.Resume => run.State.Phase switch
        {
            RunPhase.Paused { Cause: PauseCause.User } =>
                (new RunResumed(now, "the user has resumed it"), null),
            _ => (null, $"only a run that was paused can be resumed: {run.Reason(now)}"),
        },
        CoordinatorInput.Stop => run.State.Phase.IsFinal
            ? (null, $"the run is over: {run.Reason(now)}")
            : (new RunStopped(now, StopReason(run.State)), null),
        CoordinatorInput.WorkersDiffer differ => VerificationRules.EventOf(run, differ, now),
        CoordinatorInput.Rechecked rechecked => VerificationRules.EventOf(run, rechecked, now),
        CoordinatorInput.Examined(var found) => run.State.Phase is RunPhase.Concluding concluding
            && concluding.Checkpoint == found.Checkpoint
            ? (new RunCompleted(now, ResultOf(run, concluding.Stop, found)), null)
            : (null, $"nobody waits for an examination of checkpoint {found.Checkpoint}"),
        CoordinatorInput.ExaminationFailed failed =>
            run.State.Phase is RunPhase.Concluding concluding
            && concluding.Checkpoint == failed.Checkpoint
                ? (CheckpointRules.RetireFinal(run, failed, now) as RunEvent ?? new RunFailed(
                    now,
                    $"checkpoint {failed.Checkpoint} holds its final weights, but"
                        + $" {failed.Reason}"), null)
                : (null, $"nobody waits for an examination of checkpoint {failed.Checkpoint}"),
        _ => (null, null),
    };

    private static (RunEvent? Happened, string? Refusal) Pause(
        CoordinatorState state, DateTimeOffset now) => state.Phase switch
    {
        { IsFinal: true } or RunPhase.Concluding or RunPhase.Checkpointing { Stop: not null } =>
            (null, "the run is over, or about to be"),
        RunPhase.Paused { Cause: PauseCause.User } => (null, "the run is paused already"),
        _ when state.IsPauseRequested => (null, "the run is about to pause already"),
        _ => (new PauseRequested(now), null),
    };

    private static string StopReason(CoordinatorState state) => state.Newest is { } newest
        ? $"stopped by the user; the checkpoint of version {newest.Version} is kept"
        : "stopped by the user before there was a checkpoint";

    private static TrainingResult ResultOf(
        RunCoordination run, StopDecision stop, FinalExamination found)
    {
        CoordinatorState state = run.State;
        CoordinationPlan plan = run.Plan;
        TrainingPosition position = state.Newest!.Position;
        double seconds = state.Elapsed.TotalSeconds;
        return new TrainingResult
        {
            Name = plan.Name,
            Steps = position.Step,
            Epochs = (position.Step + plan.Dimensions.StepsPerEpoch - 1)
                / plan.Dimensions.StepsPerEpoch,
            Stop = stop,
            History = position.History,
            BestMetric = position.Stopping.BestMetric,
            BestEpoch = position.Stopping.BestEpoch,
            FinalIsBest = plan.Stop.Patience is not null && position.Stopping.BestEpoch is not null,
            Validation = found.Validation,
            Test = found.Test,
            Elapsed = state.Elapsed,
            SamplesPerSecond = seconds > 0 ? position.RunRows / seconds : 0,
            WeightsSha256 = found.WeightsSha256,
            StateSha256 = found.StateSha256,
            Notes = found.Notes,
        };
    }
}
