using System.Runtime.Serialization;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Google.Protobuf;

namespace Backprop.Distributed.Serialization;

/// <summary>What has happened to a cluster's runs, to the coordinator's journal and back.</summary>
internal static class RegistryMessages
{
    private const int GuidBytes = 16;

    public static Wire.RegistryEvent ToWire(RegistryEvent happened)
    {
        var message = new Wire.RegistryEvent { AtTicks = WireChecks.ToTicks(happened.At) };
        switch (happened)
        {
            case RunRegistered registered:
                message.Registered = new Wire.RunRegistered
                {
                    Run = registered.Run.Value,
                    Submission = ToWire(registered.Submission),
                    Name = registered.Name,
                    Specification = registered.Specification,
                    Source = WireChecks.ToReason(registered.Source),
                    Priority = registered.Priority,
                    Trial = registered.Trial is { } trial ? SweepMessages.ToWire(trial) : null,
                };
                break;
            case RunOutlined outlined:
                message.Outlined = new Wire.RunOutlined
                {
                    Run = outlined.Run.Value,
                    Outline = OutlineMessages.ToWire(outlined.Outline),
                };
                break;
            case ModelStored stored:
                message.ModelStored = new Wire.ModelStored
                {
                    Run = stored.Run.Value,
                    Model = ResultMessages.ToWire(stored.Model),
                };
                break;
            case RunEnded ended:
                message.Ended = new Wire.RunEnded
                {
                    Summary = ToWire(ended.Summary),
                    Outcome = ended.Outcome is { } outcome ? SweepMessages.ToWire(outcome) : null,
                };
                break;
            case SweepRegistered registered:
                message.SweepRegistered = SweepMessages.ToWire(registered);
                break;
            case SweepStopped stopped:
                message.SweepStopped = new Wire.SweepStopped { Sweep = stopped.Sweep.Value };
                break;
            case SweepEnded ended:
                message.SweepEnded = new Wire.SweepEnded
                {
                    Summary = SweepMessages.ToWire(ended.Summary),
                };
                break;
            case QueueChanged(var change):
                Set(message, change);
                break;
            default:
                throw new SerializationException($"{happened.GetType()} is not in events.proto");
        }

        return message;
    }

    public static RegistryEvent FromWire(Wire.RegistryEvent message)
    {
        DateTimeOffset at = WireChecks.FromTicks(message.AtTicks);
        return message.HappenedCase switch
        {
            Wire.RegistryEvent.HappenedOneofCase.Registered => new RunRegistered(
                at, ProtocolParts.Run(message.Registered.Run),
                GuidOf(message.Registered.Submission),
                WireChecks.Text(message.Registered.Name, "a run's name"),
                WireChecks.Specification(message.Registered.Specification),
                WireChecks.FromReason(message.Registered.Source), message.Registered.Priority)
            {
                Trial = message.Registered.Trial is { } trial
                    ? SweepMessages.FromWire(trial)
                    : null,
            },
            Wire.RegistryEvent.HappenedOneofCase.Outlined => new RunOutlined(
                at, ProtocolParts.Run(message.Outlined.Run),
                OutlineMessages.FromWire(message.Outlined.Outline)),
            Wire.RegistryEvent.HappenedOneofCase.ModelStored => new ModelStored(
                at, ProtocolParts.Run(message.ModelStored.Run),
                ResultMessages.FromWire(message.ModelStored.Model)),
            Wire.RegistryEvent.HappenedOneofCase.Ended => Ended(at, message.Ended),
            Wire.RegistryEvent.HappenedOneofCase.SweepRegistered =>
                SweepMessages.FromWire(at, message.SweepRegistered),
            Wire.RegistryEvent.HappenedOneofCase.SweepStopped =>
                new SweepStopped(at, SweepMessages.Sweep(message.SweepStopped.Sweep)),
            Wire.RegistryEvent.HappenedOneofCase.SweepEnded =>
                SweepMessages.FromWire(at, message.SweepEnded),
            _ => new QueueChanged(ChangeOf(at, message)),
        };
    }

