using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serving.Copies;
using Backprop.Distributed.Timelines;
using Backprop.Engine;
using Backprop.Engine.Numerics;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Curves;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Serving;

/// <summary>A slice in one generation: its state, its numbers, and its place on the links. What the
/// state asks for is done here as far as nobody has to be waited for. One caller at a time.
/// </summary>
internal sealed class ServedSlice
{
    private readonly NodeContext _context;
    private readonly KnownRun _run;
    private readonly RunHash _hash;
    private readonly SliceGuard _guard;
    private readonly SumsGathering _gathering;
    private readonly SliceDigest? _digest;
    private readonly LayerNormFold? _layers;
    private readonly PushDigests _pushes;
    private readonly SliceTimeline _timeline;
    private readonly byte[] _payload = new byte[FrameHeader.MaxSmallBytes];
    private readonly float[] _widened;
    private readonly AwaitedRelease _released;
    private SliceMemory? _memory;
    private Broadcasting? _broadcasting;
    private TimeSpan? _wholeAt;

    /// <summary>The slice that a directive opens.</summary>
    /// <param name="context">The node.</param>
    /// <param name="run">The run.</param>
    /// <param name="directive">The directive.</param>
    /// <param name="wake">Called, on any thread, when there is something to look at.</param>
    /// <exception cref="ArgumentException">The directive does not fit the run.</exception>
    public ServedSlice(
        NodeContext context, KnownRun run, ServerDirective directive, Action wake)
    {
        _context = context;
        _run = run;
        _hash = RunHash.Of(run.Setup.Run.Value);
        State = new SliceState(
            run.Plan, context.Node, directive, context.Now, context.Copies);
        _guard = new SliceGuard(
            State.Plan, State.Slice, directive.Generation, run.Dimensions.MicroBatches,
            run.Specification.Transport);
        _gathering = new SumsGathering(_guard.Sums);
        _pushes = new PushDigests(State.Plan, State.Slice, run.Dimensions.MicroBatches);
        _timeline = new SliceTimeline(
            context.Time, run.Dimensions.MicroBatches,
            State.Plan.FirstPiece(State.Slice + 1) - State.Plan.FirstPiece(State.Slice));
        if (run.Specification.Digests)
        {
            _digest = new SliceDigest(
                State.Plan.FirstBlock(State.Slice), State.Plan.FirstBlock(State.Slice + 1));
        }

        if (State.Slice == 0)
        {
            _layers = new LayerNormFold(run.Plan.Network);
            Curves = new CurveRecorder(_layers.Count);
        }

        _widened = run.Specification.Transport.Gradients == ElementEncoding.Fp32
            ? []
            : new float[SlicePlan.MaxPieceLength];
        Inbox = context.Links.Register(RunPart.Slice, _hash, _guard, wake);
        _released = new AwaitedRelease(Inbox.Wake);
        Meter = new SliceMeter(
            run.Setup.Run, State.Slice, context.Time, context.TraceOf(run.Setup.Run));
    }

    /// <summary>Decides.</summary>
    public SliceState State { get; }

    /// <summary>The digests that the coordinator is still to be told.</summary>
    public DigestBacklog Digests { get; } = new();

    /// <summary>The points that the coordinator is still to be told, on the first slice; else null.
    /// </summary>
    public CurveRecorder? Curves { get; }

    /// <summary>What was pushed in the last step, if that is verified; it is to be told once.
    /// </summary>
    public PushReport? Pushed { get; private set; }

    /// <summary>Measures it.</summary>
    public SliceMeter Meter { get; }

    /// <summary>What has arrived.</summary>
    public RunInbox Inbox { get; }

    /// <summary>Whether the next version waits for a buffer that links still have.</summary>
    public bool WaitsForLinks { get; private set; }

    /// <summary>Its numbers.</summary>
    private SliceMemory Memory =>
        _memory ?? throw new InvalidOperationException("the slice has no memory yet");

    /// <summary>Takes memory.</summary>
    /// <exception cref="InsufficientMemoryException">There is not as much, or it may not be used.
    /// </exception>
    public void TakeMemory(ComputePool pool)
    {
        long bytes = SliceMemory.Bytes(State.Plan, State.Slice, _run.Specification.Rules);
        if (bytes > _context.MemoryLimitBytes)
        {
            throw new InsufficientMemoryException(
                $"slice {State.Slice} needs {MiB(bytes)} MiB, and {MiB(_context.MemoryLimitBytes)}"
                + " MiB may be used");
        }

        long left = _context.MemoryLimitBytes - bytes - BytesOfCopies(bytes);
        _memory = new SliceMemory(State.Plan, State.Slice, _run.Plan.Rules, left, pool);
        _broadcasting = new Broadcasting(
            _context.Links, State.Plan, State.Slice, _hash, State.Directive.Generation,
            _memory.Weights, _released);
    }

