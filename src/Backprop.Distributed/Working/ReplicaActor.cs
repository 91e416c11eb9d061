using System.Buffers.Binary;
using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Links;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Working;

/// <summary>One run's replica on a worker: tells the worker's state what happens, and has the
/// compute thread do what takes long, so that it always answers itself. Whatever fails here is this
/// run's failure, told with its reason.</summary>
internal sealed class ReplicaActor : UntypedActor, IWithTimers
{
    private const int ArrivalsALook = 32;

    private readonly NodeContext _context;
    private readonly RunId _id;
    private readonly RunHash _hash;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Action _wake;
    private readonly GradientPusher _pusher;
    private readonly WorkerMeter _meter;
    private KnownRun? _run;
    private string? _refusal;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private WorkerState? _state;
    private RunInbox? _inbox;
    private PushTarget? _target;
    private ComputeSeat? _seat;
    private RunComputation? _computation;
    private GradientStore? _gradients;
    private WorkerTimeline _timeline = new();
    private WorkerTask _waiting;
    private TimeSpan? _jobBegan;
    private long _refusals;

    public ReplicaActor(NodeContext context, RunId id)
    {
        _context = context;
        _id = id;
        _hash = RunHash.Of(id.Value);
        _pusher = new GradientPusher(context.Links);
        _meter = new WorkerMeter(id, context.TraceOf(id));
        IActorRef self = Self;
        _wake = () => self.Tell(LookNow.Instance);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private LogScope Scope => new(_id, _state?.Directive.Generation, _state?.Version);

    public static Props Props(NodeContext context, RunId id) =>
        Akka.Actor.Props.Create(() => new ReplicaActor(context, id))
            .WithDispatcher(NodeDispatchers.Nodes);

    protected override void PreStart() => Timers.StartPeriodicTimer(
        "look", LookWhatIsLate.Instance, _context.Patience.Look);

    protected override void PostStop() => LetGo();

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Fail(failure);
        }

