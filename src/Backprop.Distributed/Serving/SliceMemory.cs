using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving;

/// <summary>The numbers of one slice: weights, gradient, optimizer state, the best weights, and a
/// copy that is being saved. One caller at a time.</summary>
internal sealed class SliceMemory
{
    private readonly SlicePlan _plan;
    private readonly int _slice;
    private readonly UpdateRules _rules;
    private readonly ParameterUpdate _update;
    private readonly PieceSums[] _sums;

    // Of each block, how many pieces lie in it, and how many of them are not whole yet.
    private readonly int[] _pieces;
    private readonly int[] _piecesLeft;
    private readonly AlignedBuffer _state;
    private readonly int _stateCount;
    private readonly int _blocksAtOnce;
    private int _blocksLeft;
    private AlignedBuffer? _best;
    private Copy? _copy;
    private SharedWeights? _average;
    private long _averageVersion = -1;

    /// <summary>Takes the memory.</summary>
    /// <param name="plan">How the vector is cut.</param>
    /// <param name="slice">The slice.</param>
    /// <param name="rules">How gradients become updates.</param>
    /// <param name="bytesToWait">What gradients may take that wait for others.</param>
    /// <param name="pool">The threads to compute with.</param>
    /// <exception cref="InsufficientMemoryException">There is not as much.</exception>
    public SliceMemory(
        SlicePlan plan, int slice, UpdateRules rules, long bytesToWait, ComputePool pool)
    {
        _plan = plan;
        _slice = slice;
        _stateCount = rules.StateCount;
        _rules = rules;
        _blocksAtOnce = SlicePlan.MaxPieceBlocks * pool.Threads;
        _update = new ParameterUpdate(
            plan.Layout, plan.FirstBlock(slice), plan.FirstBlock(slice + 1), rules, pool);
        _sums = new PieceSums[_update.PieceCount];
        _pieces = PiecesOfBlocks();
        _piecesLeft = new int[_pieces.Length];
        BeginGradient();
        _state = new AlignedBuffer(_update.StateLength);
        Weights = new WeightsRing(_update.Length);
        Gradient = new GradientValues(plan, slice, bytesToWait);
    }

    /// <summary>The weights.</summary>
    public WeightsRing Weights { get; }

    /// <summary>The gradient's nodes.</summary>
    public GradientValues Gradient { get; }

    /// <summary>Bytes that a slice takes, with its best weights, a copy of everything, and the
    /// average if epochs are evaluated with that.</summary>
    public static long Bytes(SlicePlan plan, int slice, UpdateRules rules)
    {
        long length = plan.SliceStart(slice + 1) - plan.SliceStart(slice);
        int stateCount = rules.StateCount;
        int vectors = WeightsRing.Count + 1 + stateCount + 1 + (1 + stateCount + 1)
            + (rules.Averaging is { EvaluatesEpochs: true } ? 1 : 0);
        return vectors * length * sizeof(float);
    }

    /// <summary>Takes the slice's part of a whole vector as its weights.</summary>
    public void TakeWeights(AlignedBuffer all) =>
        all.Span.Slice(_update.Offset, _update.Length).CopyTo(Weights.Current.Buffer.Span);

    /// <summary>What to fill from a checkpoint, or from copies in memory.</summary>
    public SliceContent ContentToRestore(bool hasBest)
    {
        if (hasBest)
        {
            _best ??= new AlignedBuffer(_update.Length);
        }

        return ContentOf(Weights.Current.Buffer, _state, hasBest ? _best : null);
    }

    /// <summary>The weights of now, the state, and the best weights if there are any.</summary>
    public SliceContent ContentOfNow(bool hasBest) =>
        ContentOf(Weights.Current.Buffer, _state, hasBest ? _best : null);

    /// <summary>Keeps what the run has come to at a version, that of now, as the best.</summary>
    public void KeepBest(long version)
    {
        _best ??= new AlignedBuffer(_update.Length);
        _rules.ResultOf(version, Weights.Current.Buffer, _state).CopyTo(_best.Span);
    }

    /// <summary>What the run has come to at a version, that of now, to be sent; null: links still
    /// have that of another version.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public SharedWeights? AverageAt(long version)
    {
        _average ??= new SharedWeights(_update.Length);
        if (_averageVersion != version)
        {
            if (!_average.IsFree)
            {
                return null;
            }

            _rules.ResultOf(version, Weights.Current.Buffer, _state)
                .CopyTo(_average.Buffer.Span);
            _averageVersion = version;
        }

        return _average;
    }

    /// <summary>A copy of weights, state, and the best weights if there are any, to be saved; good
    /// until the next. Training stands for it: best weights that are those of now, or those of the
    /// last copy, are not copied once more.</summary>
    /// <param name="version">The version of now.</param>
    /// <param name="bestVersion">That of the best weights; null: there are none.</param>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public SliceContent CopyForCheckpoint(long version, long? bestVersion)
    {
        _copy ??= new Copy(
            new AlignedBuffer(_update.Length), new AlignedBuffer(_update.StateLength));
        Weights.Current.Buffer.Span.CopyTo(_copy.Weights.Span);
        _state.Span.CopyTo(_copy.State.Span);
        return ContentOf(
            _copy.Weights, _copy.State,
            bestVersion is not { } best ? null
            : best == version && _rules.Averaging is null ? _copy.Weights
            : CopyOfBest(_copy, best));
    }

