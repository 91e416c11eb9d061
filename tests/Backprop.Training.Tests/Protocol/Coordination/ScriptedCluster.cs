using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>A coordinator whose nodes say what a test tells them to. Without a test's word they
/// only acknowledge.</summary>
internal sealed class ScriptedCluster
{
    private readonly Dictionary<NodeId, ServerStatus> _servers = [];
    private readonly Dictionary<NodeId, WorkerStatus> _workers = [];

    public ScriptedCluster(TrainingPlan? plan = null, CoordinationOptions? options = null)
    {
        Plan = CoordinationPlan.Of(
            new RunId("run-1"), plan ?? ThreeBlocks(), options ?? new CoordinationOptions());
        Take(RunCoordination.Submit(Plan, Now));
    }

    public CoordinationPlan Plan { get; }

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public RunCoordination Run { get; private set; } = null!;

    public Decision Last { get; private set; } = null!;

    public List<RunEvent> Journal { get; } = [];

    public CoordinatorState State => Run.State;

    public RunPhase Phase => Run.State.Phase;

    public Dictionary<NodeId, ServerDirective> ToServers { get; } = [];

    public Dictionary<NodeId, WorkerDirective> ToWorkers { get; } = [];

    /// <summary>3 steps an epoch, 5 epochs, 2 evaluation micro-batches, at most 3 servers.
    /// </summary>
    public static TrainingPlan ThreeBlocks() => TestPlans.Everything() with
    {
        Network = Network.Build(
            Shape.Of(2), [new DenseDefinition(300), new DenseDefinition(480),
                new DenseDefinition(3)]),
    };

    /// <summary>A run that trains its first epoch.</summary>
    public static ScriptedCluster InTraining(
        int servers = 2, int workers = 2, TrainingPlan? plan = null,
        CoordinationOptions? options = null)
    {
        var cluster = new ScriptedCluster(plan, options);
        cluster.Nodes(servers, workers);
        cluster.OpenAll();
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        return cluster;
    }

    public static NodeId S(int i) => new($"server-{i}");

    public static NodeId W(int i) => new($"worker-{i}");

    public Decision Tell(CoordinatorInput input, double seconds = 0.01)
    {
        Now += TimeSpan.FromSeconds(seconds);
        return Take(Run.Decide(input, Now));
    }

    public Decision Tick(double seconds) => Tell(new CoordinatorInput.Tick(), seconds);

    public Decision Nodes(int servers, int workers) => Nodes(
        [.. Enumerable.Range(0, servers).Select(S)], [.. Enumerable.Range(0, workers).Select(W)]);

    public Decision Nodes(NodeId[] servers, NodeId[] workers) =>
        Tell(new CoordinatorInput.NodesChanged(
        [
            .. servers.Select(node => new ClusterNode(node, true, false)),
            .. workers.Select(node => new ClusterNode(node, false, true)),
        ]));

    public Decision Server(int i, Func<ServerStatus, ServerStatus>? change = null)
    {
        ServerDirective directive = ToServers[S(i)];
        ServerStatus last = _servers.TryGetValue(S(i), out ServerStatus? known)
            && known.Generation == directive.Generation
            ? known
            : new ServerStatus
            {
                Run = Plan.Run,
                Server = S(i),
                Generation = directive.Generation,
                Seen = directive.Stamp,
                Number = 0,
                Slice = directive.Slice,
                Phase = new SlicePhase.Open(),
                Version = directive.Origin.Version,
            };
        ServerStatus next = (change ?? (status => status))(last)
            with { Number = last.Number + 1, Seen = directive.Stamp };
        _servers[S(i)] = next;
        return Tell(new CoordinatorInput.ServerReported(next));
    }

    public Decision Worker(int i, Func<WorkerStatus, WorkerStatus>? change = null)
    {
        WorkerDirective directive = ToWorkers[W(i)];
        WorkerStatus last = _workers.TryGetValue(W(i), out WorkerStatus? known)
            && known.Generation == directive.Generation
            ? known
            : new WorkerStatus
            {
                Run = Plan.Run,
                Worker = W(i),
                Generation = directive.Generation,
                Seen = directive.Stamp,
                Number = 0,
                Phase = new WorkerPhase.Whole(),
                Version = 0,
            };
        WorkerStatus next = (change ?? (status => status))(last)
            with { Number = last.Number + 1, Seen = directive.Stamp };
        _workers[W(i)] = next;
        return Tell(new CoordinatorInput.WorkerReported(next));
    }

