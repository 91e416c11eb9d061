using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol;

/// <summary>What a worker is to do next.</summary>
public enum WorkerActivity
{
    /// <summary>Nothing: it waits.</summary>
    None,

    /// <summary>Open the data and take memory; then <see cref="WorkerState.Opened"/> or
    /// <see cref="WorkerState.Failed"/>.</summary>
    Open,

    /// <summary>Let the pending weights be the replica, and let go of the gradients that are kept;
    /// then <see cref="WorkerState.ReplicaTaken"/>.</summary>
    TakeReplica,

    /// <summary>Compute <see cref="WorkerTask.Range"/> of step <see cref="WorkerTask.Version"/>,
    /// push every piece of each node as it becomes final, and keep the gradients; then
    /// <see cref="WorkerState.Computed"/>.</summary>
    Compute,

    /// <summary>Begin step <see cref="WorkerTask.Version"/>, whose weights are still coming: read
    /// the rows of <see cref="WorkerTask.Range"/>, and compute forward through the layers whose
    /// parameters are views before <see cref="WorkerTask.EndView"/>, with the pending weights; then
    /// <see cref="WorkerState.ComputedAhead"/>. Pieces that replace what is read may arrive
    /// meanwhile; then what comes of it is not used.</summary>
    ComputeAhead,

    /// <summary>Compute <see cref="WorkerTask.Range"/> of step <see cref="WorkerTask.Version"/>,
    /// push nothing, and tell the coordinator the digests of the nodes; then
    /// <see cref="WorkerState.Verified"/>.</summary>
    Verify,

    /// <summary>Evaluate <see cref="WorkerTask.Range"/> of the validation part with the replica,
    /// or with the average at its version where the run is judged by that; then
    /// <see cref="WorkerState.Evaluated"/>.</summary>
    Evaluate,

    /// <summary>Let go of everything; nothing comes after it.</summary>
    Close,
}

/// <summary>What a worker is to do next, and with what.</summary>
/// <param name="Activity">What.</param>
/// <param name="Version">The replica's version: the step to compute, the version to evaluate.
/// </param>
/// <param name="Range">Micro-batches of the step, or of the evaluation.</param>
/// <param name="EndView">One past the last view of the pending weights that may be read ahead.
/// </param>
/// <param name="Continues">Whether what was computed ahead of this step, with these micro-batches,
/// stands: then it may be gone on with, and need not.</param>
public readonly record struct WorkerTask(
    WorkerActivity Activity, long Version, MicroBatchRange Range, int EndView = 0,
    bool Continues = false);

/// <summary>What a worker does when something is late.</summary>
/// <param name="PushAgain">Whether to push again all gradients and losses that it keeps.</param>
/// <param name="Requests">What to ask each server for, by slice.</param>
public sealed record WorkerResend(
    bool PushAgain, ImmutableArray<(int Slice, PiecesRequest Request)> Requests);

/// <summary>
/// A worker's part of a run in one generation: which version its replica has, which pieces of a
/// newer one have come, which micro-batches it computes next. It holds no weights and no
/// gradients; whoever does has room for two versions, and does as this says.
/// </summary>
/// <remarks>One caller at a time. A piece that arrives allocates nothing. Times are of any clock
/// that does not go back, always of the same.</remarks>
public sealed class WorkerState
{
    /// <summary>Multiply-adds of a forward pass that are worth a turn of the compute thread while
    /// weights are still coming: one core takes some 100 microseconds for them, and waking the
    /// thread may take as long.</summary>
    public const long LeastWorkAhead = 2 << 20;

    private readonly RunId _run;
    private readonly RunDimensions _dimensions;
    private readonly NodeId _self;
    private readonly PendingPieces _pending;
    private readonly PendingPieces _average;
    private readonly ForwardAhead _ahead;
    private readonly bool[] _isComputed;
    private readonly StepTimes _times = new();
    private readonly MedianWindow _microBatchTimes = new();