    /// <summary>Whether all weights are finite.</summary>
    public bool WeightsAreFinite()
    {
        foreach (float weight in Weights.Current.Buffer.Span)
        {
            if (!float.IsFinite(weight))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The gradient of a piece is whole: finishes it, while the processor still has it in
    /// its cache and other pieces are on their way, but for blocks that go on in other pieces.
    /// </summary>
    public void Finish(in Piece piece)
    {
        int length = _plan.Layout.BlockLength;
        int first = piece.Offset / length;
        int end = (piece.End + length - 1) / length;
        for (int block = first; block < end; block++)
        {
            if (--_piecesLeft[block - _update.FirstBlock] > 0)
            {
                FinishBlocks(first, block);
                first = block + 1;
            }
        }

        FinishBlocks(first, end);
    }

    /// <summary>The sums of the slice, whose gradient is finished.</summary>
    /// <exception cref="InvalidOperationException">It is not.</exception>
    public ReadOnlySpan<PieceSums> TakeSums()
    {
        if (_blocksLeft > 0)
        {
            throw new InvalidOperationException(
                $"{_blocksLeft:N0} blocks of the gradient are not finished");
        }

        BeginGradient();
        return _sums;
    }

    /// <summary>Writes the next version, which becomes that of now. Its first blocks are sent while
    /// the later ones are written.</summary>
    /// <param name="step">The step.</param>
    /// <param name="next">Overwritten.</param>
    /// <param name="listener">Hears of each block.</param>
    /// <param name="broadcasting">Has begun to send it.</param>
    public void Apply(
        in UpdateStep step, SharedWeights next, IBlockListener? listener,
        Broadcasting broadcasting)
    {
        int end;
        for (int block = _update.FirstBlock; block < _update.EndBlock; block = end)
        {
            end = Math.Min(block + _blocksAtOnce, _update.EndBlock);
            _update.ApplyBlocks(
                step, block, end, Gradient.Gradient, Weights.Current.Buffer, _state, next.Buffer,
                listener);
            broadcasting.SendTo((int)Math.Min(
                (long)end * _plan.Layout.BlockLength, _plan.Layout.Length));
        }

        Weights.Advance(next);
    }

    /// <summary>The digest of the version of now.</summary>
    public VersionDigest DigestOfWeights() =>
        VersionDigest.Of(_update.FirstBlock, Weights.Current.Buffer.Span);

    /// <summary>Takes the weights of the version before.</summary>
    public void GoBack()
    {
        Weights.GoBack();
        BeginGradient();
    }

    /// <summary>Lets go of everything; what is being read from a checkpoint or saved into one is
    /// freed when that has ended.</summary>
    /// <param name="isRead">Whether a restoration is under way.</param>
    /// <param name="isSaved">Whether the copy is being saved.</param>
    public void Retire(bool isRead, bool isSaved)
    {
        Gradient.Dispose();
        _average?.Retire();
        if (!isRead)
        {
            Weights.Retire();
            _state.Dispose();
            _best?.Dispose();
        }

        if (!isSaved)
        {
            _copy?.Dispose();
        }
    }

    private void BeginGradient()
    {
        _blocksLeft = _pieces.Length;
        _pieces.CopyTo(_piecesLeft, 0);
    }

    private int[] PiecesOfBlocks()
    {
        var pieces = new int[_update.EndBlock - _update.FirstBlock];
        for (int index = _plan.FirstPiece(_slice); index < _plan.FirstPiece(_slice + 1); index++)
        {
            Piece piece = _plan.Pieces[index];
            int last = (piece.End - 1) / _plan.Layout.BlockLength;
            for (int block = piece.Offset / _plan.Layout.BlockLength; block <= last; block++)
            {
                pieces[block - _update.FirstBlock]++;
            }
        }

        return pieces;
    }

    private void FinishBlocks(int first, int end)
    {
        if (first < end)
        {
            _update.PrepareBlocks(
                first, end, Weights.Current.Buffer, measureWeights: true, Gradient.Gradient,
                _sums);
            _blocksLeft -= end - first;
        }
    }

    private SliceContent ContentOf(
        AlignedBuffer weights, AlignedBuffer state, AlignedBuffer? best) => new(
        new PieceCut(_plan.Layout.Length, _stateCount, best is not null),
        _plan.FirstBlock(_slice), _plan.FirstBlock(_slice + 1), weights, state, best);

    private AlignedBuffer CopyOfBest(Copy copy, long version)
    {
        copy.Best ??= new AlignedBuffer(_update.Length);
        if (copy.BestVersion != version)
        {
            _best!.Span.CopyTo(copy.Best.Span);
            copy.BestVersion = version;
        }

        return copy.Best;
    }

    private sealed class Copy(AlignedBuffer weights, AlignedBuffer state) : IDisposable
    {
        public AlignedBuffer Weights => weights;

        public AlignedBuffer State => state;

        public AlignedBuffer? Best { get; set; }

        // What is in Best; −1: nothing.
        public long BestVersion { get; set; } = -1;

        public void Dispose()
        {
            weights.Dispose();
            state.Dispose();
            Best?.Dispose();
        }
    }
}
