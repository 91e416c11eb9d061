using System.Collections.Immutable;
using Backprop.Training.Digests;
using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A directive that was sent.</summary>
/// <typeparam name="T">Its kind.</typeparam>
/// <param name="Directive">The directive.</param>
/// <param name="At">When it was sent last.</param>
public sealed record Sent<T>(T Directive, DateTimeOffset At);

/// <summary>
/// What a coordinator sees of the cluster at the moment: the nodes, what they last said, what they
/// were last told. None of it is persisted, since the nodes say it again.
/// </summary>
public sealed record Observations
{
    /// <summary>Of a coordinator that has just begun.</summary>
    public static Observations None { get; } = new();

    private readonly ImmutableArray<ClusterNode>? _nodes;
    private readonly Dictionary<NodeId, ClusterNode> _byId = [];
    private readonly ImmutableArray<NodeId> _workers = [];

    /// <summary>The nodes that the run may use; null: not known yet.</summary>
    public ImmutableArray<ClusterNode>? Nodes
    {
        get => _nodes;
        init
        {
            _nodes = value;
            _byId = (value ?? []).ToDictionary(one => one.Node);
            _workers =
                [.. (value ?? []).Where(one => one.IsWorker).Select(one => one.Node).Order()];
        }
    }

    /// <summary>Workers that are not to compute, whatever nodes there are: what the run's state
    /// says of it.</summary>
    public ImmutableSortedSet<NodeId> Excluded { get; init; } = [];

    /// <summary>What the servers of the generation last said.</summary>
    public ImmutableSortedDictionary<NodeId, ServerStatus> Servers { get; init; } =
        ImmutableSortedDictionary<NodeId, ServerStatus>.Empty;

    /// <summary>Servers whose slices have failed, and when they last did.</summary>
    public ImmutableDictionary<NodeId, DateTimeOffset> Failed { get; init; } =
        ImmutableDictionary<NodeId, DateTimeOffset>.Empty;

    /// <summary>What the workers of the generation last said.</summary>
    public ImmutableSortedDictionary<NodeId, WorkerStatus> Workers { get; init; } =
        ImmutableSortedDictionary<NodeId, WorkerStatus>.Empty;

    /// <summary>What servers were last told.</summary>
    public ImmutableSortedDictionary<NodeId, Sent<ServerDirective>> ToServers { get; init; } =
        ImmutableSortedDictionary<NodeId, Sent<ServerDirective>>.Empty;

    /// <summary>What workers were last told.</summary>
    public ImmutableSortedDictionary<NodeId, Sent<WorkerDirective>> ToWorkers { get; init; } =
        ImmutableSortedDictionary<NodeId, Sent<WorkerDirective>>.Empty;

    /// <summary>Directives of the term so far.</summary>
    public long Sequence { get; init; }

    /// <summary>The evaluation that is under way, or the last one.</summary>
    public EvaluationShares? Evaluation { get; init; }

    /// <summary>The last speculation of the generation; null: there was none.</summary>
    public SpeculationRound? Speculation { get; init; }

    /// <summary>A version that the generation has made otherwise than an earlier one did; null:
    /// none.</summary>
    public DigestDifference? Disputed { get; init; }

    /// <summary>How far steps of the generation are; null: nobody has said.</summary>
    public StepPace? Pace { get; init; }

    /// <summary>Whom steps had to wait for.</summary>
    public Lateness Late { get; init; } = Lateness.None;

    /// <summary>When micro-batches were last shared out; null: not since the coordinator began.
    /// </summary>
    public DateTimeOffset? AssignedAt { get; init; }