        if (_state is { } state && state.TryTakeStatus(out WorkerStatus? status))
        {
            _coordinator.Tell(status);
        }
    }

    private void Handle(object message)
    {
        switch (message)
        {
            case LookNow:
                TakeArrivals();
                break;
            case LookWhatIsLate:
                Look();
                break;
            case WorkerDirective directive:
                Accept(directive);
                break;
            case RunSetup setup:
                SetUp(setup);
                break;
            case JobDone done:
                EndJob(done);
                break;
            case TimelineRequest request:
                Sender.Tell(Tell(request));
                break;
            case ReceiveTimeout when _state is null or { Phase: WorkerPhase.Closed }:
                Context.Stop(Self);
                break;
        }

        Proceed();
    }

    private void SetUp(RunSetup setup)
    {
        if (_run is not null)
        {
            return;
        }

        try
        {
            _run = KnownRun.Of(setup, _context.Plugins);
        }
        catch (Exception mistake) when (mistake is SpecificationException or ArgumentException)
        {
            _refusal = mistake.Message;
        }
    }

    private void Accept(WorkerDirective directive)
    {
        Context.SetReceiveTimeout(null);
        if (_run is null)
        {
            Refuse(directive, _refusal ?? "the run's setup has not come");
            return;
        }

        DirectiveAnswer answer = _state?.Accept(directive, _context.Now)
            ?? new DirectiveAnswer(DirectiveVerdict.Reopen, "");
        switch (answer.Verdict)
        {
            case DirectiveVerdict.Accepted:
                _coordinator = Sender;
                Look();
                break;
            case DirectiveVerdict.Reopen:
                Reopen(directive);
                break;
            case DirectiveVerdict.Invalid:
                _log.Warning(
                    "Run {0}: a directive cannot be followed: {1}", Scope, answer.Reason);
                break;
        }
    }

    // Data and buffers stay: a generation changes neither.
    private void Reopen(WorkerDirective directive)
    {
        EndGeneration();
        _state = null;
        _timeline = new WorkerTimeline();
        _coordinator = Sender;
        try
        {
            _state = new WorkerState(
                _id, _run!.Dimensions, _context.Node, directive, _context.Now,
                _context.LeastWorkAhead)
            {
                Verification = _run.Verification,
            };
        }
        catch (ArgumentException mistake)
        {
            Refuse(directive, mistake.Message);
            return;
        }

        _target = new PushTarget(
            _hash, directive.Generation, directive.Servers, _state.Plan,
            _run!.Specification.Transport);
        _inbox = _context.Links.Register(
            RunPart.Replica, _hash,
            new ReplicaGuard(_state.Plan, _run!.Dimensions, directive.Generation), _wake);
    }

    // There is no state that could say so.
    private void Refuse(WorkerDirective directive, string reason)
    {
        Context.SetReceiveTimeout(_context.Patience.Afterwards);
        Sender.Tell(new WorkerStatus
        {
            Run = _id,
            Worker = _context.Node,
            Generation = directive.Generation,
            Seen = directive.Stamp,
            Number = ++_refusals,
            Phase = new WorkerPhase.Failed($"{_context.Node}: {reason}"),
            Version = -1,
        });
    }

    private void TakeArrivals()
    {
        if (_inbox is not { } inbox)
        {
            return;
        }

        inbox.BeginLook();
        for (int i = 0; i < ArrivalsALook; i++)
        {
            if (!inbox.TryTake(out RunArrival next))
            {
                return;
            }

            using (next.Arrival)
            {
                Take(next.Arrival);
            }

            // The compute thread begins with the layers that are here, while others are copied.
            Proceed();
        }

        inbox.Wake();
    }

    private void Take(Arrival arrival)
    {
        ref readonly FrameHeader frame = ref arrival.Header;
        WorkerState state = _state!;
        var header = new WeightsHeader(
            _id, new Generation(frame.Generation), frame.Step, frame.Piece);
        if (state.EnterPiece(header, frame.ElementCount) == ArrivalVerdict.Entered)
        {
            AlignedBuffer to = state.Plan.IsAverage(frame.Piece)
                ? _computation!.Average!
                : _computation!.Pending;
            arrival.Elements.CopyTo(to.Span[state.Plan.PieceOf(frame.Piece).Offset..]);
        }
    }

    private void Look()
    {
        if (_state is not { } state)
        {
            return;
        }

        if (_jobBegan is { } began && _context.Now - began > _context.Patience.Computation)
        {
            _jobBegan = null;
            string reason = $"{_context.Node}: {state.Wait}, for longer than"
                + $" {_context.Patience.Computation.TotalMinutes:0.#} minutes";
            state.Failed(reason);
            _context.ReportHung(reason);
            return;
        }

        if (state.Look(_context.Now) is not { } resend)
        {
            return;
        }

        if (resend.PushAgain && _gradients is { } gradients)
        {
            foreach (KeptGradients kept in gradients.Kept)
            {
                _pusher.PushAgain(kept);
            }
        }

        foreach ((int slice, PiecesRequest request) in resend.Requests)
        {
            Ask(slice, request);
        }
    }

    private void Ask(int slice, PiecesRequest request)
    {
        const int MostPieces = FrameHeader.MaxSmallBytes / sizeof(int);
        ReadOnlySpan<int> pieces = request.Pieces.AsSpan();
        pieces = pieces[..Math.Min(pieces.Length, MostPieces)]; // The others are asked for next.
        var payload = new byte[pieces.Length * sizeof(int)];
        for (int i = 0; i < pieces.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(
                payload.AsSpan(i * sizeof(int)), pieces[i]);
        }

        _context.Links.TrySend(
            _target!.Servers[slice],
            FrameHeader.RequestPieces(
                _hash, request.Generation.Value, request.AtLeast, pieces.Length),
            payload);
    }

    private void Proceed()
    {
        if (_state is not { } state)
        {
            return;
        }

        if (_pusher.HasWaiting)
        {
            _pusher.Continue();
        }

        switch (_waiting.Activity)
        {
            case WorkerActivity.Compute:
                Compute(state, _waiting);
                break;
            case WorkerActivity.Verify:
                Verify(state, _waiting);
                break;
        }

        for (WorkerTask task = state.TakeTask(); task.Activity != WorkerActivity.None;
            task = state.TakeTask())
        {
            Do(state, task);
        }
    }

    private void Do(WorkerState state, WorkerTask task)
    {
        switch (task.Activity)
        {
            case WorkerActivity.Open:
                Open(state);
                break;
            case WorkerActivity.TakeReplica:
                TakeReplica(state);
                break;
            case WorkerActivity.Compute:
                Compute(state, task);
                break;
            case WorkerActivity.ComputeAhead:
                Post(state, computation =>
                {
                    long began = _context.Time.GetTimestamp();
                    computation.ComputeAhead(task);
                    return new JobResult.ComputedAhead(_context.Time.GetElapsedTime(began));
                });
                break;
            case WorkerActivity.Verify:
                Verify(state, task);
                break;
            case WorkerActivity.Evaluate:
                Post(state, computation => new JobResult.Evaluated(
                    computation.Evaluate(task.Range)));
                break;
            case WorkerActivity.Close:
                LetGo();
                state.Closed();
                Context.SetReceiveTimeout(_context.Patience.Afterwards);
                break;
            default:
                throw new InvalidOperationException($"unknown task {task}");
        }
    }

    private void TakeReplica(WorkerState state)
    {
        TimeSpan? pushed = _gradients!.LeftAt;
        long step = state.Version;
        _computation!.TakeReplica();
        _pusher.LetGo();
        _gradients.LetGo();
        TimeSpan now = _context.Now;
        state.ReplicaTaken(now);
        Look();
        if (_timeline.Ended(step, pushed, now) is var (push, wait))
        {
            _meter.Ended(state.Directive.Generation, step, push, wait);
        }
    }

    private void Open(WorkerState state)
    {
        KnownRun run = _run!;
        _gradients ??= new GradientStore(
            run.Dimensions.Layout, run.Dimensions.MicroBatches,
            run.Specification.Transport.Gradients, _context.MemoryLimitBytes, OnReleased,
            _context.Time);
        _seat ??= new ComputeSeat(_context, run);
        Post(state, _ => new JobResult.Opened());
    }

    // The buffers of a step whose gradients are everywhere, but not sent yet by a slow link of this
    // node, hold up the next one: what that link still has is of no use to anybody.
    private void Compute(WorkerState state, WorkerTask task)
    {
        if (!_gradients!.TryTake(task.Range, out KeptGradients? gradients))
        {
            if (_waiting.Activity == WorkerActivity.None)
            {
                foreach (NodeId server in _target!.Servers)
                {
                    _context.Links.Close(server, "gradients of steps that are over wait on it");
                }
            }

            _waiting = task;
            return;
        }

        _waiting = default;
        gradients.Begin(task.Version, _target!);
        ComputedFor whom = state.IsOwn(task) ? ComputedFor.Itself : ComputedFor.Others;
        Post(state, computation =>
        {
            TimeSpan began = _context.Now;
            _pusher.Begin(gradients);
            computation.Compute(gradients, task.Continues, _pusher);
            _pusher.PushLosses(gradients);
            gradients.Pushed();
            _meter.Contributed(task.Version);
            return new JobResult.Computed(began, _context.Now, task, whom);
        });
    }

    private void Verify(WorkerState state, WorkerTask task)
    {
        if (!_gradients!.TryTake(task.Range, out KeptGradients? gradients))
        {
            _waiting = task;
            return;
        }

        _waiting = default;
        gradients.Begin(task.Version, _target!);
        PushTarget target = _target!;
        int microBatches = _run!.Dimensions.MicroBatches;
        Post(state, computation =>
        {
            computation.Compute(gradients, continues: false, null);
            GradientSet set = gradients.Set;
            return new JobResult.Verified(gradients, task.Range, new CheckReport(
                _id, target.Generation, _context.Node, task.Version,
                [
                    .. set.Nodes.Select((node, i) => NodeDigests.Of(
                        target.Plan, NodeDigests.RangeOf(node, microBatches), set.Gradient(i),
                        set.LossSum(i))),
                ]));
        });
    }

    private void Post(WorkerState state, Func<RunComputation, JobResult> job)
    {
        IActorRef self = Self;
        if (!_seat!.TryPost(
            job, (result, failure) => self.Tell(new JobDone(state, result, failure))))
        {
            throw new InvalidOperationException("the compute thread has ended");
        }

        _jobBegan = _context.Now;
    }

    private void EndJob(JobDone done)
    {
        if (_state is not { Phase: not WorkerPhase.Failed } state || done.State != state)
        {
            return;
        }

        _jobBegan = null;
        switch (done.Result)
        {
            case JobResult.Opened:
                _computation = _seat!.Computation;
                state.Opened(_context.Now);
                break;
            case JobResult.Computed computed:
                _timeline.Computed(computed.Task.Version, computed.Began, computed.Ended);
                _meter.Computed(
                    state.Directive.Generation, computed.Task, computed.For,
                    state.Computed(computed.Ended - computed.Began));
                break;
            case JobResult.ComputedAhead ahead:
                state.ComputedAhead(ahead.Took);
                break;
            case JobResult.Verified verified:
                verified.Gradients.IsKept = false;
                _meter.Count(verified.Range, ComputedFor.Verification);
                state.Verified();
                _coordinator.Tell(verified.Report);
                break;
            case JobResult.Evaluated evaluated:
                state.Evaluated(evaluated.Part);
                break;
            default:
                Fail(done.Failure!);
                break;
        }
    }

    private TimelineAnswer Tell(TimelineRequest request)
    {
        if (request.Slice is not null || _state?.Directive.Generation != request.Generation)
        {
            return TimelineAnswer.Nothing(request, _context.Node, _context.Time);
        }

        TimeSpan now = _context.Now;
        return new TimelineAnswer(
            request.Run, _context.Node, request.Generation, null, _context.Time.GetUtcNow(),
            _timeline.Spans(now), [])
        {
            Traffic = LinkMeter.Traffic,
        };
    }

    private void Fail(Exception failure)
    {
        _log.Error(failure, "Run {0} fails here", Scope);
        if (_state is { Phase: not WorkerPhase.Closed } state)
        {
            LetGo();
            state.Failed($"{_context.Node}: {failure.Message}");
        }
    }

    private void EndGeneration()
    {
        _inbox?.Dispose();
        _inbox = null;
        _waiting = default;
        _pusher.LetGo();
        _gradients?.LetGo();
    }

    private void LetGo()
    {
        EndGeneration();
        _gradients?.Retire(isComputing: _jobBegan is not null);
        _gradients = null;
        _jobBegan = null;
        _computation = null;
        _seat?.Dispose();
        _seat = null;
    }

    private void OnReleased()
    {
        if (_pusher.HasWaiting)
        {
            _wake();
        }
    }

    private abstract record JobResult
    {
        public sealed record Opened : JobResult;

        public sealed record Computed(
            TimeSpan Began, TimeSpan Ended, WorkerTask Task, ComputedFor For) : JobResult;

        public sealed record ComputedAhead(TimeSpan Took) : JobResult;

        public sealed record Verified(
            KeptGradients Gradients, MicroBatchRange Range, CheckReport Report) : JobResult;

        public sealed record Evaluated(MetricsPart Part) : JobResult;
    }

    private sealed record JobDone(WorkerState State, JobResult? Result, Exception? Failure)
        : INoSerializationVerificationNeeded;
}
