using System.Runtime.Serialization;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Serialization;

/// <summary>What has happened to a run, to its journal and back.</summary>
internal static class EventMessages
{
    public static Wire.RunEvent ToWire(RunEvent happened)
    {
        var message = new Wire.RunEvent { AtTicks = WireChecks.ToTicks(happened.At) };
        switch (happened)
        {
            case RunSubmitted submitted:
                message.Submitted = new Wire.RunSubmitted { Run = submitted.Run.Value };
                break;
            case CoordinatorTookOver took:
                message.TookOver = new Wire.CoordinatorTookOver { Term = took.Term.Value };
                break;
            case GenerationOpened opened:
                message.GenerationOpened = ToWire(opened);
                break;
            case GenerationEnded ended:
                message.GenerationEnded = new Wire.GenerationEnded
                {
                    Reason = WireChecks.ToReason(ended.Reason),
                    IsFailure = ended.IsFailure,
                };
                break;
            case WorkersAssigned assigned:
                message.WorkersAssigned = ToWire(assigned);
                break;
            case LeaseGranted granted:
                message.LeaseGranted =
                    new Wire.LeaseGranted { Lease = ProtocolParts.ToWire(granted.Lease) };
                break;
            case HaltOrdered halted:
                message.HaltOrdered = new Wire.HaltOrdered
                {
                    Cause = (Wire.HaltCause)(1 + (int)halted.Cause),
                };
                break;
            case LeaseShortened shortened:
                message.LeaseShortened =
                    new Wire.LeaseShortened { EndVersion = shortened.EndVersion };
                break;
            case EpochTrained trained:
                message.EpochTrained = new Wire.EpochTrained
                {
                    Version = trained.Version,
                    LossSum = trained.LossSum,
                };
                message.EpochTrained.Layers.Add(trained.Layers.Select(ServerMessages.ToWire));
                break;
            case EpochJudged judged:
                message.EpochJudged = new Wire.EpochJudged
                {
                    Report = ResultMessages.ToWire(judged.Report),
                    Stopping = ResultMessages.ToWire(judged.Stopping),
                    Plateau = ResultMessages.ToWire(judged.Plateau),
                    Stop = judged.Stop is { } stop ? ResultMessages.ToWire(stop) : null,
                };
                break;
            case NonFiniteFound found:
                message.NonFiniteFound =
                    new Wire.NonFiniteFound { Found = ServerMessages.ToWire(found.Found) };
                break;
            default:
                SetRest(message, happened);
                break;
        }

        return message;
    }

    public static RunEvent FromWire(Wire.RunEvent message)
    {
        DateTimeOffset at = WireChecks.FromTicks(message.AtTicks);
        return message.HappenedCase switch
        {
            Wire.RunEvent.HappenedOneofCase.Submitted =>
                new RunSubmitted(at, ProtocolParts.Run(message.Submitted.Run)),
            Wire.RunEvent.HappenedOneofCase.TookOver =>
                new CoordinatorTookOver(at, new Term(message.TookOver.Term)),
            Wire.RunEvent.HappenedOneofCase.GenerationOpened =>
                FromWire(at, message.GenerationOpened),
            Wire.RunEvent.HappenedOneofCase.GenerationEnded => new GenerationEnded(
                at, WireChecks.FromReason(message.GenerationEnded.Reason),
                message.GenerationEnded.IsFailure),
            Wire.RunEvent.HappenedOneofCase.WorkersAssigned =>
                FromWire(at, message.WorkersAssigned),
            Wire.RunEvent.HappenedOneofCase.LeaseGranted =>
                new LeaseGranted(at, ProtocolParts.FromWire(message.LeaseGranted.Lease)),
            Wire.RunEvent.HappenedOneofCase.HaltOrdered => new HaltOrdered(
                at, WireChecks.Enum<HaltCause>((int)message.HaltOrdered.Cause - 1, "halt")),
            Wire.RunEvent.HappenedOneofCase.LeaseShortened =>
                new LeaseShortened(at, message.LeaseShortened.EndVersion),
            Wire.RunEvent.HappenedOneofCase.EpochTrained => new EpochTrained(
                at, message.EpochTrained.Version, message.EpochTrained.LossSum,
                ServerMessages.Layers(message.EpochTrained.Layers)),
            Wire.RunEvent.HappenedOneofCase.EpochJudged => new EpochJudged(
                at, ResultMessages.FromWire(message.EpochJudged.Report),
                ResultMessages.FromWire(message.EpochJudged.Stopping),
                ResultMessages.FromWire(message.EpochJudged.Plateau),
                message.EpochJudged.Stop is { } stop ? ResultMessages.FromWire(stop) : null),
            Wire.RunEvent.HappenedOneofCase.NonFiniteFound => new NonFiniteFound(
                at, ServerMessages.FromWire(WireChecks.Required(
                    message.NonFiniteFound.Found, "what is not finite"))),
            _ => RestOf(at, message),
        };
    }