    private long _verifiedStep = -1;
    private Recheck? _rechecked;
    private WorkerDirective _directive;
    private WorkerPhase _phase = new WorkerPhase.Opening();
    private WorkerTask _underWay;
    private bool _isIdle;
    private EvaluationDone? _evaluation;
    private TimeSpan _stepBegan;
    private TimeSpan _waited;
    private TimeSpan _nextLook;
    private bool _statusChanged = true;
    private long _statusNumber;

    /// <summary>The part that a directive opens.</summary>
    /// <param name="run">The run.</param>
    /// <param name="dimensions">Its sizes.</param>
    /// <param name="self">The worker.</param>
    /// <param name="directive">The first of its generation that has come.</param>
    /// <param name="now">The time.</param>
    /// <param name="leastWorkAhead">Multiply-adds from which on a part of a forward pass is
    /// computed before all weights are here.</param>
    /// <exception cref="ArgumentException">The directive does not fit the run; the message says
    /// why.</exception>
    /// <exception cref="ArgumentOutOfRangeException">No work is less than 1.</exception>
    public WorkerState(
        RunId run, RunDimensions dimensions, NodeId self, WorkerDirective directive, TimeSpan now,
        long leastWorkAhead = LeastWorkAhead)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(leastWorkAhead, 1);
        if ((directive.Run != run
            ? $"it is of run {directive.Run}, not {run}"
            : directive.Refusal(dimensions)) is { } reason)
        {
            throw new ArgumentException(reason, nameof(directive));
        }