    /// <summary>With an input taken in, or unchanged with the reason why not.</summary>
    public (Observations Next, string? Refusal) Take(
        CoordinationPlan plan, CoordinatorState state, CoordinatorInput input, DateTimeOffset now)
    {
        switch (input)
        {
            case CoordinatorInput.Tick:
                return (LookAtLate(plan, now), null);
            case CoordinatorInput.NodesChanged changed:
                return (With(changed.Nodes), null);
            case CoordinatorInput.ServerReported(var status):
                string? refusal = StaleOf(plan, state, status.Run, status.Generation, status.Seen)
                    ?? RefusalOf(state, status);
                return refusal is null
                    ? (With(plan, state, status, now), null)
                    : (this, refusal);
            case CoordinatorInput.WorkerReported(var status):
                refusal = StaleOf(plan, state, status.Run, status.Generation, status.Seen)
                    ?? RefusalOf(plan, status);
                return refusal is null
                    ? (With(status).LookAtLate(plan, now), null)
                    : (this, refusal);
            case CoordinatorInput.Progressed(var generation, var version, var stepTime):
                return state.Open?.Number == generation && stepTime > TimeSpan.Zero
                    ? (this with { Pace = new StepPace(version, stepTime, now) }, null)
                    : (this, $"steps of {generation}, which is over, or without a duration");
            case CoordinatorInput.Reported(var statuses):
                return Take(plan, state, statuses, now);
            case CoordinatorInput.DigestsDiffer(var generation, var difference):
                return state.Open?.Number == generation
                    ? (this with { Disputed = difference }, null)
                    : (this, $"{generation} is over, in which {difference}");
            default:
                return (this, null);
        }
    }

    private (Observations Next, string? Refusal) Take(
        CoordinationPlan plan, CoordinatorState state, ImmutableArray<CoordinatorInput> statuses,
        DateTimeOffset now)
    {
        Observations next = this;
        var refusals = new List<string>();
        foreach (CoordinatorInput status in statuses)
        {
            (next, string? refusal) = next.Take(plan, state, status, now);
            if (refusal is not null)
            {
                refusals.Add(refusal);
            }
        }

        return (next, refusals.Count < statuses.Length ? null : string.Join("; ", refusals));
    }

    /// <summary>What is left of it once an event has happened.</summary>
    public Observations After(RunEvent happened) => happened switch
    {
        GenerationOpened => this with
        {
            Servers = Servers.Clear(),
            Workers = Workers.Clear(),
            Evaluation = null,
            Speculation = null,
            Disputed = null,
            Pace = null,
            Late = Lateness.None,
        },
        WorkersAssigned => this with { AssignedAt = happened.At },
        _ => this,
    };

    /// <summary>Whether a node is there as a server.</summary>
    public bool HasServer(NodeId node) => _byId.GetValueOrDefault(node) is { IsServer: true };

    /// <summary>Whether a node is there as a worker.</summary>
    public bool HasWorker(NodeId node) => _byId.GetValueOrDefault(node) is { IsWorker: true };

    /// <summary>Whether a server wants to leave.</summary>
    public bool IsLeaving(NodeId node) => _byId.GetValueOrDefault(node) is { IsLeaving: true };

    /// <summary>The workers that are there, in order.</summary>
    public ImmutableArray<NodeId> PresentWorkers() =>
        Excluded.IsEmpty ? _workers : _workers.RemoveAll(Excluded.Contains);

    /// <summary>The workers that are there and whose replicas are whole, in order.</summary>
    public ImmutableArray<NodeId> WholeWorkers() =>
    [
        .. PresentWorkers().Where(
            node => Workers.TryGetValue(node, out WorkerStatus? status)
                && status.Phase is WorkerPhase.Whole),
    ];

    /// <summary>Of these the ones that are not late, as long as they are enough.</summary>
    public ImmutableArray<NodeId> Prompt(ImmutableArray<NodeId> workers, int atLeast)
    {
        ImmutableArray<NodeId> prompt = workers.RemoveAll(Late.IsExcluded);
        return prompt.Length >= Math.Max(1, atLeast) ? prompt : workers;
    }

    /// <summary>Micro-batches a second of each of these; who is not measured yet counts as the mean
    /// of those who are.</summary>
    public ImmutableArray<WorkerSpeed> SpeedsOf(ImmutableArray<NodeId> workers)
    {
        double[] measured = [.. workers.Select(MeasuredSpeed).OfType<double>()];
        double mean = measured.Length > 0 ? measured.Average() : 1;
        return
        [
            .. workers.Select(node => new WorkerSpeed(node, MeasuredSpeed(node) ?? mean)),
        ];
    }

    private double? MeasuredSpeed(NodeId node) =>
        Workers.GetValueOrDefault(node)?.SecondsPerMicroBatch is > 0 and var seconds
            ? 1 / seconds
            : null;

