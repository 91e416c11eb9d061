using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol;

namespace Backprop.Training.Simulation;

/// <summary>The numbers of a simulated parameter server's slice, and with each gradient how often
/// each micro-batch is counted in it.</summary>
internal sealed class SliceNumbers : IDisposable
{
    private readonly SlicePlan _plan;
    private readonly int _slice;
    private readonly int _states;
    private readonly bool _foldsInArrivalOrder;
    private readonly UpdateRules _rules;
    private readonly ParameterUpdate _update;
    private readonly Dictionary<(int Piece, int First), Held> _held = [];
    private readonly List<(int Piece, Held Node)> _arrived = [];
    private readonly AlignedBuffer _gradient;
    private AlignedBuffer _next;

    public SliceNumbers(
        SlicePlan plan, int slice, UpdateRules rules, ComputePool pool, bool foldsInArrivalOrder)
    {
        _plan = plan;
        _slice = slice;
        _states = rules.StateCount;
        _rules = rules;
        _foldsInArrivalOrder = foldsInArrivalOrder;
        _update = new ParameterUpdate(
            plan.Layout, plan.FirstBlock(slice), plan.FirstBlock(slice + 1), rules, pool);
        Weights = new AlignedBuffer(_update.Length);
        _next = new AlignedBuffer(_update.Length);
        Best = new AlignedBuffer(_update.Length);
        State = new AlignedBuffer(_update.StateLength);
        _gradient = new AlignedBuffer(_update.Length);
        Sums = new PieceSums[_update.PieceCount];
    }

    /// <summary>Where in the flat vector the slice begins.</summary>
    public int Offset => _update.Offset;

    /// <summary>[length].</summary>
    public AlignedBuffer Weights { get; private set; }

    /// <summary>[length].</summary>
    public AlignedBuffer Best { get; }

    /// <summary>[states · length].</summary>
    public AlignedBuffer State { get; }

    /// <summary>Of the gradient, once it is prepared.</summary>
    public PieceSums[] Sums { get; }

    /// <summary>Pieces of the slice: the first, and one past the last.</summary>
    public (int First, int End) Pieces => (_plan.FirstPiece(_slice), _plan.FirstPiece(_slice + 1));

    /// <summary>Keeps a node that was entered; false: one is held there already.</summary>
    public bool Enter(int piece, TreeNode node, int microBatches, float[] values)
    {
        var held = new Held([.. values], new int[microBatches]);
        held.Counts.AsSpan(
            node.FirstMicroBatch, node.EndMicroBatch(microBatches) - node.FirstMicroBatch).Fill(1);
        if (_foldsInArrivalOrder)
        {
            _arrived.Add((piece, held with { Values = [.. values] }));
        }

        return _held.TryAdd((piece, node.FirstMicroBatch), held);
    }

    /// <summary>Lets go of a node; false: none is held.</summary>
    public bool LetGo(int piece, int first)
    {
        bool wasHeld = _held.Remove((piece, first), out Held? held);
        _arrived.RemoveAll(one =>
            one.Piece == piece && one.Node.Counts.AsSpan().SequenceEqual(held!.Counts));
        return wasHeld;
    }

    /// <summary>Adds one node to another; false: one of them is not held.</summary>
    public bool Add(int piece, Fold fold)
    {
        if (!_held.TryGetValue((piece, fold.Kept), out Held? kept)
            || !_held.Remove((piece, fold.Released), out Held? released))
        {
            return false;
        }

        kept.Add(released.Values, released.Counts);
        return true;
    }

    /// <summary>The mistake of adding a node that is counted already.</summary>
    public void AddDuplicate(int piece, TreeNode node, int microBatches, float[] values)
    {
        var counts = new int[microBatches];
        counts.AsSpan(
            node.FirstMicroBatch, node.EndMicroBatch(microBatches) - node.FirstMicroBatch).Fill(1);
        (int Piece, int First)? covering = _held
            .Where(one => one.Key.Piece == piece && one.Value.Counts[node.FirstMicroBatch] > 0)
            .Select(one => ((int, int)?)one.Key).FirstOrDefault();
        if (covering is { } key)
        {
            _held[key].Add(values, counts);
        }
    }

    /// <summary>How often each micro-batch is counted in the root of a piece; null: there is none.
    /// </summary>
    public IReadOnlyList<int>? RootCounts(int piece) =>
        _held.GetValueOrDefault((piece, 0))?.Counts;