        _run = run;
        _dimensions = dimensions;
        _self = self;
        _directive = directive;
        Plan = new SlicePlan(dimensions.Layout, directive.Servers.Length);
        _pending = new PendingPieces(Plan);
        _average = new PendingPieces(Plan);
        _ahead = new ForwardAhead(dimensions, leastWorkAhead);
        _isComputed = new bool[dimensions.MicroBatches];
        _stepBegan = now;
        _nextLook = now + StepTimes.Floor;
    }

    /// <summary>Which steps are verified.</summary>
    public VerificationRule Verification { get; init; }

    /// <summary>How the run's flat vector is cut in this generation.</summary>
    public SlicePlan Plan { get; }

    /// <summary>The directive that holds.</summary>
    public WorkerDirective Directive => _directive;

    /// <summary>How far it is.</summary>
    public WorkerPhase Phase => _phase;

    /// <summary>The replica's version; −1: there is none yet.</summary>
    public long Version { get; private set; } = -1;

    /// <summary>The version that pieces are gathered of; −1: of none.</summary>
    public long PendingVersion => _pending.Version;

    /// <summary>When to call <see cref="Look"/>, if nothing else happens before.</summary>
    public TimeSpan NextLook => _nextLook;

    /// <summary>What it waits for, in words for people.</summary>
    public string Wait => _phase switch
    {
        WorkerPhase.Opening => "opens its data",
        WorkerPhase.Failed failed => failed.Reason,
        WorkerPhase.Closed => "the run is over here",
        _ when _underWay.Activity != WorkerActivity.None =>
            $"{_underWay.Activity} {_underWay.Range} at version {_underWay.Version}",
        _ when PendingVersion >= 0 =>
            $"waits for version {PendingVersion}: {_pending.Count} of {Plan.Pieces.Length} pieces"
                + " are here",
        _ when Version >= _directive.Lease.EndVersion => $"waits for a lease past {Version}",
        _ => $"waits for version {Version + 1}",
    };

    // The version that the replica has next, as far as can be told.
    private long ComingVersion => PendingVersion >= 0 ? PendingVersion : Version + 1;

    // The evaluation that is asked for at this version and not done yet.
    private EvaluationRequest? DueEvaluation =>
        _phase is WorkerPhase.Whole && _directive.Evaluation is { Range.Count: > 0 } evaluation
        && evaluation.Version == Version && _evaluation?.Request != evaluation
            ? evaluation
            : null;

    private bool LacksAverage =>
        _dimensions.EvaluatesAverage && _underWay.Activity != WorkerActivity.Evaluate
        && DueEvaluation is not null && !(_average.Version == Version && _average.IsWhole);

    private bool Follows =>
        _phase is WorkerPhase.Observing
        || (_phase is WorkerPhase.Whole && Version < _directive.Lease.EndVersion);

    /// <summary>Takes a directive in, or says why not.</summary>
    public DirectiveAnswer Accept(WorkerDirective directive, TimeSpan now)
    {
        if (directive.Run != _run)
        {
            return new(DirectiveVerdict.Invalid, $"it is of run {directive.Run}, not {_run}");
        }

        if (DirectiveAnswer.OfOrder(
            directive.Stamp, directive.Generation, _directive.Stamp, _directive.Generation)
            is { } answer)
        {
            // Whoever repeats a directive has not had the status that answers it.
            _statusChanged |= answer.Verdict == DirectiveVerdict.Seen;
            if (answer.Verdict == DirectiveVerdict.Seen)
            {
                // Nor, it may be, what was told of micro-batches that it asks for.
                _rechecked = null;
            }

            return answer;
        }

        if ((directive.Refusal(_dimensions) ?? DifferenceFrom(directive)) is { } reason)
        {
            return new(DirectiveVerdict.Invalid, reason);
        }

        bool trained = Version < _directive.Lease.EndVersion;
        bool trains = Version < directive.Lease.EndVersion;
        if (trained && !trains)
        {
            _waited = now - _stepBegan;
        }
        else if (!trained && trains)
        {
            // What was late before it was brought to a stand is late still.
            BeginStep(now - _waited);
        }

        _directive = directive;
        _isIdle = false;
        _statusChanged = true;
        _nextLook = LacksAverage ? now : _nextLook;
        return new(DirectiveVerdict.Accepted, "");
    }

    /// <summary>Enters a broadcast piece. If it is entered, its elements belong into the pending
    /// weights, or, as its number says (<see cref="SlicePlan.IsAverage"/>), into the average that
    /// is evaluated.</summary>
    /// <param name="header">What was broadcast.</param>
    /// <param name="length">Elements that came with it.</param>
    public ArrivalVerdict EnterPiece(in WeightsHeader header, int length)
    {
        ArrivalVerdict verdict = JudgeRun(header.Run, header.Generation);
        if (verdict != ArrivalVerdict.Entered)
        {
            return verdict;
        }

        if (header.Piece < 0 || header.Piece >= Plan.PieceNumbers(_dimensions))
        {
            return ArrivalVerdict.OtherSlice;
        }

        if (length != Plan.PieceOf(header.Piece).Length)
        {
            return ArrivalVerdict.WrongLength;
        }

        if (header.Version < 0 || header.Version > _dimensions.TotalSteps)
        {
            return ArrivalVerdict.FutureStep;
        }

        if (Plan.IsAverage(header.Piece))
        {
            return EnterAverage(header.Version, Plan.PieceOf(header.Piece).Index);
        }

        if (header.Version <= Version || header.Version < PendingVersion
            || _underWay.Activity == WorkerActivity.TakeReplica)
        {
            return ArrivalVerdict.StaleStep;
        }

        if (header.Version > PendingVersion)
        {
            _pending.Gather(header.Version);
        }
        else if (_pending.Has(header.Piece))
        {
            return ArrivalVerdict.Duplicate;
        }

        _pending.Enter(header.Piece);
        return ArrivalVerdict.Entered;
    }

    /// <summary>What to do next; it is under way until the method that its activity names is
    /// called.</summary>
    public WorkerTask TakeTask()
    {
        if (_underWay.Activity != WorkerActivity.None)
        {
            return default;
        }

        _underWay = Choose();
        return _underWay;
    }

    /// <summary>Data and memory are there.</summary>
    public void Opened(TimeSpan now)
    {
        End(WorkerActivity.Open);
        _phase = new WorkerPhase.Observing();
        _nextLook = now;
        _statusChanged = true;
    }

    /// <summary>The worker cannot take part any more, or never could.</summary>
    /// <param name="reason">Why, in words: it is told to the user.</param>
    public void Failed(string reason)
    {
        _underWay = default;
        _phase = new WorkerPhase.Failed(reason);
        _statusChanged = true;
    }

    /// <summary>The pending weights are the replica.</summary>
    public void ReplicaTaken(TimeSpan now)
    {
        End(WorkerActivity.TakeReplica);
        if (_phase is WorkerPhase.Observing)
        {
            _phase = new WorkerPhase.Whole();
            _statusChanged = true;
        }
        else if (PendingVersion == Version + 1)
        {
            _times.Add(now - _stepBegan);
        }

        Version = PendingVersion;
        _pending.Gather(-1);
        Array.Clear(_isComputed);
        BeginStep(now);
        _nextLook = LacksAverage ? now : _nextLook;
    }

    /// <summary>Whether the micro-batches of a task are the worker's own share, not help for
    /// others.</summary>
    public bool IsOwn(in WorkerTask task) =>
        task.Range.First >= _directive.Assigned.First && task.Range.End <= _directive.Assigned.End;

    /// <summary>Micro-batches are computed and pushed.</summary>
    /// <param name="took">How long it took, without what was computed ahead.</param>
    /// <returns>How long it took with that.</returns>
    public TimeSpan Computed(TimeSpan took)
    {
        WorkerTask done = _underWay;
        End(WorkerActivity.Compute);
        _isComputed.AsSpan(done.Range.First, done.Range.Count).Fill(true);
        TimeSpan whole = took + (done.Continues ? _ahead.Took : TimeSpan.Zero);
        _microBatchTimes.Add(whole / done.Range.Count);
        _ahead.Abandon();
        return whole;
    }

    /// <summary>A step has begun, as far as was asked for.</summary>
    /// <param name="took">How long this part took: nothing is waited for in it.</param>
    public void ComputedAhead(TimeSpan took)
    {
        WorkerTask done = _underWay;
        End(WorkerActivity.ComputeAhead);
        if (done.Version == ComingVersion)
        {
            _ahead.Add(done, took);
        }
        else
        {
            _ahead.Abandon();
        }
    }

    /// <summary>Micro-batches are computed once more, and told of.</summary>
    public void Verified()
    {
        if (_directive.Recheck is { } recheck && recheck.Step == _underWay.Version
            && recheck.Range == _underWay.Range)
        {
            _rechecked = recheck;
        }
        else
        {
            _verifiedStep = _underWay.Version;
        }

        End(WorkerActivity.Verify);
    }

    /// <summary>An evaluation is done.</summary>
    public void Evaluated(MetricsPart part)
    {
        var request = new EvaluationRequest(_underWay.Version, _underWay.Range);
        End(WorkerActivity.Evaluate);
        _evaluation = new EvaluationDone(request, part);
        _statusChanged = true;
    }

    /// <summary>Everything is let go of.</summary>
    public void Closed()
    {
        End(WorkerActivity.Close);
        _phase = new WorkerPhase.Closed();
        _statusChanged = true;
    }

    /// <summary>Looks whether something is late. To be called at <see cref="NextLook"/>.</summary>
    /// <returns>What to send; null: nothing is late.</returns>
    public WorkerResend? Look(TimeSpan now)
    {
        if (now < _nextLook)
        {
            return null;
        }

        bool isComputing = _underWay.Activity is WorkerActivity.Compute or WorkerActivity.Verify;
        _nextLook = now + Patience;
        if (LacksAverage)
        {
            return new WorkerResend(PushAgain: false, RequestsOfAverage());
        }

        if (!Follows || isComputing || _pending.IsWhole)
        {
            return null;
        }

        return new WorkerResend(PushAgain: _phase is WorkerPhase.Whole, Requests());
    }

    /// <summary>The status, if something in it has changed since the last one.</summary>
    public bool TryTakeStatus([NotNullWhen(true)] out WorkerStatus? status)
    {
        if (!_statusChanged)
        {
            status = null;
            return false;
        }

        _statusChanged = false;
        status = new WorkerStatus
        {
            Run = _run,
            Worker = _self,
            Generation = _directive.Generation,
            Seen = _directive.Stamp,
            Number = ++_statusNumber,
            Phase = _phase,
            Version = Version,
            Evaluation = _evaluation,
            SecondsPerMicroBatch = _microBatchTimes.Median?.TotalSeconds,
        };
        return true;
    }

    private ImmutableArray<(int Slice, PiecesRequest Request)> Requests() =>
        RequestsOf(_pending, Math.Max(PendingVersion, Version + 1), firstNumber: 0);

    private ImmutableArray<(int Slice, PiecesRequest Request)> RequestsOfAverage()
    {
        if (_average.Version != Version)
        {
            _average.Gather(Version);
        }

        return RequestsOf(_average, Version, Plan.Pieces.Length);
    }

    private ImmutableArray<(int Slice, PiecesRequest Request)> RequestsOf(
        PendingPieces pieces, long atLeast, int firstNumber)
    {
        var requests = ImmutableArray.CreateBuilder<(int, PiecesRequest)>();
        for (int slice = 0; slice < Plan.SliceCount; slice++)
        {
            ImmutableArray<int> missing =
                [.. pieces.MissingOf(slice).Select(piece => firstNumber + piece)];
            if (!missing.IsEmpty)
            {
                requests.Add((
                    slice, new PiecesRequest(_run, _directive.Generation, atLeast, missing)));
            }
        }

        return requests.ToImmutable();
    }

    // While it is read it is not written; what comes then is asked for again.
    private ArrivalVerdict EnterAverage(long version, int piece)
    {
        if (version != Version || _underWay.Activity == WorkerActivity.Evaluate)
        {
            return ArrivalVerdict.StaleStep;
        }

        if (_average.Version != version)
        {
            _average.Gather(version);
        }
        else if (_average.Has(piece))
        {
            return ArrivalVerdict.Duplicate;
        }

        _average.Enter(piece);
        _isIdle &= !_average.IsWhole;
        return ArrivalVerdict.Entered;
    }

    private TimeSpan Patience =>
        _phase is WorkerPhase.Whole ? _times.Patience : StepTimes.Floor;

    private string? DifferenceFrom(WorkerDirective directive) =>
        directive.Servers.AsSpan().SequenceEqual(_directive.Servers.AsSpan())
            ? null
            : $"it changes the slices of {_directive.Generation}";

    private ArrivalVerdict JudgeRun(RunId run, Generation generation)
    {
        if (run != _run)
        {
            return ArrivalVerdict.OtherRun;
        }

        int order = generation.CompareTo(_directive.Generation);
        return order < 0 ? ArrivalVerdict.StaleGeneration
            : order > 0 ? ArrivalVerdict.UnknownGeneration
            : _phase is not (WorkerPhase.Observing or WorkerPhase.Whole) ? ArrivalVerdict.NotOpen
            : ArrivalVerdict.Entered;
    }

    private WorkerTask Choose()
    {
        if (_directive.Closed && _phase is not WorkerPhase.Closed)
        {
            return new WorkerTask(WorkerActivity.Close, Version, MicroBatchRange.None);
        }

        if (_phase is WorkerPhase.Opening)
        {
            return new WorkerTask(WorkerActivity.Open, Version, MicroBatchRange.None);
        }

        if (_phase is not (WorkerPhase.Observing or WorkerPhase.Whole))
        {
            return default;
        }

        // Before the replica is let go of: the next one cannot compute this step any more.
        if (NextVerification() is { Count: > 0 } verified)
        {
            _ahead.Abandon();
            return new WorkerTask(WorkerActivity.Verify, Version, verified);
        }

        if (_pending.IsWhole)
        {
            return new WorkerTask(WorkerActivity.TakeReplica, PendingVersion, MicroBatchRange.None);
        }

        if (_phase is not WorkerPhase.Whole)
        {
            return default;
        }

        WorkerTask task = _isIdle ? default : ChooseAtVersion();
        _isIdle = task.Activity == WorkerActivity.None;
        return _isIdle ? ChooseAhead() : task;
    }

    // Something else than what was begun overwrites it: rows and outputs of layers have one place.
    private WorkerTask ChooseAtVersion()
    {
        if (DueEvaluation is { } evaluation && !LacksAverage)
        {
            _ahead.Abandon();
            return new WorkerTask(WorkerActivity.Evaluate, Version, evaluation.Range);
        }

        MicroBatchRange range = NextRange();
        if (range.Count == 0)
        {
            return default;
        }

        bool continues = _ahead.IsOf(Version, range);
        if (!continues)
        {
            _ahead.Abandon();
        }

        return new WorkerTask(WorkerActivity.Compute, Version, range, Continues: continues);
    }

    // Once a piece of a later version is here, nothing of this step is missing anywhere; before, it
    // may still be asked for, and is then computed instead of what was begun.
    private WorkerTask ChooseAhead() =>
        ComingVersion >= _directive.Lease.EndVersion || _directive.Assigned.Count == 0
        || (_directive.Evaluation is { Range.Count: > 0 } evaluation
            && evaluation.Version == ComingVersion)
            ? default
            : _ahead.Next(ComingVersion, _directive.Assigned, _pending.EndView);

    // Others wait for the own micro-batches, so those come first.
    private MicroBatchRange NextVerification()
    {
        if (_phase is not WorkerPhase.Whole)
        {
            return MicroBatchRange.None;
        }

        if (_directive.Recheck is { } recheck && recheck.Step == Version && _rechecked != recheck)
        {
            return recheck.Range;
        }

        bool isDue = Version < _directive.Lease.EndVersion && _verifiedStep != Version
            && _directive.Assigned.Count > 0 && NotComputed(_directive.Assigned).Count == 0
            && Verification.Includes(Version);
        return isDue ? _directive.Verifies : MicroBatchRange.None;
    }

    // The first of the micro-batches wanted in this step that are not computed yet, with as many
    // after it as stand together.
    private MicroBatchRange NextRange()
    {
        if (Version >= _directive.Lease.EndVersion)
        {
            return MicroBatchRange.None;
        }

        MicroBatchRange range = NotComputed(_directive.Assigned);
        if (range.Count == 0 && _directive.Speculation is { } speculation
            && speculation.Step == Version)
        {
            for (int i = 0; i < speculation.Ranges.Length && range.Count == 0; i++)
            {
                range = NotComputed(speculation.Ranges[i]);
            }
        }

        return range;
    }

    private MicroBatchRange NotComputed(MicroBatchRange range)
    {
        int first = range.First;
        while (first < range.End && _isComputed[first])
        {
            first++;
        }

        int end = first;
        while (end < range.End && !_isComputed[end])
        {
            end++;
        }

        return new MicroBatchRange(first, end);
    }

    private void BeginStep(TimeSpan began)
    {
        _isIdle = false;
        _stepBegan = began;
        _nextLook = began + Patience;
        _waited = TimeSpan.Zero;
    }

    private void End(WorkerActivity activity)
    {
        if (_underWay.Activity != activity)
        {
            throw new InvalidOperationException(
                $"{activity} is not under way, but {_underWay.Activity} is");
        }

        _underWay = default;
    }
}
