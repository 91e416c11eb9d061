using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A directive for a parameter server.</summary>
/// <param name="To">The server.</param>
/// <param name="Directive">The directive.</param>
public sealed record ServerOrder(NodeId To, ServerDirective Directive);

/// <summary>A directive for a worker.</summary>
/// <param name="To">The worker.</param>
/// <param name="Directive">The directive.</param>
public sealed record WorkerOrder(NodeId To, WorkerDirective Directive);

/// <summary>States what every node is to hold, as a function of the run's state and of what is
/// seen of the cluster; and says which of it has to be sent, or sent again.</summary>
internal sealed class DirectiveWriter
{
    private readonly CoordinationPlan _plan;
    private readonly CoordinatorState _state;
    private readonly RunGeneration _generation;
    private readonly DateTimeOffset _now;
    private readonly ImmutableArray<ServerOrder>.Builder _toServers =
        ImmutableArray.CreateBuilder<ServerOrder>();

    private readonly ImmutableArray<WorkerOrder>.Builder _toWorkers =
        ImmutableArray.CreateBuilder<WorkerOrder>();

    private Observations _observed;

    private DirectiveWriter(
        CoordinationPlan plan, CoordinatorState state, RunGeneration generation,
        Observations observed, DateTimeOffset now)
    {
        _plan = plan;
        _state = state;
        _generation = generation;
        _observed = observed;
        _now = now;
    }

    /// <summary>What to send now, and what is known of the cluster once it is sent.</summary>
    public static (ImmutableArray<ServerOrder> ToServers, ImmutableArray<WorkerOrder> ToWorkers,
        Observations Observed) Write(
        CoordinationPlan plan, CoordinatorState state, Observations observed, DateTimeOffset now)
    {
        if (observed.Nodes is null || state.Generation is not { } generation)
        {
            return ([], [], observed);
        }

        var writer = new DirectiveWriter(plan, state, generation, observed, now);
        writer.WriteServers();
        writer.WriteWorkers();
        return (writer._toServers.ToImmutable(), writer._toWorkers.ToImmutable(),
            writer._observed);
    }

    /// <summary>What servers and workers may train up to.</summary>
    public static Lease LeaseOf(CoordinatorState state, RunGeneration generation)
    {
        var standing = new Lease(generation.Origin.Version, state.Position.Plateau.Reductions);
        RunPhase phase = state.Phase is RunPhase.Paused { Interrupted: { } training }
            ? training
            : state.Phase;
        return phase switch
        {
            RunPhase.Training { Halt: null } granted => UpToDispute(state, granted.Lease),
            RunPhase.Evaluating evaluating =>
                standing with { EndVersion = evaluating.Version },
            RunPhase.Checkpointing saving => standing with { EndVersion = saving.Version },
            _ => standing,
        };
    }

    // A step that workers differ about is made once a third one has voted.
    private static Lease UpToDispute(CoordinatorState state, Lease lease) =>
        state.Dispute is { } dispute
            ? lease with { EndVersion = Math.Min(lease.EndVersion, dispute.Step) }
            : lease;

    private void WriteServers()
    {
        Lease lease = LeaseOf(_state, _generation);
        ImmutableArray<NodeId> workers = _observed.PresentWorkers();
        for (int slice = 0; slice < _generation.Servers.Length; slice++)
        {
            NodeId node = _generation.Servers[slice];
            bool knows = _observed.ToServers.ContainsKey(node)
                || _observed.Servers.ContainsKey(node);
            if (!_observed.HasServer(node) || (_generation.IsOver && !knows))
            {
                continue;
            }

            Send(node, new ServerDirective
            {
                Run = _plan.Run,
                Stamp = NextStamp(),
                Generation = _generation.Number,
                Servers = _generation.Servers,
                Slice = slice,
                Origin = _generation.Origin,
                Workers = workers,
                Lease = lease,
                CheckpointVersion = _state.Saving?.Step,
                BestVersion = _state.BestVersion,
                Closed = _generation.IsOver,
                KeepsCopies = _generation.IsOver && _state.Phase is RunPhase.Queued,
            });
        }
    }

