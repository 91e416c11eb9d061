using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serialization;

/// <summary>What coordinator and workers tell each other, to the wire and back.</summary>
internal static class WorkerMessages
{
    // The length of the message bounds them all; these keep a count within its meaning.
    private const int MaxEvaluationMicroBatches = 1 << 21;
    private const int MaxConfusion = 1 << 22;
    private const int MaxTargets = 65_536;

    public static Wire.WorkerDirective ToWire(WorkerDirective directive)
    {
        var message = new Wire.WorkerDirective
        {
            Run = directive.Run.Value,
            Stamp = ProtocolParts.ToWire(directive.Stamp),
            Generation = directive.Generation.Value,
            Revision = directive.Revision,
            Assigned = ProtocolParts.ToWire(directive.Assigned),
            Lease = ProtocolParts.ToWire(directive.Lease),
            Evaluation = directive.Evaluation is { } evaluation ? ToWire(evaluation) : null,
            Closed = directive.Closed,
        };
        message.Servers.Add(ProtocolParts.ToWire(directive.Servers));
        if (directive.Verifies.Count > 0)
        {
            message.Verifies = ProtocolParts.ToWire(directive.Verifies);
        }

        if (directive.Recheck is { } recheck)
        {
            message.Recheck = new Wire.Recheck
            {
                Step = recheck.Step,
                Range = ProtocolParts.ToWire(recheck.Range),
            };
        }

        if (directive.Speculation is { } speculation)
        {
            message.Speculation = new Wire.Speculation { Step = speculation.Step };
            message.Speculation.Ranges.Add(speculation.Ranges.Select(ProtocolParts.ToWire));
        }

        return message;
    }

    public static WorkerDirective FromWire(Wire.WorkerDirective message) => new()
    {
        Run = ProtocolParts.Run(message.Run),
        Stamp = ProtocolParts.FromWire(message.Stamp),
        Generation = new Generation(message.Generation),
        Servers = ProtocolParts.Servers(message.Servers),
        Revision = message.Revision,
        Assigned = ProtocolParts.FromWire(message.Assigned),
        Speculation = message.Speculation is { } speculation
            ? new Speculation(speculation.Step, ProtocolParts.FromWire(speculation.Ranges))
            : null,
        Lease = ProtocolParts.FromWire(message.Lease),
        Evaluation = message.Evaluation is { } evaluation ? FromWire(evaluation) : null,
        Verifies = message.Verifies is { } verifies
            ? ProtocolParts.FromWire(verifies)
            : MicroBatchRange.None,
        Recheck = message.Recheck is { } recheck
            ? new Recheck(recheck.Step, ProtocolParts.FromWire(recheck.Range))
            : null,
        Closed = message.Closed,
    };

    public static Wire.WorkerStatus ToWire(WorkerStatus status)
    {
        var message = new Wire.WorkerStatus
        {
            Run = status.Run.Value,
            Worker = status.Worker.Value,
            Generation = status.Generation.Value,
            Seen = ProtocolParts.ToWire(status.Seen),
            Number = status.Number,
            Phase = ToWire(status.Phase),
            Failure = status.Phase is WorkerPhase.Failed failed
                ? WireChecks.ToReason(failed.Reason)
                : "",
            Version = status.Version,
        };
        if (status.Evaluation is { } done)
        {
            message.Evaluation = new Wire.EvaluationDone
            {
                Request = ToWire(done.Request),
                Part = ToWire(done.Part),
            };
        }

        if (status.SecondsPerMicroBatch is { } seconds)
        {
            message.SecondsPerMicroBatch = seconds;
        }

        return message;
    }

    public static WorkerStatus FromWire(Wire.WorkerStatus message) => new()
    {
        Run = ProtocolParts.Run(message.Run),
        Worker = ProtocolParts.Node(message.Worker),
        Generation = new Generation(message.Generation),
        Seen = ProtocolParts.FromWire(message.Seen),
        Number = message.Number,
        Phase = FromWire(message.Phase, message.Failure),
        Version = message.Version,
        Evaluation = message.Evaluation is { } done
            ? new EvaluationDone(
                FromWire(WireChecks.Required(done.Request, "an evaluation's request")),
                FromWire(WireChecks.Required(done.Part, "an evaluation's sums")))
            : null,
        SecondsPerMicroBatch =
            message.HasSecondsPerMicroBatch ? message.SecondsPerMicroBatch : null,
    };

