using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A coordinator of one run that keeps its decisions in memory: the real one's decisions,
/// and the messages that nodes know it by.</summary>
internal sealed class TestCoordinator : ReceiveActor, IWithTimers
{
    private readonly RunSetup _setup;
    private readonly List<TestNode> _nodes = [];
    private readonly TaskCompletionSource<CheckpointManifest> _end;
    private readonly List<StepProgress> _progress = [];
    private readonly List<string> _failures = [];
    private readonly VerificationLedger _verifications = new();
    private Func<RunCoordination, bool>? _holds;
    private RunCoordination _coordination;

    public TestCoordinator(
        RunSetup setup, TaskCompletionSource<CheckpointManifest> end,
        Func<RunCoordination, bool>? holds,
        LayerPlugins? plugins = null)
    {
        _setup = setup;
        _holds = holds;
        _end = end;
        RunSpecification specification = TestRun.Read(setup.Specification, plugins);
        Decision submitted = RunCoordination.Submit(
            CoordinationPlan.Of(
                setup.Run, specification, setup.Outline,
                TestRun.Options with
                {
                    VerifyShare = specification.VerifyShare,
                    MinWorkers = specification.Workers.Min,
                }),
            Now);
        _coordination = submitted.Next;
        Receive<Joined>(joined =>
        {
            _nodes.Add(joined.Node);
            TellNodes();
        });
        Receive<Left>(left =>
        {
            _nodes.RemoveAll(node => node.Id == left.Node);
            TellNodes();
        });
        Receive<ServerStatus>(status =>
        {
            Note((status.Phase as SlicePhase.Failed)?.Reason);
            Decide(new CoordinatorInput.ServerReported(status));
        });
        Receive<WorkerStatus>(status =>
        {
            Note((status.Phase as WorkerPhase.Failed)?.Reason);
            Decide(new CoordinatorInput.WorkerReported(status));
        });
        Receive<PushReport>(report => Judge(
            report.Generation,
            _verifications.Take(report, _coordination.State.Generation)));
        Receive<CheckReport>(report =>
        {
            Judge(
                report.Generation,
                _verifications.Take(report, _coordination.State.Generation));
            Decide(new CoordinatorInput.Rechecked(report));
        });
        Receive<ComparedQuestion>(_ => Sender.Tell(_verifications.Compared));
        Receive<SetupRequest>(_ => Sender.Tell(_setup));
        Receive<ManifestRequest>(request => Sender.Tell(new ManifestAnswer(
            request.Run, request.Version,
            _coordination.State.Checkpoints.First(one => one.Version == request.Version).Parts)));
        Receive<StepProgress>(progress =>
        {
            _progress.Add(progress);
            Decide(new CoordinatorInput.Progressed(
                progress.Generation, progress.Version,
                TimeSpan.FromSeconds(progress.StepSeconds)));
        });
        Receive<ProgressQuestion>(_ => Sender.Tell(_progress.ToImmutableArray()));
        Receive<FailuresQuestion>(_ => Sender.Tell(_failures.ToImmutableArray()));
        Receive<HoldQuestion>(_ => Sender.Tell(IsHeld));
        Receive<Release>(_ =>
        {
            _holds = null;
            TellNodes();
        });
        Receive<Tick>(_ => Decide(new CoordinatorInput.Tick()));
        Receive<Look>(look => Sender.Tell(look.At(_coordination)));
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private bool IsHeld => _holds?.Invoke(_coordination) == true;

    private static DateTimeOffset Now => DateTimeOffset.UtcNow;

    protected override void PreStart() => Timers.StartPeriodicTimer(
        "tick", new Tick(), TimeSpan.FromMilliseconds(50));

    private void Note(string? failure)
    {
        if (failure is not null)
        {
            _failures.Add(failure);
        }
    }

    private void Judge(Generation generation, Dispute? dispute)
    {
        if (dispute is not null)
        {
            Decide(new CoordinatorInput.WorkersDiffer(generation, dispute));
        }
    }

    private void TellNodes() => Decide(new CoordinatorInput.NodesChanged(
        [.. _nodes.Select(node => new ClusterNode(node.Id, node.IsServer, node.IsWorker))]));

    // While it is held, messages to and from it are lost.
    private void Decide(CoordinatorInput input)
    {
        if (IsHeld)
        {
            return;
        }

        Decision decision = _coordination.Decide(input, Now);
        _coordination = decision.Next;
        if (IsHeld)
        {
            return;
        }

        foreach (ServerOrder order in decision.ToServers)
        {
            _nodes.Find(node => node.Id == order.To)?.Server.Tell(order.Directive);
        }

        foreach (WorkerOrder order in decision.ToWorkers)
        {
            _nodes.Find(node => node.Id == order.To)?.Worker.Tell(order.Directive);
        }

        switch (_coordination.State.Phase)
        {
            case RunPhase.Concluding concluding:
                _end.TrySetResult(_coordination.State.Checkpoints.First(
                    one => one.Version == concluding.Checkpoint));
                break;
            case { IsFinal: true } final:
                _end.TrySetException(new InvalidOperationException(final.ToString()));
                break;
        }
    }

    /// <summary>Answered with the progress that was told.</summary>
    public sealed record ProgressQuestion : INoSerializationVerificationNeeded;

    /// <summary>Answered with how many nodes of the gradient were held against each other.
    /// </summary>
    public sealed record ComparedQuestion : INoSerializationVerificationNeeded;

    /// <summary>Answered with the reasons of nodes that failed.</summary>
    public sealed record FailuresQuestion : INoSerializationVerificationNeeded;

    /// <summary>Answered with whether the coordinator stands still.</summary>
    public sealed record HoldQuestion : INoSerializationVerificationNeeded;

    /// <summary>Lets it go on.</summary>
    public sealed record Release : INoSerializationVerificationNeeded;

    /// <summary>A node may be used.</summary>
    public sealed record Joined(TestNode Node) : INoSerializationVerificationNeeded;

    /// <summary>A node is gone.</summary>
    public sealed record Left(NodeId Node) : INoSerializationVerificationNeeded;

    /// <summary>Answered with what is seen.</summary>
    public sealed record Look(Func<RunCoordination, object> At)
        : INoSerializationVerificationNeeded;

    private sealed record Tick : INoSerializationVerificationNeeded;
}
