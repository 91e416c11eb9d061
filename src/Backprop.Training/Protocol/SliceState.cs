using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;

namespace Backprop.Training.Protocol;

/// <summary>What of a run's plan a parameter server needs; no data are.</summary>
/// <param name="Run">The run.</param>
/// <param name="Dimensions">Its sizes.</param>
/// <param name="Network">The layers.</param>
/// <param name="Rules">How gradients become updates.</param>
/// <param name="Schedule">The learning rate over the run.</param>
public sealed record ServerPlan(
    RunId Run, RunDimensions Dimensions, Network Network, UpdateRules Rules,
    LearningRateSchedule Schedule)
{
    /// <summary>That of a training plan.</summary>
    public static ServerPlan Of(RunId run, TrainingPlan plan) => new(
        run, RunDimensions.Of(plan), plan.Network,
        plan.Rules, plan.Schedule);
}

/// <summary>What a slice's owner is to do next with its numbers. One thing at a time: nothing else
/// is asked for until the method named here has been called.</summary>
public enum SliceWork
{
    /// <summary>Nothing: it waits.</summary>
    None,

    /// <summary>Take memory and read <see cref="ServerDirective.Origin"/>; then
    /// <see cref="SliceState.Opened"/> or <see cref="SliceState.Failed"/>.</summary>
    Open,

    /// <summary>Copy what the run has come to (<see cref="UpdateRules.ResultOf"/>: the weights, or
    /// their average) to the best; then <see cref="SliceState.BestKept"/>.</summary>
    KeepBest,

    /// <summary>Copy weights, state and best weights; then
    /// <see cref="SliceState.CheckpointCopied"/>, and when the copy is durable
    /// <see cref="SliceState.CheckpointSaved"/> or <see cref="SliceState.CheckpointLost"/>.
    /// </summary>
    CopyCheckpoint,

    /// <summary>Copy weights, state and best weights in memory, as
    /// <see cref="SliceState.CopyOfNow"/>; then <see cref="SliceState.CopyTaken"/>, and offer the
    /// copy to the next server.</summary>
    CopyInMemory,

    /// <summary>See whether the weights are finite; then <see cref="SliceState.WeightsChecked"/>.
    /// </summary>
    CheckWeights,

    /// <summary>Finish the gradient (<see cref="ParameterUpdate.Prepare"/>, weights measured),
    /// unless that was done as its pieces became whole; then <see cref="SliceState.Prepared"/>, and
    /// send the sums to the other servers.</summary>
    Prepare,

    /// <summary>Write the next version by <see cref="SliceState.Update"/>, keeping the one before,
    /// and broadcast it, which may begin with its first pieces; then
    /// <see cref="SliceState.Applied"/>.</summary>
    Apply,

    /// <summary>Let the weights of the version before be those of now, and leave the optimizer's
    /// state as it is; then <see cref="SliceState.WentBack"/>.</summary>
    GoBack,

    /// <summary>Let go of everything; nothing comes after it.</summary>
    Close,
}

/// <summary>What a step came to.</summary>
/// <param name="Loss">Mean of its rows' losses; only the first slice knows it.</param>
/// <param name="GradientNorm">The gradient's norm, before it was clipped.</param>
/// <param name="Took">Its time, waiting included.</param>
/// <param name="Time">Median of the latest steps' times.</param>
public readonly record struct StepMeasures(
    double Loss, double GradientNorm, TimeSpan Took, TimeSpan Time);

/// <summary>
/// One parameter server's slice of a run in one generation: which nodes of the gradient it has,
/// when it may write the next version, what it tells the coordinator. It holds no weights and no
/// gradients: whoever does keeps them by the piece and first micro-batch of a node, and does as
/// this says.
/// </summary>
/// <remarks>One caller at a time. A push allocates nothing in steady state. Times are of any clock
/// that does not go back, always of the same.</remarks>
public sealed class SliceState
{
    private readonly ServerPlan _plan;
    private readonly NodeId _self;
    private readonly TreeLedger[] _ledgers;
    private readonly bool[] _pieceIsWhole;
    private readonly LossLedger? _loss;
    private readonly SliceSums _sums;
    private readonly ParameterNorms _norms;
    private readonly CopySchedule _copies;
    private readonly StepTimes _times = new();
    private readonly List<int> _superseded = [];
    private readonly int _firstPiece;