    private static void SetRest(Wire.RunEvent message, RunEvent happened)
    {
        switch (happened)
        {
            case CheckpointBegun begun:
                message.CheckpointBegun = new Wire.CheckpointBegun
                {
                    Position = ResultMessages.ToWire(begun.Position),
                    Waits = begun.Waits,
                };
                break;
            case CheckpointAborted aborted:
                message.CheckpointAborted = new Wire.CheckpointAborted
                {
                    Version = aborted.Version,
                    Reason = WireChecks.ToReason(aborted.Reason),
                    Cause = (Wire.CheckpointLoss)aborted.Cause,
                };
                break;
            case CheckpointCommitted committed:
                message.CheckpointCommitted = new Wire.CheckpointCommitted
                {
                    Manifest = ResultMessages.ToWire(committed.Manifest),
                };
                break;
            case CheckpointRetired retired:
                message.CheckpointRetired =
                    new Wire.CheckpointRetired { Version = retired.Version };
                if (retired.Damage is { } damage)
                {
                    message.CheckpointRetired.Damage = WireChecks.ToReason(damage);
                }

                break;
            case WorkersDisputed disputed:
                message.WorkersDisputed = DigestMessages.ToWire(disputed);
                break;
            case WorkerQuarantined quarantined:
                message.WorkerQuarantined = new Wire.WorkerQuarantined
                {
                    Worker = quarantined.Worker.Value,
                    Reason = WireChecks.ToReason(quarantined.Reason),
                };
                break;
            case PauseRequested:
                message.PauseRequested = new Wire.PauseRequested();
                break;
            case RunPaused paused:
                message.Paused = new Wire.RunPaused
                {
                    Cause = (Wire.PauseCause)(1 + (int)paused.Cause),
                    Reason = WireChecks.ToReason(paused.Reason),
                };
                break;
            case RunResumed resumed:
                message.Resumed =
                    new Wire.RunResumed { Reason = WireChecks.ToReason(resumed.Reason) };
                break;
            case RunCompleted completed:
                message.Completed =
                    new Wire.RunCompleted { Result = ResultMessages.ToWire(completed.Result) };
                break;
            case RunFailed failed:
                message.Failed =
                    new Wire.RunFailed { Reason = WireChecks.ToReason(failed.Reason) };
                break;
            case RunStopped stopped:
                message.Stopped =
                    new Wire.RunStopped { Reason = WireChecks.ToReason(stopped.Reason) };
                break;
            default:
                throw new SerializationException($"{happened.GetType()} is not in events.proto");
        }
    }

