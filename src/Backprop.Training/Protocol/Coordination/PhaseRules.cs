using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>What happens next in a run, given what is known and seen: one event at a time, until
/// nothing more has to happen.</summary>
internal sealed class PhaseRules
{
    // The assignment is made anew only if that makes steps so much shorter: at an epoch's end, when
    // training stands anyway, and within one.
    private const double WorthReassigning = 1.1;
    private const double WellWorthReassigning = 1.25;

    // Within an epoch not more often than this.
    private static readonly TimeSpan s_assigned = TimeSpan.FromSeconds(20);

    // Who joins waits for this from the last assignment on, for each worker that it named.
    private static readonly TimeSpan s_joining = TimeSpan.FromMilliseconds(2);

    // Workers say what they hold within this when a coordinator is new.
    private static readonly TimeSpan s_firstWord = TimeSpan.FromSeconds(5);

    private readonly RunCoordination _run;
    private readonly CoordinationPlan _plan;
    private readonly CoordinatorState _state;
    private readonly Observations _observed;
    private readonly DateTimeOffset _now;

    public PhaseRules(RunCoordination run, DateTimeOffset now)
    {
        _run = run;
        _plan = run.Plan;
        _state = run.State;
        _observed = run.Observed;
        _now = now;
    }

    private CoordinationOptions Options => _plan.Options;

    private bool IsAnyLeaving => _state.Open!.Servers.Any(_observed.IsLeaving);

    private bool IsSpreadDue => SpreadRules.IsDue(_run, _state.Open!, _now);

    // The parties to a dispute are there, though they do not compute until it is settled.
    private int MinWorkers => _state.Dispute is null ? _plan.Options.MinWorkers : 1;

    /// <summary>The next event; null: the run waits.</summary>
    public RunEvent? NextEvent()
    {
        if (_observed.Nodes is null || _state.Phase.IsFinal)
        {
            return null;
        }

        if (VerificationRules.GoBack(_run, _now) is { } back)
        {
            return back;
        }

        if (_state.Open is { } open && EndOf(open) is { } ended)
        {
            return ended;
        }

        return CheckpointRules.Saved(_run, _now) ?? CheckpointRules.Retire(_run, _now)
            ?? _state.Phase switch
            {
                RunPhase.Queued => FromQueue(),
                RunPhase.Opening => Open(_state.Open!),
                RunPhase.Training training => Train(_state.Open!, training),
                RunPhase.Evaluating evaluating => Evaluate(_state.Open!, evaluating),
                RunPhase.Checkpointing standing => CheckpointRules.Standing(_run, standing, _now),
                RunPhase.Paused { Interrupted: not null } => Resume(),
                _ => null,
            };
    }

    private RunEvent? EndOf(RunGeneration open)
    {
        if (_observed.Disputed is { } difference)
        {
            return CheckpointRules.RetireDoubtful(_run, difference.Version, _now) as RunEvent
                ?? new GenerationEnded(_now, difference.ToString(), IsFailure: true);
        }

        foreach (NodeId server in open.Servers)
        {
            if (!_observed.HasServer(server))
            {
                return new GenerationEnded(
                    _now, $"{server} is lost, and its slice with it", IsFailure: false);
            }

            ServerStatus? status = _observed.Servers.GetValueOrDefault(server);
            if (status?.Phase is SlicePhase.Failed failed)
            {
                return CheckpointRules.RetireDamaged(_run, status, failed, _now) as RunEvent
                    ?? new GenerationEnded(
                        _now, $"{server} has failed: {failed.Reason}",
                        IsFailure: !CheckpointRules.HasBeenRetired(_state, status));
            }

            if (status?.Phase is SlicePhase.Opening or SlicePhase.Closed
                && _state.Phase is not RunPhase.Opening)
            {
                return new GenerationEnded(
                    _now, $"{server} holds its slice no longer", IsFailure: false);
            }
        }

        return EndOfOpening(open);
    }