    private ServerDirective _directive;
    private SlicePhase _phase = new SlicePhase.Opening();
    private SliceWork _underWay;
    private int _wholePieces;
    private double _epochLossSum;
    private double _previousLossSum;
    private double _ownLossSum;
    private double _gradientNorm;
    private LostCheckpoint? _lost;
    private long? _damagedCheckpoint;
    private bool _hasPrevious;
    private bool _isUndone;
    private long? _checkedVersion;
    private long? _bestVersion;
    private long? _copiedVersion;
    private SavedSlice? _saving;
    private SavedSlice? _saved;
    private LeaseSummary? _leaseSummary;
    private NonFiniteStop? _nonFinite;
    private SliceWait? _wait;
    private ImmutableArray<SliceCopy> _kept = [];
    private TimeSpan _stepBegan;
    private TimeSpan _waited;
    private TimeSpan _nextLook;
    private bool _statusChanged = true;
    private long _statusNumber;

    /// <summary>The slice that a directive opens.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="self">The server.</param>
    /// <param name="directive">The first of its generation that has come.</param>
    /// <param name="now">The time.</param>
    /// <param name="copies">What copies in memory may cost; null: none are made.</param>
    /// <exception cref="ArgumentException">The directive does not fit the run; the message says
    /// why.</exception>
    public SliceState(
        ServerPlan plan, NodeId self, ServerDirective directive, TimeSpan now,
        CopyOptions? copies = null)
    {
        if (RefusalOf(plan, self, directive) is { } reason)
        {
            throw new ArgumentException(reason, nameof(directive));
        }

        _plan = plan;
        _self = self;
        _directive = directive;
        Plan = new SlicePlan(plan.Dimensions.Layout, directive.Servers.Length);
        Version = directive.Origin.Version;
        _firstPiece = Plan.FirstPiece(Slice);
        int pieces = Plan.FirstPiece(Slice + 1) - _firstPiece;
        int microBatches = plan.Dimensions.MicroBatches;
        _ledgers = [.. Enumerable.Range(0, pieces).Select(_ => new TreeLedger(microBatches))];
        _pieceIsWhole = new bool[pieces];
        _loss = Slice == 0 ? new LossLedger(microBatches) : null;
        _sums = new SliceSums(Plan, Slice);
        _norms = new ParameterNorms(plan.Dimensions.Layout);
        _copies = new CopySchedule(
            copies ?? new CopyOptions { Share = 0 }, directive.Servers.Length);
        Restart(now);
    }

    /// <summary>How the run's flat vector is cut in this generation.</summary>
    public SlicePlan Plan { get; }

    /// <summary>The directive that holds.</summary>
    public ServerDirective Directive => _directive;

    /// <summary>The slice.</summary>
    public int Slice => _directive.Slice;

    /// <summary>The slice's version, which is the step that it gathers gradients of.</summary>
    public long Version { get; private set; }

    /// <summary>How far it is.</summary>
    public SlicePhase Phase => _phase;

    /// <summary>That numbers are not finite, and training stands; null: they are.</summary>
    public NonFiniteStop? NonFinite => _nonFinite;

    /// <summary>First micro-batches of the nodes whose values are to be let go, by the last
    /// <see cref="EnterGradient"/>.</summary>
    public IReadOnlyList<int> Superseded => _superseded;

    /// <summary>The last sums of the slice, those of step <see cref="SumsStep"/>.</summary>
    public ReadOnlySpan<PieceSums> Sums => _sums.Own;

    /// <summary>The step that <see cref="Sums"/> are of; −1: none.</summary>
    public long SumsStep => _sums.OwnStep;