    public static Wire.RunSummary ToWire(RunSummaryView summary)
    {
        var message = new Wire.RunSummary
        {
            Run = summary.Id.Value,
            Name = summary.Name,
            Standing = (Wire.RunStanding)(1 + (int)summary.Standing),
            Reason = WireChecks.ToReason(summary.Reason),
            Priority = summary.Priority,
            SubmittedTicks = WireChecks.ToTicks(summary.Submitted),
            Version = summary.Version,
            TotalSteps = summary.TotalSteps,
            Workers = summary.Workers,
        };
        if (summary.Metric is { } metric)
        {
            message.Metric = metric;
        }

        return message;
    }

    public static RunSummaryView FromWire(Wire.RunSummary? message)
    {
        message = WireChecks.Required(message, "what a run is at");
        return new RunSummaryView(
            ProtocolParts.Run(message.Run), WireChecks.Text(message.Name, "a run's name"),
            WireChecks.Enum<RunStanding>((int)message.Standing - 1, "standing of a run"),
            WireChecks.FromReason(message.Reason), message.Priority,
            WireChecks.FromTicks(message.SubmittedTicks), message.Version, message.TotalSteps,
            message.Workers, message.HasMetric ? message.Metric : null);
    }

    public static ByteString ToWire(Guid id) => ByteString.CopyFrom(id.ToByteArray());

    public static Guid GuidOf(ByteString bytes) => bytes.Length == GuidBytes
        ? new Guid(bytes.Span)
        : throw new SerializationException($"a submission's name of {bytes.Length} bytes");

    private static RunEnded Ended(DateTimeOffset at, Wire.RunEnded message)
    {
        RunSummaryView view = FromWire(message.Summary);
        return new RunEnded(at, view.Id, view)
        {
            Outcome = message.Outcome is { } outcome ? SweepMessages.FromWire(outcome) : null,
        };
    }

    private static void Set(Wire.RegistryEvent message, QueueEvent change)
    {
        switch (change)
        {
            case RunQueued queued:
                message.Queued = new Wire.RunQueued
                {
                    Run = queued.Run.Value,
                    Priority = queued.Priority,
                    MinWorkers = queued.MinWorkers,
                    MaxWorkers = queued.MaxWorkers,
                };
                break;
            case QueuedRunHeld held:
                message.Held = new Wire.QueuedRunHeld { Run = held.Run.Value };
                break;
            case QueuedRunReleased released:
                message.Released = new Wire.QueuedRunReleased { Run = released.Run.Value };
                break;
            case RunDequeued gone:
                message.Dequeued = new Wire.RunDequeued { Run = gone.Run.Value };
                break;
            case WorkersGranted granted:
                message.WorkersGranted = new Wire.WorkersGranted
                {
                    Run = granted.Run.Value,
                    Reason = WireChecks.ToReason(granted.Reason),
                };
                message.WorkersGranted.Workers.Add(ProtocolParts.ToWire(granted.Workers));
                break;
            default:
                throw new SerializationException($"{change.GetType()} is not in events.proto");
        }
    }

    private static QueueEvent ChangeOf(DateTimeOffset at, Wire.RegistryEvent message) =>
        message.HappenedCase switch
        {
            Wire.RegistryEvent.HappenedOneofCase.Queued => new RunQueued(
                at, ProtocolParts.Run(message.Queued.Run), message.Queued.Priority,
                message.Queued.MinWorkers, message.Queued.MaxWorkers),
            Wire.RegistryEvent.HappenedOneofCase.Held =>
                new QueuedRunHeld(at, ProtocolParts.Run(message.Held.Run)),
            Wire.RegistryEvent.HappenedOneofCase.Released =>
                new QueuedRunReleased(at, ProtocolParts.Run(message.Released.Run)),
            Wire.RegistryEvent.HappenedOneofCase.Dequeued =>
                new RunDequeued(at, ProtocolParts.Run(message.Dequeued.Run)),
            Wire.RegistryEvent.HappenedOneofCase.WorkersGranted => new WorkersGranted(
                at, ProtocolParts.Run(message.WorkersGranted.Run),
                ProtocolParts.Workers(message.WorkersGranted.Workers),
                WireChecks.FromReason(message.WorkersGranted.Reason)),
            _ => throw new SerializationException(
                "an event of a kind that this version does not know: it is of a later one"),
        };
}