    /// <summary>Fills the slice with the run's first weights.</summary>
    /// <exception cref="Data.InvalidDatasetException">They come from a file, which is not here, or
    /// is not the run's.</exception>
    /// <exception cref="SpecificationException">The file does not suit the network.</exception>
    public void TakeFirstWeights()
    {
        using var all = new AlignedBuffer(State.Plan.Layout.Length);
        RunPlanner
            .Started(_run.Specification, _run.Setup.Outline, _run.Plan.Network, _context.Data)
            .InitializeWeights(_run.Specification.Seed, all);
        Memory.TakeWeights(all);
    }

    /// <summary>What to fill from a checkpoint, or from copies.</summary>
    /// <param name="hasBest">Whether best weights come with them.</param>
    public Persistence.SliceContent ContentToRestore(bool hasBest) =>
        Memory.ContentToRestore(hasBest);

    /// <summary>Whether all weights of now are finite.</summary>
    public bool WeightsAreFinite() => Memory.WeightsAreFinite();

    /// <summary>What a copy in memory is taken of.</summary>
    public Persistence.SliceContent ContentOfNow() =>
        Memory.ContentOfNow(State.BestVersion is not null);

    /// <summary>A copy to save.</summary>
    public Persistence.SliceContent CopyForCheckpoint() =>
        Memory.CopyForCheckpoint(State.Version, State.BestVersion);

    /// <summary>The numbers are there.</summary>
    public void Opened()
    {
        State.Opened(_context.Now);
        if (_digest is not null)
        {
            Digests.Enter(State.Version, Memory.DigestOfWeights());
        }

        BeginSending(Memory.Weights.Current, State.Version).SendAll();
    }

    /// <summary>Looks at what has arrived, up to so many frames.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool TakeArrivals(int most)
    {
        for (int i = 0; i < most; i++)
        {
            if (!Inbox.TryTake(out RunArrival next))
            {
                return false;
            }

            try
            {
                Take(next.From, next.Arrival);
            }
            finally
            {
                next.Arrival.Dispose();
            }
        }

        return true;
    }

    /// <summary>Does what the state asks for.</summary>
    /// <exception cref="InvalidOperationException">It is not for here.</exception>
    public void Do(SliceWork work)
    {
        switch (work)
        {
            case SliceWork.KeepBest:
                Memory.KeepBest(State.Version);
                State.BestKept();
                break;
            case SliceWork.CheckWeights:
                State.WeightsChecked(Memory.WeightsAreFinite());
                break;
            case SliceWork.Prepare:
                _timeline.Gathered(State.Version);
                GradientIsWhole();
                State.Prepared(Memory.TakeSums());
                SendSums(onlyWhereMissing: false);
                break;
            case SliceWork.GoBack:
                Memory.GoBack();
                State.WentBack();
                break;
            case SliceWork.Apply:
                WaitsForLinks = true;
                TryApply();
                break;
            default:
                throw new InvalidOperationException($"{work} is not done here");
        }
    }

    /// <summary>Writes the next version, if that was asked for and there is a buffer for it.
    /// </summary>
    public void TryApply()
    {
        if (!WaitsForLinks || !TryFindFree(out SharedWeights next))
        {
            return;
        }

        WaitsForLinks = false;
        long step = State.Version;
        _timeline.BeginApply(step);
        ReportPushes();
        Broadcasting broadcasting = BeginSending(next, step + 1);
        Memory.Apply(State.Update, next, _digest, broadcasting);
        TimeSpan now = _context.Now;
        State.Applied(now);
        _timeline.Applied(step, now);
        EndBroadcast(broadcasting);
        TellVersion();
        RecordStep();
        if (_digest is not null)
        {
            Digests.Enter(State.Version, _digest.Total);
        }
    }

    /// <summary>What was pushed is told.</summary>
    public void PushesTold() => Pushed = null;

    /// <summary>Goes on with broadcasts that links had no room for.</summary>
    public void Continue()
    {
        if (_broadcasting is { } broadcasting)
        {
            broadcasting.Continue();
            EndBroadcast(broadcasting);
        }
    }

    /// <summary>Tells what was done lately.</summary>
    public TimelineAnswer Tell(TimelineRequest request)
    {
        if (request.Generation != State.Directive.Generation || request.Slice != State.Slice)
        {
            return TimelineAnswer.Nothing(request, _context.Node, _context.Time);
        }

        TimeSpan now = _context.Now;
        return new TimelineAnswer(
            request.Run, _context.Node, request.Generation, request.Slice,
            _context.Time.GetUtcNow(), _timeline.Spans(now), _timeline.Trees(now))
        {
            Traffic = LinkMeter.Traffic,
        };
    }

