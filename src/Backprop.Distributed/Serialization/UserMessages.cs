using System.Runtime.Serialization;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serialization;

/// <summary>What users ask the coordinator and what it answers, to the wire and back.</summary>
internal static class UserMessages
{
    private const int MaxHappenings = 10_000;
    private const int MaxCheckpoints = 100_000;
    private const int MaxWarnings = 1_000;
    private const int MaxNotes = 1_000;
    private const int MaxParticipants = 10_000;

    public static Wire.CoordinatorRequest ToWire(CoordinatorRequest request) => request switch
    {
        CoordinatorRequest.Submit submit => new Wire.CoordinatorRequest
        {
            Submit = new Wire.SubmitRun
            {
                Submission = RegistryMessages.ToWire(submit.Submission),
                Specification = submit.Specification,
                Source = WireChecks.ToReason(submit.Source),
                Priority = submit.Priority,
            },
        },
        CoordinatorRequest.ListRuns list => new Wire.CoordinatorRequest
        {
            ListRuns = new Wire.ListRuns
            {
                After = list.After?.Value ?? "",
                Limit = list.Limit == RegistryState.MaxRuns ? 0 : list.Limit,
            },
        },
        CoordinatorRequest.FollowRun follow => new Wire.CoordinatorRequest
        {
            FollowRun = new Wire.FollowRun
            {
                Run = follow.Run.Value,
                Epochs = follow.Known.Epochs,
                Happenings = follow.Known.Happenings,
                Points = follow.Known.Points,
            },
        },
        CoordinatorRequest.ShowSpecification show => new Wire.CoordinatorRequest
        {
            ShowSpecification = new Wire.ShowRun { Run = show.Run.Value },
        },
        CoordinatorRequest.ShowRun show => new Wire.CoordinatorRequest
        {
            ShowRun = new Wire.ShowRun { Run = show.Run.Value },
        },
        CoordinatorRequest.ControlRun control => new Wire.CoordinatorRequest
        {
            ControlRun = new Wire.ControlRun
            {
                Run = control.Run.Value,
                Control = (Wire.RunControl)(1 + (int)control.Control),
            },
        },
        CoordinatorRequest.ShowReplay replay => new Wire.CoordinatorRequest
        {
            ShowReplay = new Wire.ShowReplay
            {
                Run = replay.Run.Value,
                Version = replay.Version,
            },
        },
        CoordinatorRequest.ShowTimeline timeline => new Wire.CoordinatorRequest
        {
            ShowTimeline = new Wire.ShowTimeline { Run = timeline.Run.Value },
        },
        CoordinatorRequest.SubmitSweep submit => new Wire.CoordinatorRequest
        {
            SubmitSweep = new Wire.SubmitSweep
            {
                Submission = RegistryMessages.ToWire(submit.Submission),
                Specification = submit.Specification,
                Run = submit.Run,
                Source = WireChecks.ToReason(submit.Source),
                Priority = submit.Priority,
            },
        },
        CoordinatorRequest.ListSweeps =>
            new Wire.CoordinatorRequest { ListSweeps = new Wire.ListSweeps() },
        CoordinatorRequest.ShowSweep show => new Wire.CoordinatorRequest
        {
            ShowSweep = new Wire.ShowSweep { Sweep = show.Sweep.Value },
        },
        CoordinatorRequest.StopSweep stop => new Wire.CoordinatorRequest
        {
            StopSweep = new Wire.ShowSweep { Sweep = stop.Sweep.Value },
        },
        CoordinatorRequest.ShowCluster =>
            new Wire.CoordinatorRequest { ShowCluster = new Wire.ShowCluster() },
        CoordinatorRequest.LetGo leaving => new Wire.CoordinatorRequest
        {
            LetGo = new Wire.LetGo { Node = leaving.Node.Value },
        },
        _ => throw new SerializationException($"{request.GetType()} is not in nodes.proto"),
    };