    private void WriteWorkers()
    {
        Lease lease = LeaseOf(_state, _generation);
        NodeId? voter = VerificationRules.Voter(_state, _observed);
        IReadOnlyDictionary<NodeId, MicroBatchRange> assigned = _generation.Ranges();
        IReadOnlyDictionary<NodeId, MicroBatchRange> verifies =
            VerificationRules.PartnerRanges(_plan, _generation);
        foreach (NodeId node in _observed.PresentWorkers().Concat(ExcludedWhoKnow()))
        {
            Sent<WorkerDirective>? last = _observed.ToWorkers.GetValueOrDefault(node);
            bool knows = last is not null || _observed.Workers.ContainsKey(node);
            if (_generation.IsOver && !knows)
            {
                continue;
            }

            bool trains = _state.Phase is RunPhase.Training;
            Send(node, last, new WorkerDirective
            {
                Run = _plan.Run,
                // Most are what was sent last: they are compared as they are.
                Stamp = last?.Directive.Stamp ?? NextStamp(),
                Generation = _generation.Number,
                Servers = _generation.Servers,
                Revision = _generation.Revision,
                Assigned = _state.Phase is RunPhase.Paused
                    ? MicroBatchRange.None
                    : assigned.GetValueOrDefault(node),
                Speculation = trains
                    ? _observed.Speculation?.Extra.GetValueOrDefault(node)
                    : null,
                Lease = lease,
                Evaluation = ShareOf(node),
                Verifies = verifies.GetValueOrDefault(node),
                Recheck = voter == node && _state.Dispute is { } dispute
                    ? new Recheck(dispute.Step, dispute.Range)
                    : null,
                Closed = _generation.IsOver || _state.Quarantined.Contains(node),
            });
        }
    }

    // A party to a dispute may come back; who is quarantined lets go of the run.
    private IEnumerable<NodeId> ExcludedWhoKnow() =>
        (_generation.IsOver ? _observed.Excluded : _state.Quarantined).Where(
            node => _observed.HasWorker(node)
                && (_observed.ToWorkers.ContainsKey(node) || _observed.Workers.ContainsKey(node)));

    private EvaluationRequest? ShareOf(NodeId node) =>
        _state.Phase is RunPhase.Evaluating evaluating
            && _observed.Evaluation is { } evaluation
            && evaluation.Version == evaluating.Version
            && evaluation.Owners.TryGetValue(node, out MicroBatchRange range)
            ? new EvaluationRequest(evaluating.Version, range)
            : null;

    private DirectiveStamp NextStamp() => new(_state.Term, _observed.Sequence + 1);

    private void Send(NodeId node, ServerDirective directive)
    {
        Sent<ServerDirective>? last = _observed.ToServers.GetValueOrDefault(node);
        ServerDirective wanted = last is not null && Same(last.Directive, directive)
            ? last.Directive
            : directive;
        if (IsDue(
            last, wanted, wanted.Stamp, _observed.Servers.GetValueOrDefault(node)?.Seen,
            askedSince: null))
        {
            _toServers.Add(new ServerOrder(node, wanted));
            _observed = _observed with
            {
                ToServers = _observed.ToServers.SetItem(
                    node, new Sent<ServerDirective>(wanted, _now)),
                Sequence = Math.Max(_observed.Sequence, wanted.Stamp.Sequence),
            };
        }
    }

    private void Send(NodeId node, Sent<WorkerDirective>? last, WorkerDirective directive)
    {
        WorkerDirective wanted = directive == last?.Directive
            ? last.Directive
            : directive with { Stamp = NextStamp() };
        if (IsDue(
            last, wanted, wanted.Stamp, _observed.Workers.GetValueOrDefault(node)?.Seen,
            _observed.Late.AskedSince(node)))
        {
            _toWorkers.Add(new WorkerOrder(node, wanted));
            _observed = _observed with
            {
                ToWorkers = _observed.ToWorkers.SetItem(
                    node, new Sent<WorkerDirective>(wanted, _now)),
                Sequence = Math.Max(_observed.Sequence, wanted.Stamp.Sequence),
            };
        }
    }

    // New directives at once; one that no status shows yet again and again. One that was shown is
    // repeated too while the generation is open: the answer may say what a lost status said, and
    // that of a late worker says that it is there.
    private bool IsDue<T>(
        Sent<T>? last, T wanted, DirectiveStamp stamp, DirectiveStamp? seen,
        DateTimeOffset? askedSince)
        where T : class
    {
        if (last is null || !ReferenceEquals(last.Directive, wanted) || last.At < askedSince)
        {
            return true;
        }

        bool isShown = askedSince is null && seen is { } shown && shown.CompareTo(stamp) >= 0;
        return isShown
            ? !_generation.IsOver && _now - last.At >= _plan.Options.RepeatAfter
            : _now - last.At >= _plan.Options.ResendAfter;
    }

    private static bool Same(ServerDirective last, ServerDirective next) =>
        last.Workers.AsSpan().SequenceEqual(next.Workers.AsSpan())
        && last == next with { Stamp = last.Stamp, Workers = last.Workers };
}