    private static RunEvent RestOf(DateTimeOffset at, Wire.RunEvent message) =>
        message.HappenedCase switch
        {
            Wire.RunEvent.HappenedOneofCase.CheckpointBegun => new CheckpointBegun(
                at, ResultMessages.FromWire(message.CheckpointBegun.Position),
                message.CheckpointBegun.Waits),
            Wire.RunEvent.HappenedOneofCase.CheckpointAborted => new CheckpointAborted(
                at, message.CheckpointAborted.Version,
                WireChecks.FromReason(message.CheckpointAborted.Reason),
                WireChecks.Enum<CheckpointLoss>(
                    (int)message.CheckpointAborted.Cause, "checkpoint loss")),
            Wire.RunEvent.HappenedOneofCase.CheckpointCommitted => new CheckpointCommitted(
                at, ResultMessages.FromWire(message.CheckpointCommitted.Manifest)),
            Wire.RunEvent.HappenedOneofCase.CheckpointRetired =>
                new CheckpointRetired(at, message.CheckpointRetired.Version)
                {
                    Damage = message.CheckpointRetired.HasDamage
                        ? WireChecks.FromReason(message.CheckpointRetired.Damage)
                        : null,
                },
            Wire.RunEvent.HappenedOneofCase.WorkersDisputed =>
                DigestMessages.FromWire(at, message.WorkersDisputed),
            Wire.RunEvent.HappenedOneofCase.WorkerQuarantined => new WorkerQuarantined(
                at, ProtocolParts.Node(message.WorkerQuarantined.Worker),
                WireChecks.FromReason(message.WorkerQuarantined.Reason)),
            Wire.RunEvent.HappenedOneofCase.PauseRequested => new PauseRequested(at),
            Wire.RunEvent.HappenedOneofCase.Paused => new RunPaused(
                at, WireChecks.Enum<PauseCause>((int)message.Paused.Cause - 1, "pause"),
                WireChecks.FromReason(message.Paused.Reason)),
            Wire.RunEvent.HappenedOneofCase.Resumed =>
                new RunResumed(at, WireChecks.FromReason(message.Resumed.Reason)),
            Wire.RunEvent.HappenedOneofCase.Completed =>
                new RunCompleted(at, ResultMessages.FromWire(message.Completed.Result)),
            Wire.RunEvent.HappenedOneofCase.Failed =>
                new RunFailed(at, WireChecks.FromReason(message.Failed.Reason)),
            Wire.RunEvent.HappenedOneofCase.Stopped =>
                new RunStopped(at, WireChecks.FromReason(message.Stopped.Reason)),
            _ => throw new SerializationException(
                "an event of a kind that this version does not know: it is of a later one"),
        };

    private static Wire.GenerationOpened ToWire(GenerationOpened opened)
    {
        var message = new Wire.GenerationOpened { Number = opened.Number.Value };
        message.Servers.Add(ProtocolParts.ToWire(opened.Servers));
        if (opened.From is { } version)
        {
            message.From = version;
        }

        if (opened.Copies is { } copies)
        {
            message.Copies = new Wire.CopiesUsed
            {
                Position = ResultMessages.ToWire(copies.Position),
            };
            message.Copies.Keepers.Add(copies.Keepers.Select(CopyMessages.ToWire));
        }

        return message;
    }

    private static GenerationOpened FromWire(DateTimeOffset at, Wire.GenerationOpened message) =>
        new(at, new Generation(message.Number), ProtocolParts.Servers(message.Servers),
            message.HasFrom ? message.From : null)
        {
            Copies = message.Copies is { } copies
                ? new CopiesUsed(
                    ResultMessages.FromWire(WireChecks.Required(copies.Position, "a position")),
                    CopyMessages.Keepers(copies.Keepers))
                : null,
        };

    private static Wire.WorkersAssigned ToWire(WorkersAssigned assigned)
    {
        var message = new Wire.WorkersAssigned
        {
            Revision = assigned.Revision,
            Reason = WireChecks.ToReason(assigned.Reason),
        };
        message.Ranges.Add(assigned.Ranges.Select(entry => new Wire.AssignedRange
        {
            Worker = entry.Worker.Value,
            Range = ProtocolParts.ToWire(entry.Range),
        }));
        return message;
    }

    private static WorkersAssigned FromWire(DateTimeOffset at, Wire.WorkersAssigned message) =>
        new(at, message.Revision,
            WireChecks.List(
                message.Ranges, AssignmentPlanner.MaxWorkers, "workers", entry => new AssignedRange(
                    ProtocolParts.Node(entry.Worker), ProtocolParts.FromWire(entry.Range))),
            WireChecks.FromReason(message.Reason));
}