    public static CoordinatorRequest FromWire(Wire.CoordinatorRequest message) =>
        message.RequestCase switch
        {
            Wire.CoordinatorRequest.RequestOneofCase.Submit => new CoordinatorRequest.Submit(
                RegistryMessages.GuidOf(message.Submit.Submission),
                WireChecks.Specification(message.Submit.Specification),
                WireChecks.FromReason(message.Submit.Source), message.Submit.Priority),
            Wire.CoordinatorRequest.RequestOneofCase.ListRuns => FromWire(message.ListRuns),
            Wire.CoordinatorRequest.RequestOneofCase.FollowRun => new CoordinatorRequest.FollowRun(
                ProtocolParts.Run(message.FollowRun.Run),
                new RunCursor(
                    message.FollowRun.Epochs, message.FollowRun.Happenings,
                    message.FollowRun.Points)),
            Wire.CoordinatorRequest.RequestOneofCase.ShowSpecification =>
                new CoordinatorRequest.ShowSpecification(
                    ProtocolParts.Run(message.ShowSpecification.Run)),
            Wire.CoordinatorRequest.RequestOneofCase.ShowRun =>
                new CoordinatorRequest.ShowRun(ProtocolParts.Run(message.ShowRun.Run)),
            Wire.CoordinatorRequest.RequestOneofCase.ControlRun =>
                new CoordinatorRequest.ControlRun(
                    ProtocolParts.Run(message.ControlRun.Run),
                    WireChecks.Enum<RunControl>((int)message.ControlRun.Control - 1, "control")),
            Wire.CoordinatorRequest.RequestOneofCase.ShowReplay =>
                new CoordinatorRequest.ShowReplay(
                    ProtocolParts.Run(message.ShowReplay.Run), message.ShowReplay.Version),
            Wire.CoordinatorRequest.RequestOneofCase.ShowTimeline =>
                new CoordinatorRequest.ShowTimeline(ProtocolParts.Run(message.ShowTimeline.Run)),
            Wire.CoordinatorRequest.RequestOneofCase.SubmitSweep =>
                new CoordinatorRequest.SubmitSweep(
                    RegistryMessages.GuidOf(message.SubmitSweep.Submission),
                    WireChecks.Specification(message.SubmitSweep.Specification),
                    WireChecks.Specification(message.SubmitSweep.Run),
                    WireChecks.FromReason(message.SubmitSweep.Source),
                    message.SubmitSweep.Priority),
            Wire.CoordinatorRequest.RequestOneofCase.ListSweeps =>
                new CoordinatorRequest.ListSweeps(),
            Wire.CoordinatorRequest.RequestOneofCase.ShowSweep =>
                new CoordinatorRequest.ShowSweep(SweepMessages.Sweep(message.ShowSweep.Sweep)),
            Wire.CoordinatorRequest.RequestOneofCase.StopSweep =>
                new CoordinatorRequest.StopSweep(SweepMessages.Sweep(message.StopSweep.Sweep)),
            Wire.CoordinatorRequest.RequestOneofCase.ShowCluster =>
                new CoordinatorRequest.ShowCluster(),
            Wire.CoordinatorRequest.RequestOneofCase.LetGo =>
                new CoordinatorRequest.LetGo(ProtocolParts.Node(message.LetGo.Node)),
            _ => throw new SerializationException("a request of a later version"),
        };