    private GenerationEnded? EndOfOpening(RunGeneration open)
    {
        if (_state.Phase is not RunPhase.Opening opening)
        {
            return null;
        }

        if (IsAnyLeaving)
        {
            return new GenerationEnded(
                _now, CheckpointRules.WhyRecut(_run, _now), IsFailure: false);
        }

        bool isOpen = open.Servers.All(IsOpen);
        if (!isOpen && open.Origin is SliceOrigin.Memory { Keepers: var keepers }
            && keepers.FirstOrDefault(keeper => !_observed.HasServer(keeper.Node)) is
                { Node.IsValid: true } lost)
        {
            return new GenerationEnded(
                _now, $"{lost.Node} is lost, and its copies with it", IsFailure: false);
        }

        return !isOpen && _now - opening.Since >= Options.OpeningTimeout
            ? new GenerationEnded(
                _now,
                $"{string.Join(", ", open.Servers.Where(server => !IsOpen(server)))} did not open"
                + $" in {Options.OpeningTimeout}", IsFailure: true)
            : null;
    }

    private bool IsOpen(NodeId server) =>
        _observed.Servers.GetValueOrDefault(server)?.Phase is SlicePhase.Open;

    private RunEvent? FromQueue()
    {
        if (_state.IsPauseRequested)
        {
            return new RunPaused(_now, PauseCause.User, "paused by the user before it trained");
        }

        if (_state.FailedGenerations >= Options.MaxFailedGenerations)
        {
            return new RunFailed(
                _now,
                $"{_state.FailedGenerations} generations failed one after the other; the last:"
                + $" {((RunPhase.Queued)_state.Phase).Reason}");
        }

        ImmutableArray<NodeId> servers = SpreadRules.Servers(_run, _now);
        bool isTooSoon = _state.FailedGenerations > 0
            && _now - _state.LastEventAt < Options.CheckpointRetry;
        if (servers.IsEmpty || isTooSoon
            || _observed.PresentWorkers().Length < MinWorkers)
        {
            return null;
        }

        CopiesUsed? copies = CopyRules.Newest(_run, servers, _now);
        return new GenerationOpened(
            _now, _state.Generation?.Number.Next ?? new Generation(1), servers,
            copies is null ? _state.Newest?.Version : null)
        {
            Copies = copies,
        };
    }

    private RunEvent? Open(RunGeneration open)
    {
        if (_state.IsPauseRequested)
        {
            return new RunPaused(_now, PauseCause.User, "paused by the user before it trained");
        }

        ImmutableArray<NodeId> workers = Computing(open);
        if (!open.Servers.All(IsOpen) || workers.Length < MinWorkers)
        {
            return null;
        }

        return open.Assigned.IsEmpty
            ? Assign(open, workers, $"{open.Number} begins")
            : new LeaseGranted(_now, NextLease());
    }

    private Lease NextLease() => new(
        _plan.Dimensions.EpochEnd(_state.Position.Step), _state.Position.Plateau.Reductions);

    private RunEvent? Train(RunGeneration open, RunPhase.Training training)
    {
        if (NonFinite(open) is { } found)
        {
            return new NonFiniteFound(_now, found);
        }

        if (training.Halt is { } cause)
        {
            return HasHalted(open) ? Shorten(open, cause) : null;
        }

        if (HasReached(open, training.Lease.EndVersion))
        {
            return AtLeaseEnd(open, training);
        }

        if (CheckpointRules.Ahead(_run, training, _now) is { } ahead)
        {
            return ahead;
        }

        return HaltDue(training) is { } due ? new HaltOrdered(_now, due) : Staff(open);
    }

    private HaltCause? HaltDue(RunPhase.Training training)
    {
        if (training.Ends is HaltCause.Pause or HaltCause.MaxTime)
        {
            return null;
        }

        if (_state.ElapsedAt(_now) >= _plan.Stop.MaxTime)
        {
            return HaltCause.MaxTime;
        }

        if (_state.IsPauseRequested)
        {
            return HaltCause.Pause;
        }

        if (IsAnyLeaving)
        {
            return training.Ends == HaltCause.Leave ? null : HaltCause.Leave;
        }

        if (IsSpreadDue)
        {
            return training.Ends is HaltCause.Leave or HaltCause.Spread ? null : HaltCause.Spread;
        }

        return training.Ends is null && CheckpointRules.NeedsStand(_run, _now)
            ? HaltCause.Checkpoint
            : null;
    }

