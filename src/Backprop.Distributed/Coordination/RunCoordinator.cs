using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Timelines;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>What a run's journal has come to.</summary>
/// <param name="State">The run's state; null: nothing has happened yet.</param>
/// <param name="Record">What people are shown beside it, and what is to be tidied up.</param>
internal sealed record RunLog(CoordinatorState? State, RunRecord Record)
{
    public static RunLog Empty { get; } = new(null, RunRecord.Empty);

    public RunLog Apply(RunEvent happened) => new(
        State?.Apply(happened) ?? CoordinatorState.Of((RunSubmitted)happened),
        Record.Apply(happened));
}

/// <summary>
/// Coordinates one run: tells <see cref="RunCoordination"/> what happens, persists what it decides,
/// and only then sends the directives. Started again, it takes the run on in the next term.
/// </summary>
internal sealed class RunCoordinator : CoordinatorJournal<RunLog, RunEvent>, IWithTimers
{
    private readonly CoordinatorContext _context;
    private readonly SteadyTime _clock;
    private readonly IActorRef _registry;
    private readonly CoordinationPlan _plan;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly CancellationTokenSource _ending = new();
    private readonly DigestKeeper _digests;
    private readonly CurveKeeper _curves;
    private readonly TimelineDesk _timelines;
    private readonly RunMeter _meter;
    private readonly VerificationLedger _verifications = new();
    private readonly List<CoordinatorInput> _statuses = [];
    private RegisteredRun _registered;
    private ImmutableDictionary<NodeId, AvailableNode> _nodes =
        ImmutableDictionary<NodeId, AvailableNode>.Empty;

    private RunCoordination? _run;
    private StepProgress? _progress;
    private Errand _examination = Errand.None;
    private ExaminationAnswer? _examined;
    private DateTimeOffset? _concludesSince;
    private RunChanged? _told;
    private DateTimeOffset? _overSince;
    private ImmutableHashSet<long> _deleting = [];

    /// <summary>Of a run; made by <see cref="Props"/>.</summary>
    public RunCoordinator(
        CoordinatorContext context, RegisteredRun registered, CoordinationPlan plan,
        IActorRef registry)
        : base(JournalNameOf(registered.Id), RunLog.Empty, (log, happened) => log.Apply(happened))
    {
        _context = context;
        _clock = new SteadyTime(context.Time);
        _registered = registered;
        _plan = plan;
        _registry = registry;
        _digests = new DigestKeeper(context, plan, Self, _ending.Token);
        _curves = new CurveKeeper(context, plan, Self, _ending.Token);
        _timelines = new TimelineDesk(context.Time, context.Patience.Timeline);
        _meter = new RunMeter(registered.Id, context.Time);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _clock.Now;

    private LogScope Scope => new(
        _plan.Run, _run?.State.Open?.Number, _progress?.Version ?? _run?.State.Position.Step);

    /// <summary>Names a run's journal.</summary>
    public static string JournalNameOf(RunId run) => $"run-{run}";

    /// <summary>The coordinator of a run, under a supervisor that starts it again.</summary>
    public static Props Props(
        CoordinatorContext context, RegisteredRun registered, CoordinationPlan plan,
        IActorRef registry) => JournalSupervision.Of(
        Akka.Actor.Props.Create(() => new RunCoordinator(context, registered, plan, registry))
            .WithDispatcher(NodeDispatchers.Nodes),
        "coordination", context.Patience.FirstRestart, context.Patience.LongestRestart);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _meter.Dispose();
        _ending.Cancel();
        base.PostStop();
    }