    /// <summary>Those of every slice in the step before <see cref="Version"/>, once that is made
    /// and until the next one's come.</summary>
    public ReadOnlySpan<PieceSums> AllSums => _sums.All;

    /// <summary>The version kept as the best; null: none.</summary>
    public long? BestVersion => _bestVersion;

    /// <summary>What the step before <see cref="Version"/> came to, for people; null: none was
    /// made in this generation.</summary>
    public StepMeasures? LastStep { get; private set; }

    /// <summary>When to call <see cref="Look"/>, if nothing else happens before.</summary>
    public TimeSpan NextLook => _nextLook;

    /// <summary>When the step that it gathers gradients of began, as far as it might be made.
    /// </summary>
    public TimeSpan StepBegan => _stepBegan;

    /// <summary>What it waits for; null: for nothing unusual.</summary>
    public SliceWait? Wait => _wait;

    /// <summary>What <see cref="ParameterUpdate.Apply"/> is told, when
    /// <see cref="SliceWork.Apply"/> was asked for.</summary>
    public UpdateStep Update { get; private set; }

    private RunDimensions Dimensions => _plan.Dimensions;

    private bool GradientIsWhole =>
        _wholePieces == _ledgers.Length && _loss is not { IsWhole: false };

    private bool MayTrain =>
        _phase is SlicePhase.Open && _nonFinite is null && Version < _directive.Lease.EndVersion;

    /// <summary>Takes a directive in, or says why not.</summary>
    public DirectiveAnswer Accept(ServerDirective directive, TimeSpan now)
    {
        if (directive.Run != _plan.Run)
        {
            return new(DirectiveVerdict.Invalid, $"it is of run {directive.Run}, not {_plan.Run}");
        }

        if (DirectiveAnswer.OfOrder(
            directive.Stamp, directive.Generation, _directive.Stamp, _directive.Generation)
            is { } answer)
        {
            // Whoever repeats a directive has not had the status that answers it.
            _statusChanged |= answer.Verdict == DirectiveVerdict.Seen;
            return answer;
        }

        if ((RefusalOf(_plan, _self, directive) ?? DifferenceFrom(directive)) is { } reason)
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
            Restart(now - _waited);
        }

        if (directive.CheckpointVersion != _directive.CheckpointVersion)
        {
            _lost = null;
        }