    private static Wire.EvaluationRequest ToWire(EvaluationRequest request) =>
        new() { Version = request.Version, Range = ProtocolParts.ToWire(request.Range) };

    private static EvaluationRequest FromWire(Wire.EvaluationRequest request) =>
        new(request.Version, ProtocolParts.FromWire(request.Range));

    private static Wire.WorkerPhase ToWire(WorkerPhase phase) => phase switch
    {
        WorkerPhase.Opening => Wire.WorkerPhase.Opening,
        WorkerPhase.Observing => Wire.WorkerPhase.Observing,
        WorkerPhase.Whole => Wire.WorkerPhase.Whole,
        WorkerPhase.Failed => Wire.WorkerPhase.Failed,
        WorkerPhase.Closed => Wire.WorkerPhase.Closed,
        _ => throw new ArgumentException($"unknown phase {phase}"),
    };

    private static WorkerPhase FromWire(Wire.WorkerPhase phase, string failure) => phase switch
    {
        Wire.WorkerPhase.Opening => new WorkerPhase.Opening(),
        Wire.WorkerPhase.Observing => new WorkerPhase.Observing(),
        Wire.WorkerPhase.Whole => new WorkerPhase.Whole(),
        Wire.WorkerPhase.Failed => new WorkerPhase.Failed(WireChecks.FromReason(failure)),
        Wire.WorkerPhase.Closed => new WorkerPhase.Closed(),
        _ => throw new SerializationException($"a worker has no phase {phase}"),
    };

    private static Wire.MetricsPart ToWire(MetricsPart part)
    {
        var message = new Wire.MetricsPart { First = part.First };
        message.LossSums.Add(part.LossSums);
        message.Confusion.Add(part.Confusion);
        foreach (TargetSums sums in part.Values)
        {
            var target = new Wire.TargetSums();
            target.Absolute.Add(sums.Absolute);
            target.Squared.Add(sums.Squared);
            target.TargetCounts.Add(sums.Targets.Select(moments => moments.Count));
            target.TargetMeans.Add(sums.Targets.Select(moments => moments.Mean));
            target.TargetSquaredDeviations.Add(
                sums.Targets.Select(moments => moments.SquaredDeviations));
            message.Values.Add(target);
        }

        message.Outputs.Add(part.Outputs.Select(ToWire));
        return message;
    }

    private static MetricsPart FromWire(Wire.MetricsPart part) => FromWireAlone(part) with
    {
        Outputs = WireChecks.List(
            part.Outputs, ResultMessages.MaxOutputs, "outputs", FromWireAlone),
    };

    private static MetricsPart FromWireAlone(Wire.MetricsPart part) => new(
        part.First,
        WireChecks.List(part.LossSums, MaxEvaluationMicroBatches, "loss sums"),
        WireChecks.List(part.Confusion, MaxConfusion, "entries of a confusion matrix"),
        WireChecks.List(
            part.Values, MaxTargets, "targets", sums => FromWire(sums, part.LossSums.Count)));

    private static TargetSums FromWire(Wire.TargetSums sums, int microBatches)
    {
        int[] counts =
        [
            sums.Absolute.Count, sums.Squared.Count, sums.TargetCounts.Count,
            sums.TargetMeans.Count, sums.TargetSquaredDeviations.Count,
        ];
        if (counts.Any(count => count != microBatches))
        {
            throw new SerializationException(
                $"a target's sums are over {string.Join(", ", counts)} micro-batches, where"
                + $" {microBatches} have loss sums");
        }

        var moments = ImmutableArray.CreateBuilder<Moments>(microBatches);
        for (int i = 0; i < microBatches; i++)
        {
            moments.Add(new Moments(
                sums.TargetCounts[i], sums.TargetMeans[i], sums.TargetSquaredDeviations[i]));
        }

        return new TargetSums(
            [.. sums.Absolute], [.. sums.Squared], moments.MoveToImmutable());
    }
}
