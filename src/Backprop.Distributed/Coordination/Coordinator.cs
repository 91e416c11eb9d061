using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Coordination;

/// <summary>
/// The coordinator of a cluster: takes runs on, shares workers out among them, and has a child for
/// each run that is not over, so that what goes wrong in one is that one's. It decides as
/// <see cref="RegistryState"/> says, and keeps its decisions in a journal.
/// </summary>
public sealed class Coordinator : CoordinatorJournal<RegistryState, RegistryEvent>, IWithTimers
{
    /// <summary>Names the registry's journal.</summary>
    public const string JournalName = "coordinator";

    private readonly CoordinatorContext _context;
    private readonly SteadyTime _clock;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<RunId, RunSeat> _seats = [];
    private readonly Dictionary<RunId, Errand> _outlining = [];
    private readonly HashSet<NodeId> _leaving = [];
    private readonly ClusterMeter _meter = new();
    private readonly SweepDesk _sweeps;
    private NodesAvailable? _cluster;
    private string? _journalTrouble;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public Coordinator(CoordinatorContext context)
        : base(JournalName, RegistryState.Empty, (state, happened) => state.Apply(happened)) =>
        (_context, _clock, _sweeps) =
            (context, new SteadyTime(context.Time), new SweepDesk(context));

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private DateTimeOffset Now => _clock.Now;

    // The workers of now are not persisted; until they are known, nobody loses any.
    private RunQueue Queue => State.Queue with
    {
        Workers = _cluster is null
            ? [.. State.Queue.Runs.SelectMany(run => run.Workers).Order()]
            : [.. Workers().Select(node => node.Id)],
    };

