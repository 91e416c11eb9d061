using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>One incarnation of the run's coordinator: tells the real
/// <see cref="RunCoordination"/> what happens, stores its events, and only then sends its
/// directives. What comes meanwhile waits.</summary>
internal sealed class SimulatedCoordinator
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_examination = TimeSpan.FromSeconds(1);

    private readonly SimulatedCluster _cluster;
    private readonly Queue<object> _waiting = new();
    private readonly VerificationLedger _verifications = new();
    private readonly SteadyTime _clock;
    private readonly HashSet<(NodeId, DirectiveStamp)> _sent = [];
    private readonly string _name;
    private bool _isBusy = true;
    private bool _isExamining;
    private RunCoordination? _run;

    public SimulatedCoordinator(SimulatedCluster cluster, int term)
    {
        _cluster = cluster;
        _name = $"coordinator-{term}";
        Term = term;
        _clock = new SteadyTime(cluster.Clock);
    }

    /// <summary>Counts the run's coordinators.</summary>
    public int Term { get; }

    /// <summary>Each is at a place of its own.</summary>
    public int Place => -Term;

    public Lifetime Life { get; } = new();

    /// <summary>What it knows; null: it has not begun.</summary>
    public RunCoordination? Run => _run;

    /// <summary>The time of day as it counts it.</summary>
    public DateTimeOffset Now => _cluster.Bug == PlantedBug.MachineClockTaken
        ? _cluster.Clock.GetUtcNow()
        : _clock.Now;

    /// <summary>Reads what has happened and takes the run on.</summary>
    public void Begin()
    {
        if (_cluster.Coordinator != this)
        {
            _cluster.EndCoordinator(this, restarts: false);
            return;
        }

        SimulatedStorage storage = _cluster.Storage;
        if (storage.AwayUntil > _cluster.Queue.Now)
        {
            _cluster.Queue.After(TimeSpan.FromSeconds(1), Life, Begin);
            return;
        }

        storage.Owner = this;
        if (storage.Events.Count > 0
            && CoordinatorState.Replay(storage.Events) is { Phase.IsFinal: true })
        {
            return;
        }

        if (storage.Events.Count > 0)
        {
            _clock.NotBefore(storage.Events[^1].At);
        }

        Carry(storage.Events.Count == 0
            ? RunCoordination.Submit(_cluster.CoordinationPlan, Now)
            : RunCoordination.Recover(_cluster.CoordinationPlan, storage.Events, Now));
        _waiting.Enqueue(new CoordinatorInput.NodesChanged(_cluster.Membership.Nodes));
        Tick();
    }

    /// <summary>A server's status, on its way.</summary>
    public void Tell(SimulatedNode from, ServerStatus status) => _cluster.Network.Send(
        from.Place, Place, Life, () => Take(new CoordinatorInput.ServerReported(status)));

    /// <summary>A worker's status, on its way.</summary>
    public void Tell(SimulatedNode from, WorkerStatus status) => _cluster.Network.Send(
        from.Place, Place, Life, () => Take(new CoordinatorInput.WorkerReported(status)));

    /// <summary>How far steps are, on its way.</summary>
    public void Tell(SimulatedNode from, CoordinatorInput.Progressed progress) =>
        _cluster.Network.Send(from.Place, Place, Life, () => Take(progress));

    /// <summary>What was pushed in a step that is verified, on its way.</summary>
    public void Tell(SimulatedNode from, PushReport report) =>
        _cluster.Network.Send(from.Place, Place, Life, () => TakeInTurn(report));

    /// <summary>What was computed once more, on its way.</summary>
    public void Tell(SimulatedNode from, CheckReport report) =>
        _cluster.Network.Send(from.Place, Place, Life, () => TakeInTurn(report));

    /// <summary>A node asks what a checkpoint is made of.</summary>
    public void Ask(
        SimulatedNode from, long version, Action<ImmutableArray<CheckpointPart>> answer) =>
        _cluster.Network.Send(from.Place, Place, Life, () =>
        {
            if (_run is { } run)
            {
                ImmutableArray<CheckpointPart> parts = run.State.Checkpoints
                    .FirstOrDefault(kept => kept.Version == version)?.Parts ?? [];
                _cluster.Network.Send(Place, from.Place, from.Life, () => answer(parts));
            }
        });

    /// <summary>A node asks what the run is.</summary>
    public void AskForSetup(SimulatedNode from, Action answer) => _cluster.Network.Send(
        from.Place, Place, Life,
        () => _cluster.Network.Send(Place, from.Place, from.Life, answer));

    /// <summary>Decides on an input, once the events before it are stored.</summary>
    public void Take(CoordinatorInput input)
    {
        if (_isBusy)
        {
            // A tick that waits says all that another would.
            if (input is not CoordinatorInput.Tick)
            {
                _waiting.Enqueue(input);
            }

            return;
        }

        Decision decision = _run!.Decide(input, Now);
        if (decision.Refusal is { } refusal)
        {
            _cluster.Trace?.Write(
                _cluster.Queue.Now, _name, $"{TraceText.Of(input)}: refused, {refusal}");
            return;
        }

        if (input is not CoordinatorInput.Tick)
        {
            _cluster.Trace?.Write(_cluster.Queue.Now, _name, TraceText.Of(input));
        }

        Carry(decision);
    }

    private void TakeInTurn(object report)
    {
        if (_isBusy)
        {
            _waiting.Enqueue(report);
            return;
        }

        switch (report)
        {
            case CoordinatorInput input:
                Take(WithThoseBehind(input));
                break;
            case PushReport pushed:
                Judge(pushed.Generation, _verifications.Take(pushed, _run!.State.Generation));
                break;
            case CheckReport check:
                Judge(check.Generation, _verifications.Take(check, _run!.State.Generation));
                TakeInTurn(new CoordinatorInput.Rechecked(Turned(check)));
                break;
            default:
                throw new InvalidOperationException($"nobody takes {report}");
        }
    }

    private void Judge(Generation generation, Dispute? dispute)
    {
        if (dispute is null)
        {
            return;
        }

        _cluster.Trace?.Write(_cluster.Queue.Now, _name, $"{dispute}, in {generation}");
        _cluster.Checks.DisputeFound(generation, dispute, this);
        if (_cluster.Bug != PlantedBug.DisputeForgotten)
        {
            Take(new CoordinatorInput.WorkersDiffer(
                generation,
                _cluster.Bug == PlantedBug.DisputeToldLate
                    ? dispute with { Step = dispute.Step + 1 }
                    : dispute));
        }
    }

    private CheckReport Turned(CheckReport report) =>
        _cluster.Bug != PlantedBug.VoteTurnedRound || _run!.State.Dispute is not { } dispute
            ? report
            : report with
            {
                Nodes =
                [
                    .. report.Nodes.Select(node => node with
                    {
                        Whole = node.Whole == dispute.Digest ? default : dispute.Digest,
                    }),
                ],
            };

    private void Carry(Decision decision)
    {
        if (decision.Events.IsEmpty)
        {
            Act(decision);
            return;
        }

        _isBusy = true;
        if (_cluster.Bug == PlantedBug.DirectivesBeforeEvents)
        {
            Send(decision);
        }

        _cluster.Queue.After(_cluster.Timing.WriteEvents(), Life, () =>
        {
            if (_cluster.Storage.Owner != this || _cluster.EventsFail())
            {
                _cluster.Statistics.LostEvents++;
                _cluster.Trace?.Write(
                    _cluster.Queue.Now, _name,
                    $"cannot store {decision.Events.Length} events");
                _cluster.EndCoordinator(this, restarts: _cluster.Storage.Owner == this);
                return;
            }

            foreach (RunEvent happened in decision.Events)
            {
                _cluster.Trace?.Write(
                    _cluster.Queue.Now, _name, $"stores: {TraceText.Of(happened)}");
            }

            _cluster.Storage.Append(decision.Events);
            _cluster.Checks.Stored(decision.Events);
            _cluster.Queue.After(_cluster.Timing.Act(), Life, () => Act(decision));
        });
    }

    private void Act(Decision decision)
    {
        _run = decision.Next;
        Send(decision);
        foreach (CheckpointRetired retired in decision.Events.OfType<CheckpointRetired>())
        {
            Delete(retired.Version);
        }

        Examine();
        _isBusy = false;
        while (!_isBusy && _waiting.TryDequeue(out object? next))
        {
            TakeInTurn(next);
        }
    }

    // As the actor does: statuses that have waited are decided on together.
    private CoordinatorInput WithThoseBehind(CoordinatorInput first)
    {
        if (!IsStatus(first))
        {
            return first;
        }

        var statuses = ImmutableArray.CreateBuilder<CoordinatorInput>();
        statuses.Add(first);
        while (_waiting.TryPeek(out object? next) && next is CoordinatorInput status
            && IsStatus(status))
        {
            statuses.Add(status);
            _waiting.Dequeue();
        }

        return new CoordinatorInput.Reported(statuses.ToImmutable());
    }

    private static bool IsStatus(CoordinatorInput input) =>
        input is CoordinatorInput.ServerReported or CoordinatorInput.WorkerReported;

    private void Send(Decision decision)
    {
        foreach (ServerOrder order in decision.ToServers)
        {
            if (IsSent(order.To, order.Directive.Stamp))
            {
                _cluster.SendTo(this, order.To, to => to.Receive(order.Directive, this));
            }
        }

        foreach (WorkerOrder order in decision.ToWorkers)
        {
            if (IsSent(order.To, order.Directive.Stamp))
            {
                _cluster.SendTo(this, order.To, to => to.Receive(order.Directive, this));
            }
        }
    }

    private bool IsSent(NodeId to, DirectiveStamp stamp) =>
        _cluster.Bug != PlantedBug.LeaseLost || _sent.Add((to, stamp));

    private void Delete(long version) => _cluster.Queue.After(
        _cluster.Timing.WritePart(), Life, () =>
        {
            _cluster.Storage.Delete(version);
            if (_cluster.Bug == PlantedBug.NewestCheckpointDeleted
                && _run!.State.Newest is { } newest)
            {
                _cluster.Storage.Delete(newest.Version);
            }

            _cluster.Checks.CheckpointsAreReadable();
        });

    private void Tick() => _cluster.Queue.After(s_tick, Life, () =>
    {
        Take(new CoordinatorInput.Tick());
        Tick();
    });

    // Somebody reads the final weights, and says what they are.
    private void Examine()
    {
        if (_isExamining || _run!.State.Phase is not RunPhase.Concluding concluding)
        {
            return;
        }

        _isExamining = true;
        _cluster.Queue.After(s_examination, Life, () => Take(new CoordinatorInput.Examined(
            Examination(_run.State.Checkpoints.First(
                kept => kept.Version == concluding.Checkpoint)))));
    }

    private FinalExamination Examination(CheckpointManifest manifest)
    {
        TrainingPlan plan = _cluster.Plan;
        var slices = new SlicePlan(plan.Network.Layout, 1);
        using var numbers = new SliceNumbers(
            slices, 0, ServerPlan.Of(_cluster.Run, plan).Rules, _cluster.Pool, false);
        foreach (CheckpointPart part in manifest.Parts)
        {
            float[] content = _cluster.Storage.Read(manifest.Version, part)
                ?? throw new SimulationFailure($"{part} of checkpoint {manifest.Version} is gone");
            numbers.TakeBlocks(part, content, withState: true);
        }

        bool isBest = plan.Stop.Patience is not null
            && manifest.Position.Stopping.BestEpoch is not null;
        if (!isBest)
        {
            numbers.KeepBest(manifest.Version);
        }

        return new FinalExamination(
            manifest.Version, WeightsDigest.OfWeights(plan.Network.Layout, numbers.Best),
            WeightsDigest.OfState(plan.Network.Layout, numbers.Weights, numbers.State), null, null,
            []);
    }
}