        _directive = directive;
        _statusChanged = true;
        return new(DirectiveVerdict.Accepted, "");
    }

    /// <summary>Enters a pushed node. If it is entered: let go of <see cref="Superseded"/>, keep
    /// its values, and add as <see cref="TryFold"/> says until it says no more.</summary>
    /// <param name="header">What was pushed.</param>
    /// <param name="length">Elements that came with it.</param>
    public ArrivalVerdict EnterGradient(in GradientHeader header, int length)
    {
        _superseded.Clear();
        ArrivalVerdict verdict = JudgeStep(header.Run, header.Generation, header.Step);
        if (verdict != ArrivalVerdict.Entered)
        {
            return verdict;
        }

        if (!Holds(header.Piece))
        {
            return ArrivalVerdict.OtherSlice;
        }

        if (length != Plan.Pieces[header.Piece].Length)
        {
            return ArrivalVerdict.WrongLength;
        }

        TreeLedger ledger = _ledgers[header.Piece - _firstPiece];
        if (!ledger.IsInTree(header.Node))
        {
            return ArrivalVerdict.NotInTree;
        }

        return ledger.TryEnter(header.Node, _superseded)
            ? ArrivalVerdict.Entered
            : ArrivalVerdict.Duplicate;
    }

    /// <summary>The next two nodes of a piece to add, if there are any. Once it says no more and
    /// the piece is whole, its values are those that are kept by micro-batch 0.</summary>
    public bool TryFold(int piece, out Fold fold)
    {
        int index = piece - _firstPiece;
        if (_ledgers[index].TryFold(out fold))
        {
            return true;
        }

        if (_ledgers[index].IsWhole && !_pieceIsWhole[index])
        {
            _pieceIsWhole[index] = true;
            _wholePieces++;
        }

        return false;
    }

    /// <summary>Whether the root of the gradient tree is there for a piece.</summary>
    public bool IsWhole(int piece) => _pieceIsWhole[piece - _firstPiece];

    /// <summary>Enters the loss of a node.</summary>
    public ArrivalVerdict EnterLoss(in LossHeader header)
    {
        ArrivalVerdict verdict = JudgeStep(header.Run, header.Generation, header.Step);
        if (verdict != ArrivalVerdict.Entered)
        {
            return verdict;
        }

        if (_loss is null)
        {
            return ArrivalVerdict.OtherSlice;
        }

        if (!_loss.IsInTree(header.Node))
        {
            return ArrivalVerdict.NotInTree;
        }

        return _loss.TryEnter(header.Node, header.LossSum)
            ? ArrivalVerdict.Entered
            : ArrivalVerdict.Duplicate;
    }

    /// <summary>Enters the sums of another slice.</summary>
    /// <param name="header">What was sent.</param>
    /// <param name="sums">The sums of the slice.</param>
    /// <param name="answer">Whether to send the own ones back, by <see cref="HeaderOfSums"/>.
    /// </param>
    public ArrivalVerdict EnterSums(
        in SumsHeader header, ReadOnlySpan<PieceSums> sums, out bool answer)
    {
        ArrivalVerdict verdict = JudgeStep(header.Run, header.Generation, header.Step);
        bool isOfAnother =
            header.Slice >= 0 && header.Slice < Plan.SliceCount && header.Slice != Slice;
        answer = header.Asks && isOfAnother && header.Step == _sums.OwnStep
            && verdict is ArrivalVerdict.Entered or ArrivalVerdict.StaleStep;
        if (verdict != ArrivalVerdict.Entered)
        {
            return verdict;
        }

        if (!isOfAnother)
        {
            return ArrivalVerdict.OtherSlice;
        }

        if (sums.Length != _sums.CountOf(header.Slice))
        {
            return ArrivalVerdict.WrongLength;
        }

        if (!_sums.Enter(header.Slice, sums, header.LossSum))
        {
            return ArrivalVerdict.Duplicate;
        }

        if (header.IsWilling)
        {
            _copies.EnterOther();
        }

        return ArrivalVerdict.Entered;
    }

    /// <summary>What to send <see cref="Sums"/> with.</summary>
    /// <param name="to">The slice whose server gets them.</param>
    public SumsHeader HeaderOfSums(int to) => new(
        _plan.Run, _directive.Generation, _sums.OwnStep, Slice,
        Slice == 0 ? _ownLossSum : 0,
        Asks: _sums.OwnStep == Version && !_sums.Has(to), _copies.IsWilling);

    /// <summary>Whether a worker is to be sent what it asks for, in the version of now.</summary>
    public ArrivalVerdict Judge(PiecesRequest request)
    {
        ArrivalVerdict verdict = JudgeRun(request.Run, request.Generation);
        if (verdict != ArrivalVerdict.Entered)
        {
            return verdict;
        }

        if (request.AtLeast > Version)
        {
            return ArrivalVerdict.FutureStep;
        }

        if (request.Pieces.IsDefaultOrEmpty || request.Pieces.Length > _ledgers.Length)
        {
            return ArrivalVerdict.OtherSlice;
        }

        bool isAverage = Plan.IsAverage(request.Pieces[0]);
        return request.Pieces.Any(piece => piece < 0 || piece >= Plan.PieceNumbers(Dimensions)
            || Plan.IsAverage(piece) != isAverage || !Holds(Plan.PieceOf(piece).Index))
            ? ArrivalVerdict.OtherSlice
            : isAverage && request.AtLeast < Version ? ArrivalVerdict.StaleStep
            : ArrivalVerdict.Entered;
    }

    /// <summary>What to do next; it is under way until the method that it names is called.
    /// </summary>
    public SliceWork TakeWork()
    {
        if (_underWay == SliceWork.None)
        {
            _underWay = ChooseWork();
        }
        else
        {
            return SliceWork.None;
        }

        return _underWay;
    }

    /// <summary>The slice is open, in the version of its origin.</summary>
    public void Opened(TimeSpan now)
    {
        End(SliceWork.Open);
        _phase = new SlicePhase.Open();
        (_bestVersion, _epochLossSum) = _directive.Origin switch
        {
            SliceOrigin.Checkpoint saved => (saved.BestVersion, saved.EpochLossSum),
            SliceOrigin.Memory copied => (copied.BestVersion, copied.EpochLossSum),
            _ => (null, 0),
        };
        _copies.Open(now);
        Restart(now);
        _statusChanged = true;
    }

    /// <summary>The slice cannot take part any more, or never could.</summary>
    /// <param name="reason">Why, in words.</param>
    /// <param name="isOriginDamaged">Whether what is stored of the checkpoint that it was to open
    /// from is not what was saved.</param>
    public void Failed(string reason, bool isOriginDamaged = false)
    {
        _underWay = SliceWork.None;
        _phase = new SlicePhase.Failed(reason);
        _damagedCheckpoint = isOriginDamaged && _directive.Origin is SliceOrigin.Checkpoint from
            ? from.Saved
            : null;
        _statusChanged = true;
    }

    /// <summary>The weights of now are kept as the best.</summary>
    public void BestKept()
    {
        End(SliceWork.KeepBest);
        _bestVersion = Version;
        _statusChanged = true;
    }

    /// <summary>Why no copies in memory are made, in words; null: they are.</summary>
    public string? CopiesOffReason => _copies.OffReason;

    /// <summary>What a copy in memory is, if it is taken now.</summary>
    public SliceCopy CopyOfNow => new(
        Plan.FirstBlock(Slice), Plan.FirstBlock(Slice + 1), Version, _bestVersion,
        Slice == 0 ? _epochLossSum : null);

    /// <summary>The copy in memory is taken.</summary>
    /// <param name="stall">How long that took.</param>
    /// <param name="now">The time.</param>
    public void CopyTaken(TimeSpan stall, TimeSpan now)
    {
        End(SliceWork.CopyInMemory);
        _copies.Taken(stall, now);
    }

    /// <summary>The next server keeps the copy of a version, too.</summary>
    public void CopyKept(long version, TimeSpan now) => _copies.Kept(version, now);

    /// <summary>No copies in memory are made.</summary>
    /// <param name="reason">Why, in words.</param>
    public void CopiesOff(string reason)
    {
        if (_underWay == SliceWork.CopyInMemory)
        {
            End(SliceWork.CopyInMemory);
        }

        _copies.TurnOff(reason);
        _statusChanged = true;
    }

    /// <summary>The whole copies in the node's memory are these.</summary>
    public void CopiesChanged(ImmutableArray<SliceCopy> kept)
    {
        _kept = kept;
        _statusChanged = true;
    }

    /// <summary>The slice is copied: training may go on while the copy is saved.</summary>
    public void CheckpointCopied()
    {
        End(SliceWork.CopyCheckpoint);
        _copiedVersion = Version;
        double? loss = Slice > 0 ? null
            : Version % Dimensions.StepsPerEpoch == 0 ? 0 : _epochLossSum;
        _saving = new SavedSlice(Version, _bestVersion, loss, []);
    }

    /// <summary>The copy is durable.</summary>
    public void CheckpointSaved(ImmutableArray<CheckpointPart> parts)
    {
        SavedSlice saving = _saving
            ?? throw new InvalidOperationException("no checkpoint is being saved");
        _saved = saving with { Parts = parts };
        _saving = null;
        _statusChanged = true;
    }

    /// <summary>The copy could not be saved: the coordinator will begin another.</summary>
    /// <param name="reason">Why, in words.</param>
    public void CheckpointLost(string reason)
    {
        SavedSlice saving = _saving
            ?? throw new InvalidOperationException("no checkpoint is being saved");
        _saving = null;
        _copiedVersion = null;
        LoseCheckpoint(saving.Version, reason, CheckpointLoss.Failed);
    }

    /// <summary>The weights at the end of a lease are checked.</summary>
    /// <param name="areFinite">Whether all of them are.</param>
    public void WeightsChecked(bool areFinite)
    {
        End(SliceWork.CheckWeights);
        _checkedVersion = Version;
        _statusChanged = true;
        if (!areFinite)
        {
            _nonFinite = new NonFiniteStop(
                Version - 1, $"step {Version - 1} made weights that are not finite",
                LastGoodVersion(weightsAreFinite: false));
        }
        else if (Slice == 0 && _hasPrevious)
        {
            _leaseSummary = new LeaseSummary(
                Version, _epochLossSum,
                new LayerNormFold(_plan.Network).Of(_sums.All));
        }
    }

    /// <summary>The gradient is finished.</summary>
    /// <param name="sums">[<see cref="ParameterUpdate.PieceCount"/>].</param>
    public void Prepared(ReadOnlySpan<PieceSums> sums)
    {
        End(SliceWork.Prepare);
        _ownLossSum = _loss?.Total ?? 0;
        _sums.EnterOwn(Version, sums, _ownLossSum);
        _copies.Say(_stepBegan, endsEpoch: Version + 1 == Dimensions.EpochEnd(Version));
    }

    /// <summary>The next version is written.</summary>
    public void Applied(TimeSpan now)
    {
        End(SliceWork.Apply);
        _previousLossSum = _epochLossSum;
        if (Version % Dimensions.StepsPerEpoch == 0)
        {
            _epochLossSum = 0;
        }

        _epochLossSum += _sums.LossSum;
        _hasPrevious = true;
        _times.Add(now - _stepBegan);
        LastStep = new StepMeasures(
            _sums.LossSum / Dimensions.GlobalRows(Version), _gradientNorm, now - _stepBegan,
            _times.Median);
        Version++;
        ClearStep();
        _copies.Made(Version);
        Restart(now);
    }

    /// <summary>The weights are those of the version before, the last good ones of a run that has
    /// come upon a number that is not finite.</summary>
    public void WentBack()
    {
        End(SliceWork.GoBack);
        Version--;
        _epochLossSum = _previousLossSum;
        _hasPrevious = false;
        _isUndone = true;
        ClearStep();
        _statusChanged = true;
    }

    /// <summary>Everything is let go of.</summary>
    public void Closed()
    {
        End(SliceWork.Close);
        _phase = new SlicePhase.Closed();
        _statusChanged = true;
    }

    /// <summary>Looks whether something is late. To be called at <see cref="NextLook"/>.</summary>
    /// <returns>Whether to send <see cref="Sums"/> again, to those slices that
    /// <see cref="LacksSumsOf"/>.</returns>
    public bool Look(TimeSpan now)
    {
        if (now < _nextLook)
        {
            return false;
        }

        _nextLook = now + _times.Patience;
        if (!MayTrain || _underWay != SliceWork.None)
        {
            return false;
        }

        ImmutableArray<MicroBatchRange> missing = GradientIsWhole ? [] : Missing();
        ImmutableArray<int> slices = !_sums.HasOwn ? []
            : [.. Enumerable.Range(0, Plan.SliceCount).Where(slice => !_sums.Has(slice))];
        _wait = new SliceWait(Version, missing, slices, now - _stepBegan);
        _statusChanged = true;
        return !slices.IsEmpty;
    }

    /// <summary>Whether the sums of another slice are missing while the own ones are there.
    /// </summary>
    public bool LacksSumsOf(int slice) => _sums.HasOwn && !_sums.Has(slice);

    /// <summary>The status, if something in it has changed since the last one.</summary>
    public bool TryTakeStatus([NotNullWhen(true)] out ServerStatus? status)
    {
        // A version that is being written will be there, whatever directive has come meanwhile: who
        // hears that this was seen must not take the version before for the one it stands at.
        if (!_statusChanged || _underWay == SliceWork.Apply)
        {
            status = null;
            return false;
        }

        _statusChanged = false;
        status = new ServerStatus
        {
            Run = _plan.Run,
            Server = _self,
            Generation = _directive.Generation,
            Seen = _directive.Stamp,
            Number = ++_statusNumber,
            Slice = Slice,
            Phase = _phase,
            Version = Version,
            Wait = _wait,
            Saved = _saved,
            Lost = _lost,
            DamagedCheckpoint = _damagedCheckpoint,
            BestVersion = _bestVersion,
            Lease = _leaseSummary,
            NonFinite = _nonFinite,
            Copies = _kept,
            CopiesOff = _copies.OffReason,
        };
        return true;
    }

    private static string? RefusalOf(ServerPlan plan, NodeId self, ServerDirective directive)
    {
        if (directive.Run != plan.Run)
        {
            return $"it is of run {directive.Run}, not {plan.Run}";
        }

        return directive.Refusal(plan.Dimensions)
            ?? (directive.Servers[directive.Slice] != self
                ? $"slice {directive.Slice} is of {directive.Servers[directive.Slice]}, not {self}"
                : null);
    }

    // A generation never changes what its ranges mean, nor what its slices came from; and a lease
    // ends with the epoch, since the learning rate may fall there.
    private string? DifferenceFrom(ServerDirective directive)
    {
        if (!directive.Servers.AsSpan().SequenceEqual(_directive.Servers.AsSpan())
            || directive.Slice != Slice || directive.Origin != _directive.Origin)
        {
            return $"it changes the slices of {_directive.Generation}";
        }

        long end = Dimensions.EpochEnd(Version);
        return directive.Lease.EndVersion > end
            ? $"a lease to {directive.Lease.EndVersion}, past the epoch's end at {end}"
            : null;
    }

    private bool Holds(int piece) =>
        piece >= _firstPiece && piece < _firstPiece + _ledgers.Length;

    private ArrivalVerdict JudgeRun(RunId run, Generation generation)
    {
        if (run != _plan.Run)
        {
            return ArrivalVerdict.OtherRun;
        }

        int order = generation.CompareTo(_directive.Generation);
        return order < 0 ? ArrivalVerdict.StaleGeneration
            : order > 0 ? ArrivalVerdict.UnknownGeneration
            : _phase is not SlicePhase.Open ? ArrivalVerdict.NotOpen
            : ArrivalVerdict.Entered;
    }

    private ArrivalVerdict JudgeStep(RunId run, Generation generation, long step)
    {
        ArrivalVerdict verdict = JudgeRun(run, generation);
        return verdict != ArrivalVerdict.Entered ? verdict
            : step < Version || _isUndone ? ArrivalVerdict.StaleStep
            : step > Version ? ArrivalVerdict.FutureStep
            : ArrivalVerdict.Entered;
    }

    private SliceWork ChooseWork()
    {
        if (_directive.Closed && _phase is not SlicePhase.Closed)
        {
            return SliceWork.Close;
        }

        if (_phase is SlicePhase.Opening)
        {
            return SliceWork.Open;
        }

        if (_phase is not SlicePhase.Open)
        {
            return SliceWork.None;
        }

        if (_directive.BestVersion == Version && _bestVersion != Version)
        {
            return SliceWork.KeepBest;
        }

        return _copies.Due == Version ? SliceWork.CopyInMemory : ChooseCheckpoint() ?? ChooseStep();
    }

    private SliceWork? ChooseCheckpoint()
    {
        if (_directive.CheckpointVersion is not { } wanted || _copiedVersion == wanted
            || _saved?.Version == wanted || _lost?.Version == wanted || Version < wanted)
        {
            return null;
        }

        // Only the end of a run that is not finite leaves a lease one version behind.
        if (Version == wanted + 1 && _hasPrevious && _directive.Lease.EndVersion == wanted)
        {
            return SliceWork.GoBack;
        }

        if (Version == wanted)
        {
            // There is room for one copy.
            return _saving is null ? SliceWork.CopyCheckpoint : null;
        }

        LoseCheckpoint(wanted, $"version {wanted} is past", CheckpointLoss.Passed);
        return null;
    }

    private SliceWork ChooseStep()
    {
        if (Version >= _directive.Lease.EndVersion && _checkedVersion != Version)
        {
            return SliceWork.CheckWeights;
        }

        if (!MayTrain || !GradientIsWhole)
        {
            return SliceWork.None;
        }

        if (!_sums.HasOwn)
        {
            return SliceWork.Prepare;
        }

        return _sums.AreWhole && SumsAreFinite() ? SliceWork.Apply : SliceWork.None;
    }

    // Every server has the same sums, so that all of them come to the same end.
    private bool SumsAreFinite()
    {
        ParameterView? view = _norms.FindNonFinite(_sums.All);
        if (view is null && double.IsFinite(_sums.LossSum))
        {
            _gradientNorm = _norms.GradientNorm(_sums.All);
            Update = new UpdateStep(
                Version, LearningRate(), _plan.Rules.Clipping.ScaleFor(_gradientNorm),
                Dimensions.MicroBatchesOf(Version).NonEmptyCount,
                _plan.Rules.Averaging?.ShareOf(Version, Dimensions.StepsPerEpoch));
            return true;
        }

        bool weightsAreFinite = true;
        foreach (PieceSums sums in _sums.All)
        {
            weightsAreFinite &= double.IsFinite(sums.WeightSquares);
        }

        string what = view is null ? "the loss" : $"the gradient of '{view.Name}'";
        _nonFinite = new NonFiniteStop(
            Version, $"in step {Version}, {what} is not finite",
            LastGoodVersion(weightsAreFinite));
        _statusChanged = true;
        return false;
    }

    private float LearningRate() => _plan.Schedule.At(
        _plan.Rules.Optimizer.LearningRate,
        new SchedulePosition(
            Version, Dimensions.StepsPerEpoch, Dimensions.TotalSteps,
            _directive.Lease.PlateauReductions));

    private long LastGoodVersion(bool weightsAreFinite) =>
        weightsAreFinite || !_hasPrevious ? Version : Version - 1;

    private void LoseCheckpoint(long version, string reason, CheckpointLoss cause)
    {
        _lost = new LostCheckpoint(version, reason, cause);
        _statusChanged = true;
    }

    // Micro-batches that some piece, or the loss, does not count yet.
    private ImmutableArray<MicroBatchRange> Missing()
    {
        var isMissing = new bool[Dimensions.MicroBatches];
        foreach (TreeLedger ledger in _ledgers)
        {
            Mark(ledger.Missing(), isMissing);
        }

        if (_loss is not null)
        {
            Mark(_loss.Missing(), isMissing);
        }

        return MicroBatchRange.Of(isMissing);
    }

    private static void Mark(IReadOnlyList<MicroBatchRange> ranges, bool[] marks)
    {
        foreach (MicroBatchRange range in ranges)
        {
            marks.AsSpan(range.First, range.Count).Fill(true);
        }
    }

    private void ClearStep()
    {
        foreach (TreeLedger ledger in _ledgers)
        {
            ledger.Clear();
        }

        Array.Clear(_pieceIsWhole);
        _wholePieces = 0;
        _loss?.Clear();
        _sums.Clear();
    }

    private void Restart(TimeSpan began)
    {
        _stepBegan = began;
        _nextLook = began + _times.Patience;
        _waited = TimeSpan.Zero;
        _statusChanged |= _wait is not null;
        _wait = null;
    }

    private void End(SliceWork work)
    {
        if (_underWay != work)
        {
            throw new InvalidOperationException($"{work} is not under way, but {_underWay} is");
        }

        _underWay = SliceWork.None;
    }
}