    public void AllServers(Func<ServerStatus, ServerStatus>? change = null)
    {
        foreach (NodeId node in State.Generation!.Servers)
        {
            Server(int.Parse(node.Value["server-".Length..]), change);
        }
    }

    public void OpenAll()
    {
        AllServers();
        foreach (NodeId node in ToWorkers.Keys.Order().ToArray())
        {
            Worker(int.Parse(node.Value["worker-".Length..]));
        }
    }

    /// <summary>Every server is at a version; at a lease's end the first knows the loss.</summary>
    public void Reach(
        long version, double lossSum = 42, ImmutableArray<LayerNorms>? layers = null) =>
        AllServers(status => status with
        {
            Version = version,
            Lease = status.Slice == 0
                ? new LeaseSummary(version, lossSum, layers ?? [new LayerNorms("dense", 1, 2)])
                : null,
        });

    /// <summary>Workers evaluate what they are told to until nothing is left.</summary>
    public void EvaluateAll(double lossSum = 100) =>
        EvaluateAll(request => PartOf(request, lossSum));

    public void EvaluateAll(Func<EvaluationRequest, MetricsPart> evaluate)
    {
        while (Phase is RunPhase.Evaluating)
        {
            (NodeId node, WorkerDirective directive) =
                ToWorkers.First(entry => entry.Value.Evaluation is { } wanted && !HasDone(wanted));
            Evaluate(
                int.Parse(node.Value["worker-".Length..]), directive,
                evaluate(directive.Evaluation!.Value));
        }

        bool HasDone(EvaluationRequest wanted) =>
            Run.Observed.Evaluation!.Parts.Any(part => part.First == wanted.Range.First);
    }

    public Decision Evaluate(int worker, WorkerDirective directive, MetricsPart? part = null)
    {
        EvaluationRequest request = directive.Evaluation!.Value;
        return Worker(worker, status => status with
        {
            Evaluation = new EvaluationDone(request, part ?? PartOf(request, 100)),
        });
    }

    /// <summary>Every server saves what it is told to.</summary>
    public void SaveAll(double epochLossSum = 0) =>
        AllServers(status => Saved(status, epochLossSum));

    public ServerStatus Saved(ServerStatus status, double epochLossSum = 0)
    {
        ServerDirective directive = ToServers[status.Server];
        var slices = new SlicePlan(Plan.Dimensions.Layout, directive.Servers.Length);
        return status with
        {
            Saved = new SavedSlice(
                directive.CheckpointVersion!.Value, directive.BestVersion,
                status.Slice == 0 ? epochLossSum : null,
                [
                    new CheckpointPart(
                        slices.FirstBlock(status.Slice), slices.FirstBlock(status.Slice + 1),
                        new string('a', 64)),
                ]),
        };
    }

    /// <summary>An epoch to its end: trained, evaluated, judged, saved.</summary>
    public void Epoch(double loss = 42, double evaluationLoss = 100)
    {
        Reach(((RunPhase.Training)Phase).Lease.EndVersion, loss);
        EvaluateAll(evaluationLoss);
        SaveAll();
    }

    public void Recover()
    {
        Now += TimeSpan.FromSeconds(5);
        Take(RunCoordination.Recover(Plan, Journal.ToArray(), Now));
    }

    public void AssertReplays() =>
        Assert.Equal(
            StructuralText.Of(CoordinatorState.Replay(Journal)), StructuralText.Of(State));

    private static MetricsPart PartOf(EvaluationRequest request, double lossSum) => new(
        request.Range.First, [.. Enumerable.Repeat(lossSum, request.Range.Count)],
        [.. Enumerable.Repeat(10L, 9)], []);

    private Decision Take(Decision decision)
    {
        Last = decision;
        Run = decision.Next;
        Journal.AddRange(decision.Events);
        foreach (ServerOrder order in decision.ToServers)
        {
            Assert.Null(order.Directive.Refusal(Plan.Dimensions));
            ToServers[order.To] = order.Directive;
        }

        foreach (WorkerOrder order in decision.ToWorkers)
        {
            Assert.Null(order.Directive.Refusal(Plan.Dimensions));
            ToWorkers[order.To] = order.Directive;
        }

        return decision;
    }
}
