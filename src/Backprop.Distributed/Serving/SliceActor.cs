using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serving.Copies;
using Backprop.Distributed.Timelines;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Curves;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Serving;

/// <summary>One run's slice on a parameter server, on a thread of its own: tells the slice's state
/// what happens, and does what it asks for. Whatever fails here is this run's failure, told with
/// its reason.</summary>
internal sealed class SliceActor : UntypedActor, IWithTimers
{
    private const int ArrivalsALook = 64;

    private readonly NodeContext _context;
    private readonly RunId _id;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly ComputePool _pool;
    private readonly Action _wake;
    private KnownRun? _run;
    private string? _refusal;
    private IActorRef _coordinator = ActorRefs.Nobody;
    private ServedSlice? _slice;
    private CopyKeeping? _copies;
    private CancellationTokenSource _ending = new();
    private bool _isRead;
    private bool _isSaved;
    private int _questions;
    private TimeSpan _askedAt;
    private TimeSpan? _waitsSince;
    private TimeSpan _toldProgressAt = TimeSpan.MinValue;
    private long _toldVersion = -1;
    private long _refusals;

    public SliceActor(NodeContext context, RunId id)
    {
        _context = context;
        _id = id;
        _pool = new ComputePool(context.Threads);
        IActorRef self = Self;
        _wake = () => self.Tell(LookNow.Instance);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private LogScope Scope => new(
        _id, _slice?.State.Directive.Generation, _slice?.State.Version);

    public static Props Props(NodeContext context, RunId id) =>
        Akka.Actor.Props.Create(() => new SliceActor(context, id))
            .WithDispatcher(NodeDispatchers.Slice);

    protected override void PreStart() => Timers.StartPeriodicTimer(
        "look", LookWhatIsLate.Instance, _context.Patience.Look);

    protected override void PostStop()
    {
        LetGo();
        _copies?.Dispose();
        _pool.Dispose();
    }

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

        TellStatus();
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
            case ServerDirective directive:
                Accept(directive);
                break;
            case RunSetup setup:
                SetUp(setup);
                break;
            case TimelineRequest request:
                Sender.Tell(_slice?.Tell(request)
                    ?? TimelineAnswer.Nothing(request, _context.Node, _context.Time));
                break;
            case ManifestAnswer answer:
                Restore(answer);
                break;
            case Restored restored when restored.Slice == _slice && _isRead:
                EndRestoring(restored);
                break;
            case Saved saved when saved.Slice == _slice && _isSaved:
                EndSaving(saved);
                break;
            case DigestsTaken taken when taken.Generation == _slice?.State.Directive.Generation:
                _slice.Digests.Taken(taken.EndVersion);
                break;
            case CurvesTaken taken when taken.Generation == _slice?.State.Directive.Generation:
                _slice.Curves?.Taken(taken.EndStep);
                break;
            case ReceiveTimeout when _slice is null or { State.Phase: SlicePhase.Closed }:
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
            _copies = new CopyKeeping(_context, _run, _wake);
        }
        catch (Exception mistake) when (mistake is SpecificationException or ArgumentException)
        {
            _refusal = mistake.Message;
        }
    }

    private void Accept(ServerDirective directive)
    {
        Context.SetReceiveTimeout(null);
        if (_run is null)
        {
            Refuse(directive, _refusal ?? "the run's setup has not come");
            return;
        }

        DirectiveAnswer answer = _slice?.State.Accept(directive, _context.Now)
            ?? new DirectiveAnswer(DirectiveVerdict.Reopen, "");
        switch (answer.Verdict)
        {
            case DirectiveVerdict.Accepted:
                _coordinator = Sender;
                DropCopies(directive);
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

    private void Reopen(ServerDirective directive)
    {
        LetGo();
        _ending = new CancellationTokenSource();
        _coordinator = Sender;
        try
        {
            _slice = new ServedSlice(_context, _run!, directive, _wake);
            _copies!.Begin(directive, _slice.State.Plan);
            DropCopies(directive);
        }
        catch (ArgumentException mistake)
        {
            Refuse(directive, mistake.Message);
        }
    }

    private void DropCopies(ServerDirective directive)
    {
        if (directive is { Closed: true, KeepsCopies: false })
        {
            _copies!.DropAll();
        }
    }

    // There is no state that could say so.
    private void Refuse(ServerDirective directive, string reason)
    {
        Context.SetReceiveTimeout(_context.Patience.Afterwards);
        Sender.Tell(new ServerStatus
        {
            Run = _id,
            Server = _context.Node,
            Generation = directive.Generation,
            Seen = directive.Stamp,
            Number = ++_refusals,
            Slice = directive.Slice,
            Phase = new SlicePhase.Failed($"{_context.Node}: {reason}"),
            Version = directive.Origin.Version,
        });
    }

    private void TakeArrivals()
    {
        if (_copies?.TakeArrivals(ArrivalsALook) == true)
        {
            _copies.Inbox.Wake();
        }

        if (_slice is not { } slice)
        {
            return;
        }

        slice.Inbox.BeginLook();
        slice.Continue();
        if (slice.TakeArrivals(ArrivalsALook))
        {
            slice.Inbox.Wake();
        }
    }

    private void Look()
    {
        if (_slice is not { } slice)
        {
            return;
        }

        slice.Look();
        slice.Continue();
        _copies!.Look();
        if (slice.State.Phase is SlicePhase.Opening && _isRead && _questions > 0
            && _context.Now - _askedAt >= _context.Patience.Question)
        {
            AskForManifest();
        }
    }

    private void Proceed()
    {
        if (_slice is not { } slice)
        {
            return;
        }

        slice.TryApply();
        TakeOverCopies(slice);
        for (SliceWork work = slice.State.TakeWork(); work != SliceWork.None;
            work = slice.State.TakeWork())
        {
            Do(slice, work);
        }

        CloseSlowLinks(slice);
    }

    private void Do(ServedSlice slice, SliceWork work)
    {
        switch (work)
        {
            case SliceWork.Open:
                Open(slice);
                break;
            case SliceWork.CopyCheckpoint:
                Save(slice);
                break;
            case SliceWork.CopyInMemory:
                CopyInMemory(slice);
                break;
            case SliceWork.Close:
                Retire(slice);
                slice.State.Closed();
                Context.SetReceiveTimeout(_context.Patience.Afterwards);
                break;
            default:
                slice.Do(work);
                break;
        }
    }

    private void Open(ServedSlice slice)
    {
        slice.TakeMemory(_pool);
        if (slice.State.CopiesOffReason is { } reason)
        {
            _log.Info("Run {0}: no copies in memory are made: {1}", Scope, reason);
        }

        switch (slice.State.Directive.Origin)
        {
            case SliceOrigin.Checkpoint:
                _isRead = true;
                _questions = 0;
                AskForManifest();
                break;
            case SliceOrigin.Memory origin:
                _copies!.BeginOpening(
                    origin, slice.ContentToRestore(origin.BestVersion is not null));
                TakeOverCopies(slice);
                break;
            default:
                slice.TakeFirstWeights();
                slice.Opened();
                break;
        }
    }

    // What the other servers know of copies, and this one's state does not yet.
    private void TakeOverCopies(ServedSlice slice)
    {
        if (_copies!.IsOpeningDone)
        {
            _copies.EndOpening();
            slice.Opened();
        }

        if (_copies.NewlyKept is { } version)
        {
            _copies.ClearNewlyKept();
            slice.State.CopyKept(version, _context.Now);
        }

        if (_copies.OffReason is { } reason && slice.State.CopiesOffReason is null)
        {
            TurnCopiesOff(slice, reason);
        }
    }

    // Without memory there are no copies; training goes on. Weights that are not finite are told by
    // the next step's sums, and end the run at the version before: nobody is to open from them.
    private void CopyInMemory(ServedSlice slice)
    {
        TimeSpan began = _context.Now;
        if (!slice.WeightsAreFinite())
        {
            TurnCopiesOff(slice, "the weights are not finite");
            return;
        }

        try
        {
            _copies!.TakeOwn(slice.State.CopyOfNow, slice.ContentOfNow());
            slice.State.CopyTaken(_context.Now - began, _context.Now);
        }
        catch (InsufficientMemoryException failure)
        {
            TurnCopiesOff(slice, failure.Message);
        }
    }

    private void TurnCopiesOff(ServedSlice slice, string reason)
    {
        _log.Warning("Run {0}: no copies in memory are made: {1}", Scope, reason);
        slice.State.CopiesOff(reason);
    }

    private void AskForManifest()
    {
        long version = _slice!.State.Directive.Origin.Version;
        if (_questions == _context.Patience.Questions)
        {
            throw new CheckpointException(
                $"nobody said what checkpoint {version} is made of, asked {_questions} times");
        }

        _questions++;
        _askedAt = _context.Now;
        _coordinator.Tell(new ManifestRequest(_id, version, _context.Node));
    }

    private void Restore(ManifestAnswer answer)
    {
        if (_slice is not { State.Directive.Origin: SliceOrigin.Checkpoint origin } slice
            || !_isRead || _questions == 0 || answer.Version != origin.Saved)
        {
            return;
        }

        _questions = 0;
        if (answer.Parts.IsDefaultOrEmpty)
        {
            throw new CheckpointException($"checkpoint {origin.Saved} is gone");
        }

        _context.Checkpoints
            .RestoreAsync(
                _id, origin.Saved, answer.Parts,
                slice.ContentToRestore(origin.BestVersion is not null), _ending.Token)
            .PipeTo(
                Self,
                success: () => new Restored(slice, null),
                failure: failure => new Restored(slice, failure));
    }

    private void EndRestoring(Restored restored)
    {
        _isRead = false;
        if (restored.Failure is { } failure)
        {
            throw new CheckpointException(failure.Message, failure)
            {
                IsDamage = failure.GetBaseException() is CheckpointException { IsDamage: true },
            };
        }

        restored.Slice.Opened();
    }

    // A checkpoint that there is no memory for, or no database, is lost; training goes on.
    private void Save(ServedSlice slice)
    {
        SliceState state = slice.State;
        long version = state.Version;
        TimeSpan began = _context.Now;
        SliceContent content;
        try
        {
            content = slice.CopyForCheckpoint();
        }
        catch (InsufficientMemoryException failure)
        {
            state.CheckpointCopied();
            state.CheckpointLost(failure.Message);
            return;
        }

        state.CheckpointCopied();
        TimeSpan copied = _context.Now;
        slice.Meter.Copied(copied - began);
        _isSaved = true;
        _context.Checkpoints.SaveAsync(_id, version, content, _ending.Token).PipeTo(
            Self,
            success: parts =>
            {
                slice.Meter.Saved(_context.Now - copied, content.Bytes);
                return new Saved(slice, parts, null);
            },
            failure: failure => new Saved(slice, [], failure));
    }

    private void EndSaving(Saved saved)
    {
        _isSaved = false;
        if (saved.Failure is { } failure)
        {
            _log.Warning("Run {0}: a checkpoint is lost: {1}", Scope, failure.Message);
            saved.Slice.State.CheckpointLost(failure.Message);
        }
        else
        {
            saved.Slice.State.CheckpointSaved(saved.Parts);
        }
    }

    private void CloseSlowLinks(ServedSlice slice)
    {
        if (!slice.WaitsForLinks)
        {
            _waitsSince = null;
            return;
        }

        TimeSpan now = _context.Now;
        _waitsSince ??= now;
        if (now - _waitsSince >= _context.Patience.SlowReceiver)
        {
            _waitsSince = now;
            _log.Warning(
                "Run {0}: closes the links to {1}, which did not take older weights", Scope,
                string.Join(", ", slice.CloseSlowLinks()));
        }
    }

    private void Fail(Exception failure)
    {
        _log.Error(failure, "Run {0} fails here", Scope);
        if (_slice is { } slice && slice.State.Phase is not SlicePhase.Closed)
        {
            Retire(slice);
            slice.State.Failed(
                $"{_context.Node}: {failure.Message}",
                isOriginDamaged: failure is CheckpointException { IsDamage: true });
        }
    }

    private void TellStatus()
    {
        if (_slice is not { } slice)
        {
            return;
        }

        slice.Meter.Waits(slice.State.Wait);
        TellDigests(slice);
        TellCurves(slice);
        if (_copies!.TryTakeChange(out ImmutableArray<SliceCopy> copies))
        {
            slice.State.CopiesChanged(copies);
        }

        if (slice.State.TryTakeStatus(out ServerStatus? status))
        {
            _coordinator.Tell(status);
        }

        TimeSpan now = _context.Now;
        if (slice.State is { Slice: 0, LastStep: { } step } state && state.Version != _toldVersion
            && (_toldVersion < 0 || now - _toldProgressAt >= _context.Patience.Progress))
        {
            _toldVersion = state.Version;
            _toldProgressAt = now;
            _coordinator.Tell(new StepProgress(
                _id, state.Directive.Generation, state.Version, step.Loss, step.GradientNorm,
                step.Time.TotalSeconds));
        }
    }

    // Before the status that shows a lease's end, since a run may end by that.
    private void TellDigests(ServedSlice slice)
    {
        if (slice.Pushed is { } pushed)
        {
            slice.PushesTold();
            _coordinator.Tell(pushed);
        }

        SliceState state = slice.State;
        if (slice.Digests.TryReport(
            _context.Now, _context.Patience.Digests, Stands(state), out long first,
            out ImmutableArray<VersionDigest> digests))
        {
            _coordinator.Tell(new DigestReport(
                _id, state.Directive.Generation, _context.Node, state.Slice, first, digests));
        }
    }

    private void TellCurves(ServedSlice slice)
    {
        SliceState state = slice.State;
        if (slice.Curves is { } curves && curves.TryReport(
            _context.Now, _context.Patience.Curves, Stands(state), out CurveSegment? segment))
        {
            _coordinator.Tell(new CurveReport(_id, state.Directive.Generation, segment));
        }
    }

    private static bool Stands(SliceState state) =>
        state.Version >= state.Directive.Lease.EndVersion || state.Phase is SlicePhase.Closed;

    private void LetGo()
    {
        if (_slice is { } slice)
        {
            Retire(slice);
            _slice = null;
        }

        _ending.Cancel();
    }

    private void Retire(ServedSlice slice)
    {
        slice.Retire(_isRead, _isSaved);
        _copies!.EndOpening();
        _isRead = false;
        _isSaved = false;
        _waitsSince = null;
        _toldVersion = -1;
    }

    private sealed record Restored(ServedSlice Slice, Exception? Failure)
        : INoSerializationVerificationNeeded;

    private sealed record Saved(
        ServedSlice Slice, ImmutableArray<CheckpointPart> Parts, Exception? Failure)
        : INoSerializationVerificationNeeded;
}
