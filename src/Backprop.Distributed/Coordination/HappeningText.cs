using System.Collections.Immutable;
using System.Globalization;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>A run's events in words, for people.</summary>
internal static class HappeningText
{
    /// <summary>In words; null: it is not worth a line of its own.</summary>
    public static string? Of(RunEvent happened) => happened switch
    {
        RunSubmitted => "the run has entered the queue",
        CoordinatorTookOver { Term.Value: > 1 } took =>
            $"a new coordinator has taken over, in {took.Term}",
        GenerationOpened { Copies: { } copies } opened =>
            $"{opened.Number} goes on from version {copies.Version}, held in memory by"
            + $" {Nodes(copies.Keepers)}, on"
            + $" {Counted.Of(opened.Servers.Length, "parameter server")}",
        GenerationOpened opened => opened.From is { } version
            ? $"{opened.Number} goes on from the checkpoint of version {version}, on"
                + $" {Counted.Of(opened.Servers.Length, "parameter server")}"
            : $"{opened.Number} starts on {Counted.Of(opened.Servers.Length, "parameter server")}",
        GenerationEnded ended => ended.Reason,
        WorkersAssigned assigned => assigned.Reason,
        LeaseShortened shortened => $"training stands at version {shortened.EndVersion}",
        EpochJudged judged => string.Create(
            CultureInfo.InvariantCulture,
            $"epoch {judged.Report.Epoch + 1}: loss {judged.Report.TrainingLoss:0.####};"
            + $" {judged.Report.Reason}"),
        NonFiniteFound found =>
            $"training came upon a number that is not finite: {found.Found.What}",
        CheckpointAborted aborted =>
            $"the checkpoint of version {aborted.Version} is lost: {aborted.Reason}",
        CheckpointCommitted committed =>
            $"the checkpoint of version {committed.Manifest.Version} is committed",
        CheckpointRetired { Damage: { } damage } retired =>
            $"the checkpoint of version {retired.Version} is damaged, and the run goes back to the"
            + $" one before it: {damage}",
        WorkersDisputed disputed => $"{disputed.Dispute}",
        WorkerQuarantined quarantined => quarantined.Reason,
        PauseRequested => "the user wants it to pause",
        RunPaused paused => paused.Reason,
        RunResumed resumed => $"it goes on: {resumed.Reason}",
        RunCompleted completed => $"completed: {completed.Result.Stop.Reason}",
        RunFailed failed => $"failed: {failed.Reason}",
        RunStopped stopped => stopped.Reason,
        _ => null,
    };

    private static string Nodes(ImmutableArray<CopyKeeper> keepers) =>
        string.Join(" and ", keepers.Select(keeper => keeper.Node).Distinct());
}