    private static string? StaleOf(
        CoordinationPlan plan, CoordinatorState state, RunId run, Generation generation,
        DirectiveStamp seen)
    {
        if (run != plan.Run)
        {
            return $"a status of run {run}, not {plan.Run}";
        }

        if (seen.Term.CompareTo(state.Term) > 0)
        {
            return $"a coordinator of {seen.Term} has taken over from {state.Term}";
        }

        return generation != state.Generation?.Number
            ? $"a status of {generation}, while {state.Generation?.Number.ToString() ?? "none"} is"
                + " the last generation"
            : null;
    }

    private string? RefusalOf(CoordinatorState state, ServerStatus status)
    {
        ImmutableArray<NodeId> servers = state.Generation!.Servers;
        if (status.Slice < 0 || status.Slice >= servers.Length
            || servers[status.Slice] != status.Server)
        {
            return $"{status.Server} does not hold slice {status.Slice}";
        }

        return Servers.TryGetValue(status.Server, out ServerStatus? last)
            && last.Number >= status.Number
            ? $"status {status.Number} of {status.Server}, after {last.Number}"
            : null;
    }

    private string? RefusalOf(CoordinationPlan plan, WorkerStatus status)
    {
        if (Nodes is not null && !HasWorker(status.Worker))
        {
            return $"{status.Worker} is no worker of the run";
        }

        if (Workers.TryGetValue(status.Worker, out WorkerStatus? last)
            && last.Number >= status.Number)
        {
            return $"status {status.Number} of {status.Worker}, after {last.Number}";
        }

        return status.Evaluation is { } done && !Fits(plan, done.Part)
            ? $"{status.Worker} has evaluated other data, or another network"
            : null;
    }

    private static bool Fits(CoordinationPlan plan, MetricsPart part) =>
        part.First >= 0 && part.End <= plan.Dimensions.EvaluationMicroBatches
        && part.Fits(plan.Reading);

    private Observations With(ImmutableArray<ClusterNode> nodes)
    {
        HashSet<NodeId> there = [.. nodes.Select(one => one.Node)];
        bool IsGone(NodeId node) => !there.Contains(node);
        return this with
        {
            Nodes = nodes,
            Servers = Servers.RemoveRange(Servers.Keys.Where(IsGone)),
            Failed = Failed.RemoveRange(Failed.Keys.Where(IsGone)),
            Workers = Workers.RemoveRange(Workers.Keys.Where(IsGone)),
            ToServers = ToServers.RemoveRange(ToServers.Keys.Where(IsGone)),
            ToWorkers = ToWorkers.RemoveRange(ToWorkers.Keys.Where(IsGone)),
            Late = Late.Without(IsGone),
        };
    }

    private Observations LookAtLate(CoordinationPlan plan, DateTimeOffset now) =>
        Late.At(Workers, plan.Options.ResendAfter, now) is var late && ReferenceEquals(late, Late)
            ? this
            : this with { Late = late };

    private Observations With(
        CoordinationPlan plan, CoordinatorState state, ServerStatus status, DateTimeOffset now)
    {
        SpeculationRound? round = Speculation;
        Lateness late = Late;
        if (status.Wait is { } wait && state.Open is { } open
            && state.Phase is RunPhase.Training { Halt: null })
        {
            late = late.With(wait, open, Workers, now);
            IEnumerable<NodeId> fastest = SpeedsOf(Prompt(WholeWorkers(), 1))
                .OrderByDescending(worker => worker.Speed).Select(worker => worker.Node);
            round = SpeculationRound.Next(
                round, wait, open, fastest, plan.Options.MaxSpeculations);
        }

        return this with
        {
            Servers = Servers.SetItem(status.Server, status),
            Failed = status.Phase is SlicePhase.Failed
                ? Failed.SetItem(status.Server, now)
                : Failed,
            Speculation = round,
            Late = late,
        };
    }

    private Observations With(WorkerStatus status) => this with
    {
        Workers = Workers.SetItem(status.Worker, status),
        Evaluation = status.Evaluation is { } done ? Evaluation?.With(done) : Evaluation,
    };
}