    // Servers stand where they are once they have seen that they are to.
    private bool HasHalted(RunGeneration open) => open.Servers.All(server =>
        _observed.ToServers.TryGetValue(server, out Sent<ServerDirective>? sent)
        && sent.Directive.Lease.EndVersion == open.Origin.Version
        && _observed.Servers.TryGetValue(server, out ServerStatus? status)
        && status.Seen.CompareTo(sent.Directive.Stamp) >= 0);

    // The single process, too, trains a step before it looks at the time.
    private LeaseShortened Shorten(RunGeneration open, HaltCause cause)
    {
        long newest = open.Servers.Max(server => _observed.Servers[server].Version);
        long least = cause == HaltCause.MaxTime ? open.Origin.Version + 1 : newest;
        return new LeaseShortened(_now, Math.Max(newest, least));
    }

    private bool HasReached(RunGeneration open, long version) => open.Servers.All(
        server => _observed.Servers.GetValueOrDefault(server)?.Version == version);

    private RunEvent? AtLeaseEnd(RunGeneration open, RunPhase.Training training)
    {
        long version = training.Lease.EndVersion;
        bool isEpochEnd = version == _plan.Dimensions.EpochEnd(_state.Position.Step);
        if (isEpochEnd || training.Ends is null or HaltCause.MaxTime)
        {
            LeaseSummary? summary = _observed.Servers[open.Servers[0]].Lease;
            return summary?.Version == version
                ? new EpochTrained(_now, version, summary.LossSum, summary.Layers)
                : null;
        }

        if (training.Ends == HaltCause.Checkpoint)
        {
            // One that the servers have saved before is committed, or refused, at this very moment.
            bool isBegun = _state.Saving?.Step == version || _state.CheckpointFailedAt == _now
                || (_state.Newest?.Version == version && _state.CheckpointedAt == _now);
            return isBegun
                ? new LeaseGranted(_now, NextLease())
                : new CheckpointBegun(_now, PositionHere(version), Waits: false);
        }

        bool isSaved = version == (_state.Newest?.Version ?? 0);
        return !isSaved ? new CheckpointBegun(_now, PositionHere(version), Waits: true)
            : training.Ends is HaltCause.Leave or HaltCause.Spread
                ? new GenerationEnded(_now, CheckpointRules.WhyRecut(_run, _now), IsFailure: false)
            : new RunPaused(_now, PauseCause.User, $"paused by the user at version {version}");
    }

    private TrainingPosition PositionHere(long version) =>
        CheckpointRules.PositionAt(_run, version, null, _now);

    // Where servers are to go back by one, those that are behind make the version first: going back
    // leaves the optimizer's state as the step has made it.
    private NonFiniteStop? NonFinite(RunGeneration open)
    {
        ServerStatus?[] statuses =
            [.. open.Servers.Select(server => _observed.Servers.GetValueOrDefault(server))];
        ServerStatus? found = statuses.Where(status => status?.NonFinite is not null)
            .MinBy(status => status!.NonFinite!.LastGoodVersion);
        return found?.NonFinite?.LastGoodVersion == found?.Version
            || statuses.All(status => status?.Version >= found!.Version)
            ? found?.NonFinite
            : null;
    }

    private RunEvent? Evaluate(RunGeneration open, RunPhase.Evaluating evaluating)
    {
        bool isJudged = _state.Position.History.LastOrDefault()?.StepsDone == evaluating.Version;
        if (!isJudged)
        {
            return NonFinite(open) is { } found
                ? new NonFiniteFound(_now, found)
                : EvaluationRules.Judge(_run, evaluating, _now);
        }

        if (_state.IsPauseRequested || IsAnyLeaving || IsSpreadDue)
        {
            return new CheckpointBegun(_now, PositionHere(evaluating.Version), Waits: true);
        }

        if (CheckpointRules.IsDueAfterEpoch(_run, _now))
        {
            return new CheckpointBegun(_now, PositionHere(evaluating.Version), Waits: false);
        }

        return Rebalance(open, WorthReassigning) ?? new LeaseGranted(_now, NextLease()) as RunEvent;
    }