    public static Wire.CoordinatorAnswer ToWire(CoordinatorAnswer answer)
    {
        switch (answer)
        {
            case CoordinatorAnswer.Submitted submitted:
                return new Wire.CoordinatorAnswer { Submitted = submitted.Id.Value };
            case CoordinatorAnswer.Runs runs:
                var list = new Wire.RunList();
                list.All.Add(runs.All.Select(RegistryMessages.ToWire));
                return new Wire.CoordinatorAnswer { Runs = list };
            case CoordinatorAnswer.Run run:
                return new Wire.CoordinatorAnswer { Run = ToWire(run.View) };
            case CoordinatorAnswer.Followed followed:
                return new Wire.CoordinatorAnswer { Followed = ToWire(followed) };
            case CoordinatorAnswer.Specification specification:
                return new Wire.CoordinatorAnswer { Specification = specification.Text };
            case CoordinatorAnswer.Replay replay:
                return new Wire.CoordinatorAnswer
                {
                    Replay = new Wire.Replay
                    {
                        Setup = NodeQuestions.ToWire(replay.Setup),
                        From = replay.From is { } from ? ResultMessages.ToWire(from) : null,
                    },
                };
            case CoordinatorAnswer.Timeline timeline:
                return new Wire.CoordinatorAnswer
                {
                    Timeline = TimelineMessages.ToWire(timeline.View),
                };
            case CoordinatorAnswer.SubmittedSweep submitted:
                return new Wire.CoordinatorAnswer { SubmittedSweep = submitted.Id.Value };
            case CoordinatorAnswer.Sweeps sweeps:
                var all = new Wire.SweepList();
                all.All.Add(sweeps.All.Select(SweepMessages.ToWire));
                return new Wire.CoordinatorAnswer { Sweeps = all };
            case CoordinatorAnswer.Sweep sweep:
                return new Wire.CoordinatorAnswer { Sweep = SweepMessages.ToWire(sweep.View) };
            case CoordinatorAnswer.Done:
                return new Wire.CoordinatorAnswer { Done = new Wire.Done() };
            case CoordinatorAnswer.Cluster cluster:
                return new Wire.CoordinatorAnswer { Cluster = ToWire(cluster.View) };
            case CoordinatorAnswer.Refused refused:
                return new Wire.CoordinatorAnswer
                {
                    Refused = new Wire.Refused
                    {
                        Kind = (Wire.RefusalKind)(1 + (int)refused.Kind),
                        Reason = WireChecks.ToReason(refused.Reason),
                    },
                };
            default:
                throw new SerializationException($"{answer.GetType()} is not in nodes.proto");
        }
    }

