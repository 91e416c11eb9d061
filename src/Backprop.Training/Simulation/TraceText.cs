using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>What a line of the trace says of messages, inputs and events.</summary>
internal static class TraceText
{
    public static string Of<T>(T what) => what switch
    {
        GradientHeader gradient =>
            $"gradient of {gradient.Node}, piece {gradient.Piece}, step {gradient.Step}"
            + $" of {gradient.Generation}",
        LossHeader loss => $"loss of {loss.Node}, step {loss.Step} of {loss.Generation}",
        SumsHeader sums =>
            $"sums of slice {sums.Slice}, step {sums.Step} of {sums.Generation}"
            + (sums.Asks ? ", asking" : ""),
        WeightsHeader weights =>
            $"piece {weights.Piece} of version {weights.Version} of {weights.Generation}",
        ServerStatus status => OfStatus(status),
        WorkerStatus status =>
            $"{status.Worker} says {status.Phase}, version {status.Version} of"
            + $" {status.Generation}, seen {status.Seen}"
            + (status.Evaluation is { } done ? $", evaluated {done.Request}" : ""),
        CoordinatorInput.ServerReported(var status) => OfStatus(status),
        CoordinatorInput.WorkerReported(var status) => Of(status),
        CoordinatorInput.Reported(var statuses) => string.Join("; ", statuses.Select(Of)),
        CoordinatorInput.NodesChanged(var nodes) =>
            $"nodes are {string.Join(", ", nodes.Select(one => one.Node))}",
        RunEvent happened => OfEvent(happened),
        _ => $"{what}",
    };

    private static string OfStatus(ServerStatus status) =>
        $"{status.Server} says {status.Phase}, version {status.Version} of slice {status.Slice}"
        + $" of {status.Generation}, seen {status.Seen}"
        + (status.Wait is { } wait
            ? $", waits for {string.Join(" ", wait.Missing)}"
                + $" slices {string.Join(" ", wait.SlicesWithoutSums)} of step {wait.Step}"
            : "")
        + (status.Saved is { } saved ? $", saved {saved.Version}" : "")
        + (status.Lost is { } lost ? $", lost {lost}" : "")
        + (status.NonFinite is { } stop ? $", {stop}" : "");

    private static string OfEvent(RunEvent happened) => happened switch
    {
        GenerationOpened opened =>
            $"{opened.Number} opens on {string.Join(", ", opened.Servers)} from"
            + (opened.Copies is { } copies
                ? $" copies of {copies.Version}: {string.Join(", ", copies.Keepers)}"
                : $" {opened.From?.ToString() ?? "the first weights"}"),
        GenerationEnded ended => $"the generation ends: {ended.Reason}",
        WorkersAssigned assigned =>
            $"revision {assigned.Revision}: "
            + string.Join(", ", assigned.Ranges.Select(
                one => $"{one.Worker} has {one.Range}"))
            + $"; {assigned.Reason}",
        EpochTrained trained => $"epoch trained to version {trained.Version}",
        EpochJudged judged =>
            $"epoch {judged.Report.Epoch} judged, version {judged.Report.StepsDone}",
        CheckpointBegun begun => $"checkpoint {begun.Position.Step} begins",
        CheckpointCommitted committed => $"checkpoint {committed.Manifest.Version} is committed",
        RunCompleted completed => $"completed: {completed.Result.Stop.Reason}",
        _ => $"{happened}",
    };
}