    // Whoever is computing goes on, for a while also those whom a new coordinator has not heard of;
    // others join while there is room.
    private ImmutableArray<NodeId> Computing(RunGeneration open)
    {
        bool isNew = _state.Term.Value > 1 && _now - _state.TookOverAt < s_firstWord;
        HashSet<NodeId> assigned = [.. open.Assigned.Select(entry => entry.Worker)];
        IEnumerable<NodeId> unheard = !isNew ? [] : _observed.PresentWorkers().Where(
            node => assigned.Contains(node) && !_observed.Workers.ContainsKey(node));
        ImmutableArray<NodeId> whole = _observed.Prompt(
            [.. _observed.WholeWorkers(), .. unheard], MinWorkers);
        if (whole.Length <= Options.MaxWorkers)
        {
            return isNew ? whole.Sort() : whole; // Those that were heard of are in order.
        }

        return
        [
            .. whole.OrderByDescending(assigned.Contains).ThenBy(node => node)
                .Take(Options.MaxWorkers).Order(),
        ];
    }

    private RunEvent? Staff(RunGeneration open)
    {
        ImmutableArray<NodeId> workers = Computing(open);
        if (workers.Length < MinWorkers)
        {
            // Training that is being brought to a stand comes to it without any worker.
            return _state.IsPauseRequested || IsAnyLeaving ? null : new RunPaused(
                _now, PauseCause.TooFewWorkers,
                $"{workers.Length} of at least {Counted.Of(MinWorkers, "worker")} are there");
        }

        NodeId[] assigned = [.. open.Assigned.Select(entry => entry.Worker).Order()];
        if (workers.AsSpan().SequenceEqual(assigned))
        {
            bool isRecent = _observed.AssignedAt is { } at && _now - at < s_assigned;
            return isRecent ? null : Rebalance(open, WellWorthReassigning);
        }

        if (IsGatheringJoins(assigned, workers))
        {
            return null;
        }

        string joined = string.Join(", ", workers.Except(assigned).Select(node => $"{node} joins"));
        string left = string.Join(
            ", ", assigned.Except(workers).Select(node => _observed.Late.IsExcluded(node)
                ? $"{node} is late"
                : $"{node} has left"));
        return Assign(open, workers, string.Join(", ", ((string[])[joined, left])
            .Where(part => part.Length > 0)));
    }

    // Everybody is told of an assignment, and answers: hundreds of workers that join one after the
    // other are taken in by some assignments, not by hundreds. With a few it is as good as at once.
    private bool IsGatheringJoins(NodeId[] assigned, ImmutableArray<NodeId> workers) =>
        _observed.AssignedAt is { } at && _now - at < assigned.Length * s_joining
        && assigned.All(workers.ToHashSet().Contains);

    private RunResumed? Resume() =>
        _state.IsPauseRequested || IsAnyLeaving
        || Computing(_state.Open!).Length >= MinWorkers
            ? new RunResumed(
                _now, $"{Counted.Of(
                    Computing(_state.Open!).Length, "worker is", "workers are")} there")
            : null;

    private WorkersAssigned Assign(
        RunGeneration open, ImmutableArray<NodeId> workers, string why)
    {
        AssignmentPlan plan = AssignmentPlanner.Plan(
            _observed.SpeedsOf(workers), _plan.Dimensions.MicroBatches);
        return new WorkersAssigned(
            _now, open.Revision + 1,
            [.. plan.Ranges.Select(entry => new AssignedRange(entry.Worker, entry.Range))],
            $"{why}: {plan.Reason}");
    }

    private WorkersAssigned? Rebalance(RunGeneration open, double worth)
    {
        ImmutableArray<WorkerSpeed> speeds =
            _observed.SpeedsOf([.. open.Assigned.Select(entry => entry.Worker)]);
        if (speeds.IsEmpty)
        {
            return null;
        }

        double now = open.Assigned.Zip(
            speeds, (entry, worker) => entry.Range.Count / worker.Speed).Max();
        if (now <= worth * AssignmentPlanner.LeastMakespan(speeds, _plan.Dimensions.MicroBatches))
        {
            return null; // No plan is worth it: planning is left out.
        }

        AssignmentPlan plan = AssignmentPlanner.Plan(speeds, _plan.Dimensions.MicroBatches);
        return now > worth * plan.Makespan
            ? Assign(
                open, [.. speeds.Select(worker => worker.Node)], "speeds were measured")
            : null;
    }
}