    /// <inheritdoc/>
    // A child asks a question for people: what goes wrong in it ends that question alone.
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        _log.Error(failure, "Run {0}: its nodes could not be asked", _plan.Run);
        return Directive.Stop;
    });

    /// <inheritdoc/>
    protected override void Recovered()
    {
        _clock.NotBefore(State.State?.LastEventAt ?? DateTimeOffset.MinValue);
        // A run that is over is only shown, and its nodes told once more to let go.
        Decision decision = State.State switch
        {
            null => RunCoordination.Submit(_plan, Now),
            { Phase.IsFinal: true } over => new Decision(
                [], [], [], "", null, new RunCoordination(_plan, over, Observations.None)),
            { } state => RunCoordination.Recover(_plan, state, Now),
        };
        Carry(decision, () =>
        {
            Timers.StartPeriodicTimer("tick", Tick.Instance, _context.Patience.Tick);
            _registry.Tell(new RunBegun(_plan.Run, Self));
        });
    }

    /// <inheritdoc/>
    protected override void OnCommand(object message)
    {
        switch (message)
        {
            case Tick:
                Take(new CoordinatorInput.Tick(), Proceed);
                break;
            case UseNodes use:
                Take(use);
                break;
            case ServerStatus status:
                Gather(new CoordinatorInput.ServerReported(status));
                break;
            case WorkerStatus status:
                Gather(new CoordinatorInput.WorkerReported(status));
                break;
            case StatusesGathered:
                TakeStatuses();
                break;
            case StepProgress progress when progress.Run == _plan.Run:
                _progress = progress;
                Take(new CoordinatorInput.Progressed(
                    progress.Generation, progress.Version,
                    TimeSpan.FromSeconds(progress.StepSeconds)));
                break;
            case SetupRequest:
                Sender.Tell(_registered.Setup!);
                break;
            case ManifestRequest request:
                Sender.Tell(new ManifestAnswer(_plan.Run, request.Version, PartsOf(request)));
                break;
            case CoordinatorRequest.ShowRun:
                Sender.Tell(new CoordinatorAnswer.Run(View()));
                break;
            case CoordinatorRequest.FollowRun follow:
                Sender.Tell(Follow(follow.Known));
                break;
            case CoordinatorRequest.ShowReplay replay:
                Sender.Tell(new CoordinatorAnswer.Replay(
                    _registered.Setup!,
                    _run!.State.Checkpoints.LastOrDefault(
                        kept => kept.Version <= replay.Version)));
                break;
            case CoordinatorRequest.ShowTimeline:
                _timelines.Ask(Sender, _run!, _nodes, Context);
                break;
            case TimelineGathered gathered:
                _timelines.End(gathered);
                break;
            case Terminated terminated:
                _timelines.End(terminated);
                break;
            case CoordinatorRequest.ControlRun request:
                Control(request.Control);
                break;
            case ExaminationAnswer answer:
                Take(answer);
                break;
            case ModelKept:
                Conclude();
                break;
            case Deleted deleted:
                EndDeleting(deleted);
                break;
            case DigestReport report when report.Run == _plan.Run:
                Take(report);
                break;
            case CurveReport report when report.Run == _plan.Run:
                Take(report);
                break;
            case PushReport report when report.Run == _plan.Run:
                Judge(report.Generation, _verifications.Take(report, _run!.State.Generation));
                break;
            case CheckReport report when report.Run == _plan.Run:
                Judge(report.Generation, _verifications.Take(report, _run!.State.Generation));
                Take(new CoordinatorInput.Rechecked(report));
                break;
            case not null when DigestKeeper.IsMine(message):
                Report(_digests.End(message));
                break;
            case not null when CurveKeeper.IsMine(message):
                Report(_curves.End(message));
                Settle();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // A decision takes time in proportion to the nodes. When an epoch ends, or a lease begins,
    // every worker has something to say: what waits in the mailbox is decided on together.
    private void Gather(CoordinatorInput status)
    {
        _statuses.Add(status);
        if (_statuses.Count == 1)
        {
            Self.Tell(StatusesGathered.Instance);
        }
    }

    private void TakeStatuses()
    {
        ImmutableArray<CoordinatorInput> statuses = [.. _statuses];
        _statuses.Clear();
        Take(new CoordinatorInput.Reported(statuses));
    }

    private void Take(CoordinatorInput input, Action? afterwards = null)
    {
        Decision decision = _run!.Decide(input, Now);
        if (decision.Refusal is { } refusal)
        {
            _log.Debug("Run {0}: {1}", Scope, refusal);
            return;
        }

        Carry(decision, afterwards);
    }

    private void Carry(Decision decision, Action? afterwards = null) =>
        Decide(decision.Events, () =>
        {
            _run = decision.Next;
            foreach (ServerOrder order in decision.ToServers)
            {
                _nodes.GetValueOrDefault(order.To)?.ParameterServer?.Tell(order.Directive, Self);
            }

            foreach (WorkerOrder order in decision.ToWorkers)
            {
                _nodes.GetValueOrDefault(order.To)?.Worker?.Tell(order.Directive, Self);
            }

            foreach (RunEvent happened in decision.Events)
            {
                if (HappeningText.Of(happened) is { } text)
                {
                    _log.Info("Run {0}: {1}", Scope, text);
                }
            }

            afterwards?.Invoke();
            TellRegistry();
        });

    private void Take(UseNodes use)
    {
        _nodes = use.Nodes.ToImmutableDictionary(node => node.Id);
        Take(new CoordinatorInput.NodesChanged(use.IsItsTurn
            ?
            [
                .. use.Nodes.Select(node => new ClusterNode(
                    node.Id, node.ParameterServer is not null, node.Worker is not null)
                {
                    IsLeaving = node.IsLeaving,
                }),
            ]
            : []));
    }

    private void Take(DigestReport report)
    {
        if (_digests.Take(report, _run!.State.Generation, Sender) is { } difference)
        {
            _log.Error("Run {0}: {1}", Scope, difference);
            _curves.Doubt(report.Generation, Math.Max(0, difference.Version - 1));
            Take(new CoordinatorInput.DigestsDiffer(report.Generation, difference));
        }
    }

    private void Judge(Generation generation, Dispute? dispute)
    {
        if (dispute is not null)
        {
            _log.Error("Run {0}: {1}", Scope, dispute);
            _digests.Doubt(generation, dispute.Step + 1);
            _curves.Doubt(generation, dispute.Step);
            Take(new CoordinatorInput.WorkersDiffer(generation, dispute));
        }
    }

    private void Take(CurveReport report) =>
        Report(_curves.Take(report, _run!.State.Generation, Sender));

    private void Report(string? trouble)
    {
        if (trouble is { } failure)
        {
            _log.Warning("Run {0}: {1}", Scope, failure);
        }
    }

    private void Control(RunControl control)
    {
        IActorRef user = Sender;
        CoordinatorInput input = control switch
        {
            RunControl.Pause => new CoordinatorInput.Pause(),
            RunControl.Resume => new CoordinatorInput.Resume(),
            RunControl.Stop => new CoordinatorInput.Stop(),
            _ => throw new InvalidOperationException($"unknown control {control}"),
        };
        Decision decision = _run!.Decide(input, Now);
        if (decision.Refusal is { } refusal)
        {
            user.Tell(new CoordinatorAnswer.Refused(RefusalKind.Conflict, refusal));
            return;
        }

        Carry(decision, () => user.Tell(new CoordinatorAnswer.Done()));
    }

    // What has to be looked after beside the decisions, at every tick.
    private void Proceed()
    {
        DeleteSuperfluous();
        _digests.Proceed(_run!.State.Newest?.Version ?? 0);
        RunPhase.Concluding? concluding = _run!.State.Phase as RunPhase.Concluding;
        _curves.Proceed(isLast: concluding is not null);
        if (concluding is null)
        {
            return;
        }

        _concludesSince ??= Now;
        if (_examined is not null)
        {
            Settle();
            return;
        }

        Examine(concluding);
    }

    private void Examine(RunPhase.Concluding concluding)
    {
        CoordinatorPatience patience = _context.Patience;
        if (_examination is { Asked: null, LastFailure: { } failure } asked
            && asked.Attempts >= patience.Attempts)
        {
            // Where the run goes back, another end is to be examined.
            _examination = Errand.None;
            _concludesSince = null;
            Take(new CoordinatorInput.ExaminationFailed(
                concluding.Checkpoint,
                $"{Counted.Of(asked.Attempts, "attempt")} to examine them failed; the last:"
                    + $" {failure}")
            {
                IsDamage = asked.FoundDamage,
            });
            return;
        }

        ImmutableArray<NodeId> workers =
        [
            .. _nodes.Values.Where(node => node.Worker is not null).Select(node => node.Id).Order(),
        ];
        NodeId? chosen = _examination.Next(workers, patience.Examination, Now, out _examination);
        if (chosen is { } worker)
        {
            CheckpointManifest manifest =
                _run!.State.Checkpoints.First(kept => kept.Version == concluding.Checkpoint);
            _nodes[worker].Worker!.Tell(
                new ExaminationRequest(_registered.Setup!, manifest, UsesBest(manifest)), Self);
        }
    }

    private bool UsesBest(CheckpointManifest manifest) =>
        _plan.Stop.Patience is not null && manifest.Position.Stopping.BestEpoch is not null;

    private void Take(ExaminationAnswer answer)
    {
        if (_run!.State.Phase is not RunPhase.Concluding || _examined is not null
            || answer.Run != _plan.Run)
        {
            return;
        }

        if (answer.Found is null || answer.Model is null)
        {
            string reason = $"{answer.Node}: {answer.Failure ?? "it gave no reason"}";
            _log.Warning("Run {0}: its weights could not be examined by {1}", Scope, reason);
            _examination = answer.Node == _examination.Asked
                ? _examination.Failed(reason, answer.IsDamaged)
                : _examination;
            return;
        }

        _examined = answer;
        Settle();
    }

    // Who sees that a run is over sees its curves to the end, whatever happens to the nodes then.
    private void Settle()
    {
        if (_run!.State.Phase is RunPhase.Concluding concluding && _examined?.Model is { } model
            && (_curves.HasStored(concluding.Checkpoint)
                || Now - _concludesSince > _context.Patience.LastCurves))
        {
            _registry.Tell(new ModelReady(_plan.Run, model), Self);
        }
    }

    private void Conclude()
    {
        if (_examined is { Found: { } found, Model: { } model })
        {
            _registered = _registered with { Model = model };
            Take(new CoordinatorInput.Examined(found));
        }
    }

    private ImmutableArray<CheckpointPart> PartsOf(ManifestRequest request) =>
        _run!.State.Checkpoints.FirstOrDefault(kept => kept.Version == request.Version)?.Parts
        ?? [];

    // What a failure leaves undone is tried again after the next restart.
    private void DeleteSuperfluous()
    {
        foreach (long version in State.Record.SuperfluousIn(_run!.State).Except(_deleting))
        {
            _deleting = _deleting.Add(version);
            _context.Checkpoints.DeleteAsync(_plan.Run, version, _ending.Token).PipeTo(
                Self,
                success: () => new Deleted(version, null),
                failure: failure => new Deleted(version, failure));
        }
    }

    private void EndDeleting(Deleted deleted)
    {
        if (deleted.Failure is { } failure)
        {
            _log.Warning("Run {0}: {1}", Scope, failure.Message);
        }
    }

    private RunView View() => RunViewWriter.Write(
        _run!, _registered, _progress, State.Record, Now);

    private CoordinatorAnswer.Followed Follow(RunCursor known)
    {
        RunView view = View();
        return new CoordinatorAnswer.Followed(
            view with
            {
                History = view.History.RemoveRange(
                    0, (int)Math.Clamp(known.Epochs, 0, view.History.Length)),
                Happenings = [.. view.Happenings.Where(one => one.Number > known.Happenings)],
                Result = view.Result is { } result ? result with { History = [] } : null,
            },
            new CurvesView(
                _curves.IsRead, _curves.EndIndex, _plan.Layers,
                _curves.Read(known.Points, CurvesView.MaxPoints)));
    }

    private void TellRegistry()
    {
        CoordinatorState state = _run!.State;
        RunSummaryView summary = RunViewWriter.Summarize(_run, _registered, _progress, Now);
        _meter.Update(
            summary, State.Record.Committed is { IsEmpty: false } kept ? kept.Values.Last() : null);
        bool isPausedByUser = state.Phase is RunPhase.Paused { Cause: PauseCause.User };
        var changed = new RunChanged(
            summary, isPausedByUser, state.Phase.IsFinal && HasLetGo(), state.Open?.Servers ?? [],
            state.Phase is RunPhase.Completed completed ? RunOutcome.Of(completed.Result) : null);
        if (changed != _told)
        {
            _told = changed;
            _registry.Tell(changed, Self);
        }
    }

    // Nodes let go of a run that is over; whoever does not answer in time is not waited for.
    private bool HasLetGo()
    {
        DateTimeOffset now = Now;
        _overSince ??= now;
        if (now - _overSince >= _context.Patience.Closing)
        {
            return true;
        }

        Observations observed = _run!.Observed;
        return observed.Nodes is not null
            && observed.ToServers.Keys.All(node =>
                observed.Servers.GetValueOrDefault(node)?.Phase
                    is SlicePhase.Closed or SlicePhase.Failed)
            && observed.ToWorkers.Keys.All(node =>
                observed.Workers.GetValueOrDefault(node)?.Phase
                    is WorkerPhase.Closed or WorkerPhase.Failed);
    }

    private sealed class StatusesGathered : INoSerializationVerificationNeeded
    {
        public static StatusesGathered Instance { get; } = new();
    }

    private sealed record Deleted(long Version, Exception? Failure)
        : INoSerializationVerificationNeeded;

    private sealed class Tick : INotInfluenceReceiveTimeout, INoSerializationVerificationNeeded
    {
        public static Tick Instance { get; } = new();
    }
}