    /// <summary>Closes the links of those who have not taken older versions.</summary>
    /// <returns>Whose they are.</returns>
    public IReadOnlyList<NodeId> CloseSlowLinks() => _broadcasting!.CloseSlowLinks(
        $"weights of run {State.Directive.Run} were not taken within"
        + $" {_context.Patience.SlowReceiver.TotalSeconds:0.#} s");

    /// <summary>Looks at what is late.</summary>
    public void Look()
    {
        if (State.Look(_context.Now))
        {
            SendSums(onlyWhereMissing: true);
        }
    }

    /// <summary>Takes no more frames, and lets go of the numbers.</summary>
    /// <param name="isRead">Whether they are being read from a checkpoint.</param>
    /// <param name="isSaved">Whether a copy is being saved.</param>
    public void Retire(bool isRead, bool isSaved)
    {
        Inbox.Dispose();
        Meter.Dispose();
        _memory?.Retire(isRead, isSaved);
        _memory = null;
        _broadcasting = null;
        WaitsForLinks = false;
    }

    private bool TryFindFree(out SharedWeights free)
    {
        if (Memory.Weights.TryFindFree(out free))
        {
            return true;
        }

        _released.Await();
        return Memory.Weights.TryFindFree(out free);
    }

    private void EndBroadcast(Broadcasting broadcasting)
    {
        _timeline.EndBroadcast(broadcasting.IsQueued);
        if (broadcasting.IsQueued && !WaitsForLinks)
        {
            _released.Forget();
        }
    }

    // Gradients need room to wait in, at least so much.
    private long BytesOfCopies(long bytesOfSlice)
    {
        if (_context.Copies.Share == 0 || State.Plan.SliceCount == 1)
        {
            return 0;
        }

        long bytes = CopyKeeping.Bytes(
            State.Plan, State.Slice, _run.Specification.Rules.StateCount);
        if (_context.MemoryLimitBytes - bytesOfSlice - bytes >= bytesOfSlice / 2)
        {
            return bytes;
        }

        State.CopiesOff(
            $"they need {MiB(bytes)} MiB, beside the {MiB(bytesOfSlice)} MiB of the slice, and"
            + $" {MiB(_context.MemoryLimitBytes)} MiB may be used");
        return 0;
    }

    private static string MiB(long bytes) => $"{bytes / (1024.0 * 1024):N0}";

    private void Take(NodeId from, Arrival arrival)
    {
        if (_memory is null || arrival.Header.Generation != State.Directive.Generation.Value)
        {
            return;
        }

        switch (arrival.Header.Type)
        {
            case FrameType.Push:
                TakeGradient(from, arrival);
                break;
            case FrameType.Loss:
                TakeLoss(from, arrival);
                break;
            case FrameType.BlockSums:
                TakeSums(arrival);
                break;
            case FrameType.RequestPieces:
                TakeRequest(from, arrival);
                break;
        }
    }

    private void TakeGradient(NodeId from, Arrival arrival)
    {
        ref readonly FrameHeader frame = ref arrival.Header;
        var header = new GradientHeader(
            State.Directive.Run, State.Directive.Generation, frame.Step, frame.Node, frame.Piece);
        if (State.EnterGradient(header, frame.ElementCount) == ArrivalVerdict.Entered)
        {
            if (_run.Verification.Includes(frame.Step))
            {
                _pushes.EnterPiece(from, frame.Node, frame.Piece, arrival.Elements);
            }

            _timeline.Entered(frame.Step, frame.Node, from);
            Memory.Gradient.Enter(
                State, frame.Piece, frame.Node.FirstMicroBatch, ElementsOf(arrival));
            if (State.IsWhole(frame.Piece))
            {
                Memory.Finish(State.Plan.Pieces[frame.Piece]);
            }
        }
    }

    private ReadOnlySpan<float> ElementsOf(Arrival arrival)
    {
        if (arrival.Header.Encoding == ElementEncoding.Fp32)
        {
            return arrival.Elements;
        }

        Span<float> widened = _widened.AsSpan(0, arrival.Header.ElementCount);
        Bfloat16.Widen(arrival.RoundedElements, widened);
        return widened;
    }