    public static CoordinatorAnswer FromWire(Wire.CoordinatorAnswer message) =>
        message.AnswerCase switch
        {
            Wire.CoordinatorAnswer.AnswerOneofCase.Submitted =>
                new CoordinatorAnswer.Submitted(ProtocolParts.Run(message.Submitted)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Runs => new CoordinatorAnswer.Runs(
                WireChecks.List(
                    message.Runs.All, RegistryState.MaxRuns, "runs", RegistryMessages.FromWire)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Run =>
                new CoordinatorAnswer.Run(FromWire(message.Run)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Followed => FromWire(message.Followed),
            Wire.CoordinatorAnswer.AnswerOneofCase.Specification =>
                new CoordinatorAnswer.Specification(
                    WireChecks.Specification(message.Specification)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Replay => new CoordinatorAnswer.Replay(
                NodeQuestions.FromWire(message.Replay.Setup),
                message.Replay.From is { } from ? ResultMessages.FromWire(from) : null),
            Wire.CoordinatorAnswer.AnswerOneofCase.Timeline =>
                new CoordinatorAnswer.Timeline(TimelineMessages.FromWire(message.Timeline)),
            Wire.CoordinatorAnswer.AnswerOneofCase.SubmittedSweep =>
                new CoordinatorAnswer.SubmittedSweep(SweepMessages.Sweep(message.SubmittedSweep)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Sweeps => new CoordinatorAnswer.Sweeps(
                WireChecks.List(
                    message.Sweeps.All, RegistryState.MaxSweeps, "sweeps",
                    SweepMessages.FromWire)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Sweep =>
                new CoordinatorAnswer.Sweep(SweepMessages.FromWire(message.Sweep)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Done => new CoordinatorAnswer.Done(),
            Wire.CoordinatorAnswer.AnswerOneofCase.Cluster =>
                new CoordinatorAnswer.Cluster(FromWire(message.Cluster)),
            Wire.CoordinatorAnswer.AnswerOneofCase.Refused => new CoordinatorAnswer.Refused(
                WireChecks.Enum<RefusalKind>((int)message.Refused.Kind - 1, "refusal"),
                WireChecks.FromReason(message.Refused.Reason)),
            _ => throw new SerializationException("an answer of a later version"),
        };

    public static Wire.NodeDescription ToWire(NodeDescription node) => new()
    {
        Node = node.Node.Value,
        Roles = (int)node.Roles,
        LinksHost = node.Links.Host,
        LinksPort = node.Links.Port,
        SoftwareVersion = node.SoftwareVersion,
        Threads = node.Threads,
        Processor = node.Processor,
        Protocol = node.Protocol.Newest,
        OldestProtocol = node.Protocol.Oldest,
        Arithmetic = node.Protocol.Arithmetic,
    };

    public static NodeDescription FromWire(Wire.NodeDescription? message)
    {
        message = WireChecks.Required(message, "a node's description");
        const NodeRoles All =
            NodeRoles.Coordinator | NodeRoles.ParameterServer | NodeRoles.Worker
            | NodeRoles.Console;
        if ((message.Roles & ~(int)All) != 0
            || message.LinksPort is < 0 or > ushort.MaxValue || message.Threads < 0)
        {
            throw new SerializationException(
                $"a node with roles {message.Roles}, links at port {message.LinksPort} and"
                + $" {message.Threads} threads");
        }

        return new NodeDescription(
            ProtocolParts.Node(message.Node), (NodeRoles)message.Roles,
            new LinkAddress(
                WireChecks.Text(message.LinksHost, "a host's name"), message.LinksPort),
            WireChecks.Text(message.SoftwareVersion, "a software's version"), message.Threads,
            WireChecks.Text(message.Processor, "a processor's name"))
        {
            Protocol = new ProtocolSupport(
                Math.Max(1, message.Protocol), Math.Max(1, message.OldestProtocol),
                Math.Max(1, message.Arithmetic)),
        };
    }

    private static CoordinatorRequest.ListRuns FromWire(Wire.ListRuns message) => new()
    {
        After = message.After.Length > 0 ? ProtocolParts.Run(message.After) : null,
        Limit = message.Limit is > 0 and < RegistryState.MaxRuns
            ? message.Limit
            : RegistryState.MaxRuns,
    };

    private static Wire.Followed ToWire(CoordinatorAnswer.Followed followed)
    {
        var message = new Wire.Followed
        {
            View = ToWire(followed.View),
            AreCurvesRead = followed.Curves.IsRead,
            EndIndex = followed.Curves.EndIndex,
            Segment = CurveMessages.ToWire(followed.Curves.Segment),
        };
        message.Layers.Add(followed.Curves.Layers);
        return message;
    }

    private static CoordinatorAnswer.Followed FromWire(Wire.Followed message)
    {
        CurveSegment segment = CurveMessages.FromWire(message.Segment);
        var layers = WireChecks.List(
            message.Layers, segment.Layers, "layers", name => WireChecks.Name(name, "a layer"));
        RunView view = FromWire(WireChecks.Required(message.View, "a run"));
        return new CoordinatorAnswer.Followed(
            view with { Result = view.Result is { } result ? result with { History = [] } : null },
            new CurvesView(message.AreCurvesRead, message.EndIndex, layers, segment));
    }

    private static Wire.RunView ToWire(RunView view)
    {
        var message = new Wire.RunView
        {
            Summary = RegistryMessages.ToWire(view.Summary),
            Epochs = view.Epochs,
            StepsPerEpoch = view.StepsPerEpoch,
            Parameters = view.Parameters,
            ElapsedTicks = view.Elapsed.Ticks,
            Generation = view.Generation,
            MicroBatches = view.MicroBatches,
            Progress = view.Progress is { } progress ? NodeQuestions.ToWire(progress) : null,
            Result = view.Result is { } result ? ResultMessages.ToWire(result) : null,
            Model = view.Model is { } model ? ResultMessages.ToWire(model) : null,
        };
        message.Servers.Add(ProtocolParts.ToWire(view.Servers));
        message.Workers.Add(view.Workers.Select(ToWire));
        message.History.Add(view.History.Select(ResultMessages.ToWire));
        message.Checkpoints.Add(view.Checkpoints.Select(checkpoint => new Wire.CheckpointView
        {
            Version = checkpoint.Version,
            CommittedTicks = WireChecks.ToTicks(checkpoint.Committed),
            Bytes = checkpoint.Bytes,
            Epoch = checkpoint.Epoch,
            HasBest = checkpoint.HasBest,
        }));
        message.Happenings.Add(view.Happenings.Select(happening => new Wire.Happening
        {
            Number = happening.Number,
            IsRoutine = happening.IsRoutine,
            AtTicks = WireChecks.ToTicks(happening.At),
            Text = WireChecks.ToReason(happening.Text),
        }));
        message.Notes.Add(view.Notes.Select(WireChecks.ToReason));
        message.Participants.Add(view.Participants.Select(node => new Wire.Participant
        {
            Node = node.Node.Value,
            Served = node.Served,
            Computed = node.Computed,
            FromTicks = WireChecks.ToTicks(node.From),
            UntilTicks = WireChecks.ToTicks(node.Until),
        }));
        return message;
    }

    private static RunView FromWire(Wire.RunView message)
    {
        var history = WireChecks.List(
            message.History, ResultMessages.MaxEpochs, "epochs", ResultMessages.FromWire);
        return new RunView
        {
            Summary = RegistryMessages.FromWire(message.Summary),
            Epochs = message.Epochs,
            StepsPerEpoch = message.StepsPerEpoch,
            Parameters = message.Parameters,
            Elapsed = new TimeSpan(message.ElapsedTicks),
            Generation = message.Generation,
            Servers = ProtocolParts.Servers(message.Servers),
            Workers = WireChecks.List(
                message.Workers, AssignmentPlanner.MaxWorkers, "workers", FromWire),
            MicroBatches = message.MicroBatches,
            Progress = message.Progress is { } progress ? NodeQuestions.FromWire(progress) : null,
            History = history,
            Checkpoints = WireChecks.List(
                message.Checkpoints, MaxCheckpoints, "checkpoints", checkpoint =>
                    new CheckpointView(
                        checkpoint.Version, WireChecks.FromTicks(checkpoint.CommittedTicks),
                        checkpoint.Bytes, checkpoint.Epoch, checkpoint.HasBest)),
            Happenings = WireChecks.List(
                message.Happenings, MaxHappenings, "happenings", happening => new HappeningView(
                    happening.Number, WireChecks.FromTicks(happening.AtTicks),
                    WireChecks.FromReason(happening.Text))
                {
                    IsRoutine = happening.IsRoutine,
                }),
            Result = message.Result is { } result
                ? ResultMessages.FromWire(result) with { History = history }
                : null,
            Model = message.Model is { } model ? ResultMessages.FromWire(model) : null,
            Notes = WireChecks.List(message.Notes, MaxNotes, "notes", WireChecks.FromReason),
            Participants = WireChecks.List(
                message.Participants, MaxParticipants, "nodes that took part",
                node => new ParticipantView(
                    ProtocolParts.Node(node.Node), node.Served, node.Computed,
                    WireChecks.FromTicks(node.FromTicks), WireChecks.FromTicks(node.UntilTicks))),
        };
    }

    private static Wire.WorkerShare ToWire(WorkerShareView share)
    {
        var message = new Wire.WorkerShare
        {
            Node = share.Node.Value,
            Range = ProtocolParts.ToWire(share.Range),
        };
        if (share.SecondsPerMicroBatch is { } seconds)
        {
            message.SecondsPerMicroBatch = seconds;
        }

        return message;
    }

    private static WorkerShareView FromWire(Wire.WorkerShare share) => new(
        ProtocolParts.Node(share.Node), ProtocolParts.FromWire(share.Range),
        share.HasSecondsPerMicroBatch ? share.SecondsPerMicroBatch : null);

    private static Wire.ClusterView ToWire(ClusterView view)
    {
        var message = new Wire.ClusterView
        {
            Name = view.Name,
            Coordinator = view.Coordinator.Value,
        };
        message.Warnings.Add(view.Warnings.Select(WireChecks.ToReason));
        foreach (NodeView node in view.Nodes)
        {
            var entry = new Wire.NodeView
            {
                Description = ToWire(node.Description),
                Address = node.Address,
                Status = node.Status,
            };
            entry.Runs.Add(node.Runs.Select(run => run.Value));
            message.Nodes.Add(entry);
        }

        return message;
    }

    private static ClusterView FromWire(Wire.ClusterView message) => new(
        WireChecks.Text(message.Name, "a cluster's name"),
        WireChecks.List(
            message.Nodes, 2 * AssignmentPlanner.MaxWorkers, "nodes", node => new NodeView(
                FromWire(node.Description), WireChecks.Text(node.Address, "a node's address"),
                WireChecks.Text(node.Status, "a node's status"),
                WireChecks.List(node.Runs, RegistryState.MaxRuns, "runs", ProtocolParts.Run))),
        ProtocolParts.Node(message.Coordinator),
        WireChecks.List(message.Warnings, MaxWarnings, "warnings", WireChecks.FromReason));
}