    /// <summary>Finishes the gradient.</summary>
    public void Prepare()
    {
        for (int piece = Pieces.First; piece < Pieces.End; piece++)
        {
            Root(piece).CopyTo(
                _gradient.Span.Slice(_plan.Pieces[piece].Offset - Offset, LengthOf(piece)));
        }

        _update.Prepare(Weights, measureWeights: true, _gradient, Sums);
    }

    /// <summary>Writes the next version.</summary>
    public void Apply(in UpdateStep step)
    {
        _update.Apply(step, _gradient, Weights, State, _next);
        (Weights, _next) = (_next, Weights);
        _held.Clear();
        _arrived.Clear();
    }

    /// <summary>Keeps what the run has come to at a version as the best.</summary>
    public void KeepBest(long version) =>
        _rules.ResultOf(version, Weights, State).CopyTo(Best.Span);

    /// <summary>Takes the weights of the version before.</summary>
    public void GoBack() => (Weights, _next) = (_next, Weights);

    /// <summary>A copy of a piece, by its number: of the weights, or of what the run has come to at
    /// a version, that of now.</summary>
    public float[] Piece(int number, long version)
    {
        Piece piece = _plan.PieceOf(number);
        ReadOnlySpan<float> values = _plan.IsAverage(number)
            ? _rules.ResultOf(version, Weights, State)
            : Weights.Span;
        return values.Slice(piece.Offset - Offset, piece.Length).ToArray();
    }

    /// <summary>A copy of blocks: weights, each state, best weights.</summary>
    public float[] CopyBlocks(int firstBlock, int endBlock)
    {
        (int start, int length) = Elements(firstBlock, endBlock);
        var content = new float[length * (_states + 2)];
        for (int section = 0; section < _states + 2; section++)
        {
            Section(section).Slice(start, length).CopyTo(content.AsSpan(section * length));
        }

        return content;
    }

    /// <summary>The parts of a copy that lie in this slice, taken in.</summary>
    /// <param name="part">What it is of.</param>
    /// <param name="content">As <see cref="CopyBlocks"/> writes it.</param>
    /// <param name="withState">Whether to take the optimizer's state.</param>
    public void TakeBlocks(CheckpointPart part, float[] content, bool withState)
    {
        int first = Math.Max(part.FirstBlock, _plan.FirstBlock(_slice));
        int end = Math.Min(part.EndBlock, _plan.FirstBlock(_slice + 1));
        if (first >= end)
        {
            return;
        }

        int total = content.Length / (_states + 2);
        int skipped = (first - part.FirstBlock) * _plan.Layout.BlockLength;
        (int start, int length) = Elements(first, end);
        for (int section = 0; section < _states + 2; section++)
        {
            if (withState || section == 0 || section > _states)
            {
                content.AsSpan((section * total) + skipped, length)
                    .CopyTo(Section(section)[start..]);
            }
        }
    }

    public void TakeFirstWeights(Network network, ulong seed)
    {
        using var all = new AlignedBuffer(_plan.Layout.Length);
        network.InitializeWeights(seed, all);
        all.Span.Slice(Offset, Weights.Length).CopyTo(Weights.Span);
    }

    public void Dispose()
    {
        Weights.Dispose();
        _next.Dispose();
        Best.Dispose();
        State.Dispose();
        _gradient.Dispose();
    }

    private int LengthOf(int piece) => _plan.Pieces[piece].Length;

    private float[] Root(int piece)
    {
        if (!_foldsInArrivalOrder)
        {
            return _held[(piece, 0)].Values;
        }

        var sum = new float[LengthOf(piece)];
        foreach ((_, Held node) in _arrived.Where(one => one.Piece == piece))
        {
            for (int i = 0; i < sum.Length; i++)
            {
                sum[i] += node.Values[i];
            }
        }

        return sum;
    }

    private (int Start, int Length) Elements(int firstBlock, int endBlock)
    {
        int block = _plan.Layout.BlockLength;
        int start = (firstBlock * block) - Offset;
        int end = Math.Min(endBlock * block, _plan.Layout.Length) - Offset;
        return (start, end - start);
    }

    private Span<float> Section(int index) => index == 0 ? Weights.Span
        : index > _states ? Best.Span
        : State.Span.Slice((index - 1) * Weights.Length, Weights.Length);

    private sealed record Held(float[] Values, int[] Counts)
    {
        public void Add(float[] values, int[] counts)
        {
            for (int i = 0; i < values.Length; i++)
            {
                Values[i] += values[i];
            }

            for (int i = 0; i < counts.Length; i++)
            {
                Counts[i] += counts[i];
            }
        }
    }
}