    private void TakeLoss(NodeId from, Arrival arrival)
    {
        ref readonly FrameHeader frame = ref arrival.Header;
        double lossSum = BinaryPrimitives.ReadDoubleLittleEndian(arrival.Payload);
        ArrivalVerdict verdict = State.EnterLoss(new LossHeader(
            State.Directive.Run, State.Directive.Generation, frame.Step, frame.Node, lossSum));
        if (verdict == ArrivalVerdict.Entered && _run.Verification.Includes(frame.Step))
        {
            _pushes.EnterLoss(from, frame.Node, lossSum);
        }
    }

    private void GradientIsWhole()
    {
        if (Meter.Wants(State.Version))
        {
            _wholeAt = _context.Now;
            Meter.Gathered(
                State.Directive.Generation, State.Version, _wholeAt.Value - State.StepBegan);
        }
    }

    private void TellVersion()
    {
        if (_wholeAt is { } since)
        {
            _wholeAt = null;
            Meter.Applied(
                State.Directive.Generation, State.Version - 1, _context.Now - since);
        }

        Meter.Made(State.Version);
        if (State.Slice == 0)
        {
            Meter.Trained(_run.Dimensions.GlobalRows(State.Version - 1));
        }
    }

    private void ReportPushes()
    {
        if (_run.Verification.Includes(State.Version))
        {
            Pushed = new PushReport(
                State.Directive.Run, State.Directive.Generation, _context.Node, State.Slice,
                State.Version, _pushes.Take());
        }
    }

    private void TakeSums(Arrival arrival)
    {
        ref readonly FrameHeader frame = ref arrival.Header;
        if (!_gathering.TryGather(
            arrival, out ReadOnlySpan<PieceSums> sums, out SumsHead head))
        {
            return;
        }

        State.EnterSums(
            new SumsHeader(
                State.Directive.Run, State.Directive.Generation, frame.Step, frame.Piece,
                head.LossSum, head.Asks, head.IsWilling),
            sums, out bool answer);
        if (answer)
        {
            SendSums(frame.Piece);
        }
    }

    private void TakeRequest(NodeId from, Arrival arrival)
    {
        ReadOnlySpan<byte> payload = arrival.Payload;
        var pieces = ImmutableArray.CreateBuilder<int>(payload.Length / sizeof(int));
        for (; !payload.IsEmpty; payload = payload[sizeof(int)..])
        {
            pieces.Add(BinaryPrimitives.ReadInt32LittleEndian(payload));
        }

        var request = new PiecesRequest(
            State.Directive.Run, State.Directive.Generation, arrival.Header.Step,
            pieces.MoveToImmutable());
        if (State.Judge(request) != ArrivalVerdict.Entered)
        {
            return;
        }

        if (!State.Plan.IsAverage(request.Pieces[0]))
        {
            _broadcasting!.Answer(from, request.Pieces, State.Version);
        }
        else if (Memory.AverageAt(State.Version) is { } average)
        {
            _broadcasting!.Answer(from, request.Pieces, average, State.Version);
        }
    }

    // Who has all of a version may push what it has computed with it, before this is told that the
    // last piece is on its way.
    private Broadcasting BeginSending(SharedWeights weights, long version)
    {
        _guard.Version = version;
        _broadcasting!.Begin(State.Directive.Workers, weights, version);
        return _broadcasting;
    }

    private void SendSums(bool onlyWhereMissing)
    {
        for (int slice = 0; slice < State.Plan.SliceCount; slice++)
        {
            if (slice != State.Slice && (!onlyWhereMissing || State.LacksSumsOf(slice)))
            {
                SendSums(slice);
            }
        }
    }

    // After the broadcast, which others wait for.
    private void RecordStep()
    {
        if (Curves is { } curves && State.LastStep is { } step)
        {
            curves.Enter(
                State.Version - 1, step.Loss, step.GradientNorm, State.Update.LearningRate,
                step.Took, _layers!.Gradients(State.AllSums));
        }
    }

    // What a link has no room for is sent again when it is missed.
    private void SendSums(int slice)
    {
        SumsHeader header = State.HeaderOfSums(slice);
        int total = State.Sums.Length;
        for (int frame = 0; frame < SumsFrame.FramesOf(total); frame++)
        {
            int first = frame * SumsFrame.MaxSums;
            int count = SumsFrame.CountOf(total, frame);
            ReadOnlySpan<byte> payload = SumsFrame.Write(
                new SumsHead(header.LossSum, header.Asks, header.IsWilling),
                State.Sums.Slice(first, count), _payload);
            _context.Links.TrySend(
                State.Directive.Servers[slice],
                FrameHeader.BlockSums(
                    _hash, header.Generation.Value, header.Step, State.Slice, first,
                    SumsFrame.WordsOf(count)),
                payload);
        }
    }
}