    /// <summary>The coordinator, under a supervisor that starts it again.</summary>
    public static Props Props(CoordinatorContext context) => JournalSupervision.Of(
        Akka.Actor.Props.Create(() => new Coordinator(context))
            .WithDispatcher(NodeDispatchers.Nodes),
        "registry", context.Patience.FirstRestart, context.Patience.LongestRestart);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        base.PreStart();
        Context.System.EventStream.Subscribe(Self, typeof(JournalUnavailable));
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _meter.Dispose();
        base.PostStop();
    }

    /// <inheritdoc/>
    protected override void Recovered()
    {
        foreach (RegisteredRun run in State.Runs.Values.Where(run => run.Ended is null))
        {
            TakeOn(run);
        }

        LookAtSweeps();
        _context.Membership.Tell(new NodesRequest(), Self);
        Timers.StartPeriodicTimer("tick", Tick.Instance, _context.Patience.Tick);
    }

    /// <inheritdoc/>
    protected override void OnCommand(object message)
    {
        switch (message)
        {
            case Tick:
                AskForOutlines();
                LetGoOfShown();
                StopRunsOfSweeps();
                TellMeter();
                break;
            case SweepsToSee:
                ProceedWithSweeps();
                break;
            case CoordinatorAnswer:
                break; // Of a run that ends with its sweep: what it does then is heard of.
            case NodesAvailable available when available.IsComplete || _cluster is not null:
                _cluster = available;
                _leaving.IntersectWith(available.Nodes.Select(node => node.Id));
                ShareOut();
                break;
            case NodesAvailable:
                break; // It is told again once the others have said who they are.
            case CoordinatorRequest request:
                Answer(request);
                break;
            case OutlineAnswer answer:
                Take(answer);
                break;
            case RunBegun begun when _seats.TryGetValue(begun.Run, out RunSeat? seat):
                seat.Actor = begun.Actor;
                seat.IsThere = true;
                _journalTrouble = null;
                Context.Watch(begun.Actor);
                TellNodes(begun.Run, seat);
                break;
            case Terminated terminated:
                MarkAway(terminated.ActorRef);
                break;
            case RunChanged changed when _seats.TryGetValue(changed.Summary.Id, out RunSeat? seat):
                Take(changed, seat);
                break;
            case ModelReady ready:
                Keep(ready);
                break;
            case JournalUnavailable away:
                _journalTrouble = $"the database: {away.Reason}";
                NoteTrouble(away);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // --- What users ask.

    private void Answer(CoordinatorRequest request)
    {
        switch (request)
        {
            case CoordinatorRequest.Submit submit:
                Submit(submit);
                break;
            case CoordinatorRequest.ListRuns list:
                Sender.Tell(new CoordinatorAnswer.Runs(
                    [.. State.Newest(list.After, list.Limit).Select(Summarize)]));
                break;
            case CoordinatorRequest.ShowRun show:
                Show(show.Run, show, run => new CoordinatorAnswer.Run(ViewOf(run)));
                break;
            case CoordinatorRequest.FollowRun follow:
                Show(
                    follow.Run, follow,
                    run => new CoordinatorAnswer.Followed(ViewOf(run), CurvesView.None));
                break;
            case CoordinatorRequest.ShowReplay replay:
                Show(replay.Run, replay, run => new CoordinatorAnswer.Refused(
                    RefusalKind.Conflict,
                    $"run {run.Id} has not begun: {OutliningReason(run.Id)}"));
                break;
            case CoordinatorRequest.ShowSpecification show:
                Sender.Tell(State.Find(show.Run) is { } described
                    ? new CoordinatorAnswer.Specification(described.Registered.Specification)
                    : NoSuchRun(show.Run));
                break;
            case CoordinatorRequest.ShowTimeline timeline:
                Show(timeline);
                break;
            case CoordinatorRequest.ControlRun control:
                Control(control);
                break;
            case CoordinatorRequest.SubmitSweep submit:
                Carry(SweepCourse.Submit(
                    State, submit, Now, _context.FileRefusal, _context.Plugins));
                break;
            case CoordinatorRequest.ListSweeps:
                Sender.Tell(_sweeps.List(State));
                break;
            case CoordinatorRequest.ShowSweep show:
                Sender.Tell(_sweeps.Show(State, show.Sweep, Summarize));
                break;
            case CoordinatorRequest.StopSweep stop:
                Carry(SweepCourse.Stop(State, stop.Sweep, Now));
                break;
            case CoordinatorRequest.ShowCluster:
                ShowCluster();
                break;
            case CoordinatorRequest.LetGo leaving:
                LetGo(leaving.Node);
                break;
            default:
                Unhandled(request);
                break;
        }
    }

    private void Submit(CoordinatorRequest.Submit submit)
    {
        IActorRef user = Sender;
        RegistryDecision decision = State.Submit(
            submit, Now, _context.FileRefusal, _context.Plugins);
        Decide(decision.Events, () =>
        {
            user.Tell(decision.Answer!);
            AskForOutlines();
        });
    }

    private void Carry(RegistryDecision aboutSweep)
    {
        IActorRef user = Sender;
        Decide(aboutSweep.Events, () =>
        {
            user.Tell(aboutSweep.Answer!);
            LookAtSweeps();
        });
    }

    // The run itself answers, once it has begun.
    private void Show(
        RunId id, CoordinatorRequest request, Func<RegisteredRun, CoordinatorAnswer> before)
    {
        if (State.Find(id) is not { } run)
        {
            Sender.Tell(NoSuchRun(id));
        }
        else if (run.Outline is null)
        {
            Sender.Tell(before(run));
        }
        else
        {
            Forward(request, run);
        }
    }

    private void Show(CoordinatorRequest.ShowTimeline timeline)
    {
        if (State.Find(timeline.Run) is not { } run)
        {
            Sender.Tell(NoSuchRun(timeline.Run));
        }
        else if (run.Ended is { } summary)
        {
            Sender.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Conflict, $"run {run.Id} is over, and nodes keep what they did only as"
                    + $" long as one trains: {summary.Reason}"));
        }
        else if (run.Outline is null)
        {
            Sender.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Conflict, $"run {run.Id} has not begun: {OutliningReason(run.Id)}"));
        }
        else
        {
            Forward(timeline, run);
        }
    }

    private void Forward(CoordinatorRequest request, RegisteredRun run)
    {
        RunSeat seat = SeatOf(run);
        seat.ShownAt = Now;
        if (seat.Trouble is { } trouble)
        {
            Sender.Tell(new CoordinatorAnswer.Refused(RefusalKind.Unavailable, trouble));
        }
        else
        {
            // One that has just begun to read its journal answers once it has.
            seat.Actor.Forward(request);
        }
    }

    private void Control(CoordinatorRequest.ControlRun request)
    {
        if (State.Find(request.Run) is not { } run)
        {
            Sender.Tell(NoSuchRun(request.Run));
        }
        else if (run.Ended is { } summary)
        {
            Sender.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Conflict, $"run {run.Id} is over: {summary.Reason}"));
        }
        else if (run.Outline is not null)
        {
            SeatOf(run).Actor.Forward(request);
        }
        else if (request.Control == RunControl.Stop)
        {
            IActorRef user = Sender;
            _outlining.Remove(run.Id);
            Decide(
                [State.Ended(run, RunStanding.Stopped, "stopped before it trained", Now)],
                () =>
                {
                    user.Tell(new CoordinatorAnswer.Done());
                    LookAtSweeps();
                });
        }
        else
        {
            Sender.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Conflict, $"run {run.Id} has not begun: a worker looks at its data"));
        }
    }

    private void LetGo(NodeId node)
    {
        IActorRef leaving = Sender;
        bool isNew = _leaving.Add(node);
        if (isNew)
        {
            ShareOut();
        }

        RunId[] held =
        [
            .. from entry in _seats
               where State.Find(entry.Key) is { Ended: null }
                   && (entry.Value.Servers.Contains(node) || !entry.Value.IsThere)
               select entry.Key,
        ];
        // Runs have to hear of it first.
        leaving.Tell(held.Length == 0 && !isNew
            ? new CoordinatorAnswer.Done()
            : new CoordinatorAnswer.Refused(
                RefusalKind.Conflict, $"{string.Join(", ", held)} goes on without it first"));
    }

    private void ShowCluster()
    {
        if (_cluster is not { } cluster)
        {
            Sender.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Unavailable, "the coordinator has just begun, and knows no nodes yet"));
            return;
        }

        string[] trouble = _journalTrouble is { } reason ? [reason] : [];
        Sender.Tell(new CoordinatorAnswer.Cluster(new ClusterView(
            cluster.Cluster,
            [
                .. cluster.Nodes.OrderBy(node => node.Address, StringComparer.Ordinal)
                    .Select(node => new NodeView(
                        node.Description, node.Address, node.Status,
                        [
                            .. State.Queue.Runs.Where(run => run.Workers.Contains(node.Id))
                                .Select(run => run.Run),
                        ])),
            ],
            cluster.Self, [.. cluster.Warnings, .. trouble])));
    }

    private static CoordinatorAnswer NoSuchRun(RunId run) =>
        new CoordinatorAnswer.Refused(RefusalKind.NotFound, $"there is no run '{run}'");

    private RunSummaryView Summarize(RegisteredRun run)
    {
        if (run.Ended is { } ended)
        {
            return ended;
        }

        if (run.Outline is null)
        {
            return RegistryState.SummaryOf(run, RunStanding.Opening, OutliningReason(run.Id));
        }

        RunSeat? seat = _seats.GetValueOrDefault(run.Id);
        RunSummaryView summary = seat?.Summary
            ?? RegistryState.SummaryOf(run, RunStanding.Queued, "its journal is being read");
        return seat?.Trouble is { } trouble ? summary with { Reason = trouble }
            : summary.Standing == RunStanding.Queued
                && Queue.ReasonOf(run.Id) is { } reason
                ? summary with { Reason = $"{summary.Reason}; {reason}" }
            : summary;
    }

    private string OutliningReason(RunId run)
    {
        Errand errand = _outlining.GetValueOrDefault(run) ?? Errand.None;
        string before = errand.LastFailure is { } failure ? $", after {failure}" : "";
        return errand.Asked is { } worker
            ? $"{worker} looks at its data{before}"
            : $"waiting for a worker to look at its data{before}";
    }

    private RunView ViewOf(RegisteredRun run) => new()
    {
        Summary = Summarize(run),
        Epochs = 0,
        StepsPerEpoch = 0,
        Parameters = 0,
        Elapsed = TimeSpan.Zero,
        Generation = 0,
        Servers = [],
        Workers = [],
        MicroBatches = 0,
        Progress = null,
        History = [],
        Checkpoints = [],
        Happenings = [],
        Result = null,
        Model = null,
        Notes = [],
    };

    // --- Runs whose data nobody has looked at yet.

    private void AskForOutlines()
    {
        foreach (RegisteredRun run in State.Runs.Values.Where(
            run => run is { Outline: null, Ended: null }))
        {
            Errand errand = _outlining.GetValueOrDefault(run.Id) ?? Errand.None;
            if (errand is { Asked: null, LastFailure: { } failure }
                && errand.Attempts >= _context.Patience.Attempts)
            {
                End(run, $"{Counted.Of(errand.Attempts, "worker")} could not look at its data;"
                    + $" the last: {failure}");
                continue;
            }

            NodeId? asked = errand.Next(
                [.. Workers().Select(node => node.Id)], _context.Patience.Outline, Now,
                out errand);
            _outlining[run.Id] = errand;
            if (asked is { } worker)
            {
                Workers().First(node => node.Id == worker).Worker!.Tell(
                    new OutlineRequest(run.Id, run.Registered.Specification), Self);
            }
        }
    }

    private void Take(OutlineAnswer answer)
    {
        if (State.Find(answer.Run) is not { Outline: null, Ended: null } run)
        {
            return;
        }

        if (answer.Outline is null)
        {
            Retry(run, answer, answer.Refusal ?? "it gave no reason");
            return;
        }

        try
        {
            CoordinationPlan plan = PlanOf(run, answer.Outline);
            _outlining.Remove(run.Id);
            Decide(State.Enqueue(Queue, answer, plan.Options, Now), () =>
            {
                if (State.Find(run.Id) is { Ended: null } entered)
                {
                    TakeOn(entered);
                    ShareOut();
                }
            });
        }
        catch (Exception mistake) when (mistake is ArgumentException or SpecificationException)
        {
            End(run, mistake.Message);
        }
    }

    // One worker may lack what another has: each is asked once.
    private void Retry(RegisteredRun run, OutlineAnswer answer, string refusal)
    {
        Errand errand = (_outlining.GetValueOrDefault(run.Id) ?? Errand.None)
            .Failed($"{answer.Node}: {refusal}");
        _outlining[run.Id] = errand;
        if (errand.Attempts >= Math.Min(_context.Patience.Attempts, Workers().Count()))
        {
            End(run, errand.LastFailure!);
        }
        else
        {
            AskForOutlines();
        }
    }

    private void End(RegisteredRun run, string reason)
    {
        _log.Warning("Run {0} cannot be trained: {1}", run.Id, reason);
        _outlining.Remove(run.Id);
        Decide([State.Ended(run, RunStanding.Failed, reason, Now)], LookAtSweeps);
    }

    // --- Sweeps, which submit runs themselves.

    // Seen once all that is being decided has been: what follows of it counts every run.
    private void LookAtSweeps() => Self.Tell(SweepsToSee.Instance);

    private void ProceedWithSweeps()
    {
        ImmutableArray<RegistryEvent> events = _sweeps.Next(State, Now);
        if (events.IsEmpty)
        {
            return;
        }

        Decide(events, () =>
        {
            foreach (SweepEnded ended in events.OfType<SweepEnded>())
            {
                _log.Info("Sweep {0}: {1}", ended.Sweep, ended.Summary.Reason);
            }

            foreach (RunEnded ended in events.OfType<RunEnded>())
            {
                _outlining.Remove(ended.Run);
            }

            AskForOutlines();
            LookAtSweeps();
        });
    }

    // Told again until it is heard: a run's coordinator may be away.
    private void StopRunsOfSweeps()
    {
        foreach (RegisteredRun run in SweepCourse.ToStop(State))
        {
            if (_seats.TryGetValue(run.Id, out RunSeat? seat))
            {
                seat.Actor.Tell(
                    new CoordinatorRequest.ControlRun(run.Id, RunControl.Stop), Self);
            }
        }
    }

    // --- Runs that are coordinated.

    private CoordinationPlan PlanOf(RegisteredRun run, RunOutline outline)
    {
        RunSpecification specification = RunSpecificationReader.Read(
            run.Registered.Specification, run.Registered.Source, plugins: _context.Plugins);
        return CoordinationPlan.Of(
            run.Id, specification, outline, ClusterRules.OptionsOf(specification));
    }

    private void TakeOn(RegisteredRun run)
    {
        if (run.Outline is null || _seats.ContainsKey(run.Id))
        {
            return;
        }

        try
        {
            CoordinationPlan plan = PlanOf(run, run.Outline);
            IActorRef supervisor = Context.ActorOf(
                RunCoordinator.Props(_context, run, plan, Self), run.Id.Value);
            _seats.Add(run.Id, new RunSeat { Supervisor = supervisor, Actor = supervisor });
        }
        catch (Exception mistake) when (mistake is ArgumentException or SpecificationException)
        {
            // It was taken on by a version that understood it otherwise.
            End(run, mistake.Message);
        }
    }

    private RunSeat SeatOf(RegisteredRun run)
    {
        TakeOn(run);
        return _seats[run.Id];
    }

    private void ShareOut()
    {
        if (_cluster is null)
        {
            return;
        }

        Decide(
            new QueueCommand.ShareOut([.. Workers().Select(node => node.Id)]), TellNodesToAll);
    }

    private void Decide(QueueCommand command, Action act)
    {
        QueueDecision decision = Queue.Decide(command, Now);
        if (decision.Refusal is { } refusal)
        {
            _log.Debug("The queue: {0}", refusal);
            return;
        }

        Decide([.. decision.Events.Select(happened => new QueueChanged(happened))], act);
    }

    private void TellNodesToAll()
    {
        foreach ((RunId run, RunSeat seat) in _seats)
        {
            TellNodes(run, seat);
        }
    }

    private void TellNodes(RunId run, RunSeat seat)
    {
        if (_cluster is not { } cluster || !seat.IsThere)
        {
            return;
        }

        ImmutableArray<NodeId> granted =
            State.Queue.Runs.FirstOrDefault(queued => queued.Run == run)?.Workers ?? [];
        bool isItsTurn = !granted.IsEmpty
            || State.Queue.Runs.All(queued => queued.Workers.IsEmpty);
        seat.Actor.Tell(new UseNodes(
        [
            .. from node in cluster.Nodes
               where node.IsUsable
               let worker = granted.Contains(node.Id) ? node.Worker : null
               where worker is not null || node.ParameterServer is not null
               select node with { Worker = worker, IsLeaving = _leaving.Contains(node.Id) },
        ], isItsTurn));
    }

    private void Take(RunChanged changed, RunSeat seat)
    {
        seat.Summary = changed.Summary;
        seat.Servers = changed.Servers;
        RunId run = changed.Summary.Id;
        QueuedRun? queued = State.Queue.Runs.FirstOrDefault(one => one.Run == run);
        if (changed.IsOver && State.Find(run) is { Ended: null })
        {
            QueueDecision left = Queue.Decide(new QueueCommand.Remove(run), Now);
            Decide(
                [
                    new RunEnded(Now, run, changed.Summary) { Outcome = changed.Outcome },
                    .. left.Events.Select(happened => new QueueChanged(happened)),
                ],
                () =>
                {
                    seat.ShownAt = Now;
                    TellNodesToAll();
                    LookAtSweeps();
                });
        }
        else if (queued is not null
            && changed.IsPausedByUser != (queued.Standing == QueueStanding.Paused))
        {
            Decide(
                changed.IsPausedByUser
                    ? new QueueCommand.Pause(run)
                    : new QueueCommand.Resume(run),
                TellNodesToAll);
        }
    }

    private void Keep(ModelReady ready)
    {
        IActorRef run = Sender;
        bool isKept = State.Find(ready.Run)?.Model == ready.Model;
        Decide(
            isKept ? [] : [new ModelStored(Now, ready.Run, ready.Model)],
            () => run.Tell(new ModelKept()));
    }

    // Of one that has never begun, nobody would hear otherwise.
    private void NoteTrouble(JournalUnavailable away)
    {
        foreach ((RunId run, RunSeat seat) in _seats)
        {
            if (!seat.IsThere && RunCoordinator.JournalNameOf(run) == away.PersistenceId)
            {
                seat.Trouble = $"its journal: {away.Reason}";
            }
        }
    }

    private void MarkAway(IActorRef actor)
    {
        foreach (RunSeat seat in _seats.Values.Where(seat => seat.Actor.Equals(actor)))
        {
            seat.IsThere = false;
            seat.Actor = seat.Supervisor;
            seat.Trouble = "its coordinator starts again"
                + (_journalTrouble is { } trouble ? $", after {trouble}" : "");
        }
    }

    // A run that is over needs an actor only while somebody looks at it.
    private void LetGoOfShown()
    {
        DateTimeOffset now = Now;
        foreach ((RunId run, RunSeat seat) in _seats.ToArray())
        {
            if (State.Find(run) is { Ended: not null }
                && now - seat.ShownAt >= _context.Patience.Afterwards)
            {
                Context.Stop(seat.Supervisor);
                _seats.Remove(run);
            }
        }
    }

    private void TellMeter()
    {
        if (ClusterMeter.IsWatched)
        {
            _meter.Update(
                State.Runs.Values.Select(run => Summarize(run).Standing),
                (_cluster?.Nodes ?? []).Select(node => node.Status));
        }
    }

    private IEnumerable<AvailableNode> Workers() =>
        (_cluster?.Nodes ?? []).Where(node =>
            node is { IsUsable: true, Worker: not null } && !_leaving.Contains(node.Id))
            .OrderBy(node => node.Id);

    /// <summary>A run's coordinator, as its registry knows it.</summary>
    private sealed class RunSeat
    {
        private bool _isThere;

        /// <summary>Starts it again.</summary>
        public required IActorRef Supervisor { get; init; }

        /// <summary>The run's coordinator, or its supervisor while that is not known.</summary>
        public required IActorRef Actor { get; set; }

        /// <summary>Whether it has begun.</summary>
        public bool IsThere
        {
            get => _isThere;
            set
            {
                _isThere = value;
                Trouble = null;
            }
        }

        /// <summary>Why it is away, in words; null: it is there, or just begins.</summary>
        public string? Trouble { get; set; }

        /// <summary>What a list shows of the run; null: nothing was heard yet.</summary>
        public RunSummaryView? Summary { get; set; }

        /// <summary>The parameter servers that hold its slices.</summary>
        public ImmutableArray<NodeId> Servers { get; set; } = [];

        /// <summary>When somebody looked at it last.</summary>
        public DateTimeOffset ShownAt { get; set; }
    }

    private sealed class SweepsToSee : INoSerializationVerificationNeeded
    {
        public static SweepsToSee Instance { get; } = new();
    }

    private sealed class Tick : INotInfluenceReceiveTimeout, INoSerializationVerificationNeeded
    {
        public static Tick Instance { get; } = new();
    }
}
