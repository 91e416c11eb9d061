using System.Collections.Immutable;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Optimizers;

/// <summary>How a run turns gradients into updates.</summary>
/// <param name="Optimizer">The update rule.</param>
/// <param name="Penalty">What is added to the gradient.</param>
/// <param name="Clipping">How the gradient is limited.</param>
public sealed record UpdateRules(Optimizer Optimizer, Penalty Penalty, Clipping Clipping)
{
    /// <summary>Layers that are trained otherwise than the rest; the first that matches holds.
    /// </summary>
    public ImmutableArray<ParameterGroup> Groups { get; init; } = [];

    /// <summary>The average that the run comes to; null: none, it comes to its last weights.
    /// </summary>
    public Averaging? Averaging { get; init; }

    /// <summary>Floats of state a parameter: those of the optimizer, and last the average, if there
    /// is one.</summary>
    public int StateCount => Optimizer.StateCount + (Averaging is null ? 0 : 1);

    /// <summary>What a run, or a slice of one, has come to at a version: the average, or the
    /// weights where there is none.</summary>
    /// <param name="version">Steps done; before the first one there is no average.</param>
    /// <param name="weights">[length].</param>
    /// <param name="state">[<see cref="StateCount"/> · length].</param>
    public ReadOnlySpan<float> ResultOf(
        long version, AlignedBuffer weights, AlignedBuffer state) =>
        Averaging is null || version == 0
            ? weights.Span
            : state.Span.Slice(Optimizer.StateCount * weights.Length, weights.Length);
}

/// <summary>What one update is told beside the numbers themselves.</summary>
/// <param name="Step">The step, from 0.</param>
/// <param name="LearningRate">From the schedule.</param>
/// <param name="GradientScale">From <see cref="Clipping.ScaleFor"/>.</param>
/// <param name="MicroBatches">Micro-batches that had rows: what statistics are averaged over; see
/// <see cref="Gradients.MicroBatches.NonEmptyCount"/>.</param>
/// <param name="AverageShare">From <see cref="Averaging.ShareOf"/>; null: the average
/// stays.</param>
public readonly record struct UpdateStep(
    long Step, float LearningRate, float GradientScale, int MicroBatches,
    double? AverageShare = null);

/// <summary>Hears of new weights while the processor still has them in its cache.</summary>
public interface IBlockListener
{
    /// <summary>A block of the next version is written. Called by each of the threads that
    /// compute, for different blocks at once.</summary>
    /// <param name="block">The block.</param>
    /// <param name="weights">The block's weights with the padding between tensors, which is zero.
    /// </param>
    void OnBlock(int block, ReadOnlySpan<float> weights);
}

/// <summary>
/// The update of a slice, a run of whole parameter blocks: all of them in one process, a server's
/// share in a cluster. It is elementwise, so neither the cut into slices nor the number of threads
/// changes a bit (rule 5).
/// </summary>
/// <remarks>
/// A step is three calls. <see cref="Prepare"/> finishes the gradient and sums up each piece; the
/// sums of all slices together tell <see cref="ParameterNorms"/> whether everything is finite, and
/// the scale that clips by norm; <see cref="Apply"/> writes the new weights. Until then nothing is
/// lost but the gradient. Every buffer is as long as the slice. Nothing is allocated.
/// </remarks>
public sealed class ParameterUpdate
{
    private readonly ParameterLayout _layout;
    private readonly ParameterPieces _pieces;
    private readonly UpdateRules _rules;
    private readonly ComputePool _pool;
    private readonly ImmutableArray<ParameterGroup?> _groups;

    /// <summary>For blocks [<paramref name="firstBlock"/>, <paramref name="endBlock"/>).</summary>
    /// <exception cref="ArgumentException">There are no such blocks; a statistic has no momentum;
    /// or the state would be longer than a buffer may be.</exception>
    public ParameterUpdate(
        ParameterLayout layout, int firstBlock, int endBlock, UpdateRules rules, ComputePool pool)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstBlock);
        ArgumentOutOfRangeException.ThrowIfLessThan(endBlock, firstBlock);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endBlock, layout.BlockCount);
        foreach (ParameterView view in layout.Views)
        {
            bool isStatistic = view.Declaration.Role == ParameterRole.Statistic;
            if (isStatistic != view.Declaration.StatisticMomentum.HasValue)
            {
                throw new ArgumentException(
                    $"'{view.Name}': a statistic, and nothing else, has a momentum");
            }
        }

        _layout = layout;
        _pieces = new ParameterPieces(layout);
        _rules = rules;
        _pool = pool;
        _groups = [.. layout.Views.Select(view => ParameterGroup.Of(rules.Groups, view))];
        FirstBlock = firstBlock;
        EndBlock = endBlock;
        Offset = (int)Math.Min((long)firstBlock * layout.BlockLength, layout.Length);
        Length = (int)Math.Min((long)endBlock * layout.BlockLength, layout.Length)
            - Offset;
        long stateLength = (long)rules.StateCount * Length;
        if (stateLength > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"{rules.Optimizer.Name} needs {stateLength:N0} floats of state for blocks "
                + $"{firstBlock} to {endBlock}; a buffer holds {Shape.MaxCount:N0}");
        }

        StateLength = (int)stateLength;
    }

    /// <summary>The first block of the slice.</summary>
    public int FirstBlock { get; }

    /// <summary>One past the last block of the slice.</summary>
    public int EndBlock { get; }

    /// <summary>Where in the flat vector the slice begins.</summary>
    public int Offset { get; }

    /// <summary>Floats of the slice, padding included.</summary>
    public int Length { get; }

    /// <summary>Floats of optimizer state: one array as long as the slice after the
    /// other, the average last.</summary>
    public int StateLength { get; }

    /// <summary>Where in the sums of all pieces those of the slice begin.</summary>
    public int FirstPiece => _pieces.FirstOfBlock(FirstBlock);

    /// <summary>Pieces of the slice.</summary>
    public int PieceCount => _pieces.FirstOfBlock(EndBlock) - FirstPiece;

    /// <summary>Finishes the gradient in place: adds the penalty's, clears that of frozen
    /// parameters, clamps by value; and sums up each piece.</summary>
    /// <param name="weights">[<see cref="Length"/>], the version the gradient was computed at.
    /// </param>
    /// <param name="measureWeights">Whether to sum up the weights as well: for the penalty's value
    /// and the norms of the weights.</param>
    /// <param name="gradient">[<see cref="Length"/>], the root of the gradient tree;
    /// changed.</param>
    /// <param name="sums">[<see cref="PieceCount"/>], overwritten.</param>
    public void Prepare(
        AlignedBuffer weights, bool measureWeights, AlignedBuffer gradient,
        Memory<PieceSums> sums) => PrepareBlocks(
            FirstBlock, EndBlock, weights, measureWeights, gradient, sums);

    /// <summary>Finishes blocks [<paramref name="firstBlock"/>, <paramref name="endBlock"/>) of the
    /// gradient, and sums up their pieces; each block of a step once.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The slice has no such blocks, or a buffer is
    /// not as long as the slice.</exception>
    public void PrepareBlocks(
        int firstBlock, int endBlock, AlignedBuffer weights, bool measureWeights,
        AlignedBuffer gradient, Memory<PieceSums> sums)
    {
        CheckBlocks(firstBlock, endBlock);
        CheckLength(weights, Length, nameof(weights));
        CheckLength(gradient, Length, nameof(gradient));
        ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, PieceCount, nameof(sums));
        var body = new Preparation(
            this, firstBlock, endBlock, weights, measureWeights, gradient, sums);
        _pool.Run(ref body, PartsOf(endBlock - firstBlock));
    }

    /// <summary>Writes the next version of the slice: optimized parameters by the optimizer,
    /// statistics by their own rule, frozen ones as they are.</summary>
    /// <param name="step">The step, its learning rate and the gradient's scale.</param>
    /// <param name="gradient">[<see cref="Length"/>], prepared.</param>
    /// <param name="weights">[<see cref="Length"/>], the version the gradient was computed at.
    /// </param>
    /// <param name="state">[<see cref="StateLength"/>], updated; all zero before step 0.</param>
    /// <param name="newWeights">[<see cref="Length"/>], overwritten; may be
    /// <paramref name="weights"/>. Padding is left alone.</param>
    /// <param name="listener">Hears of each block as it is written; null: nobody does.</param>
    public void Apply(
        in UpdateStep step, AlignedBuffer gradient, AlignedBuffer weights, AlignedBuffer state,
        AlignedBuffer newWeights, IBlockListener? listener = null) => ApplyBlocks(
            step, FirstBlock, EndBlock, gradient, weights, state, newWeights, listener);

    /// <summary>Writes blocks [<paramref name="firstBlock"/>, <paramref name="endBlock"/>) of the
    /// next version; each block of a step once.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The slice has no such blocks, or a buffer is
    /// not as long as the slice.</exception>
    public void ApplyBlocks(
        in UpdateStep step, int firstBlock, int endBlock, AlignedBuffer gradient,
        AlignedBuffer weights, AlignedBuffer state, AlignedBuffer newWeights,
        IBlockListener? listener)
    {
        CheckBlocks(firstBlock, endBlock);
        CheckLength(gradient, Length, nameof(gradient));
        CheckLength(weights, Length, nameof(weights));
        CheckLength(state, StateLength, nameof(state));
        CheckLength(newWeights, Length, nameof(newWeights));
        var body = new Application(
            this, step, firstBlock, endBlock, gradient, weights, state, newWeights, listener);
        _pool.Run(ref body, PartsOf(endBlock - firstBlock));
    }

    private static void CheckLength(AlignedBuffer buffer, int length, string name) =>
        ArgumentOutOfRangeException.ThrowIfNotEqual(buffer.Length, length, name);

    private void CheckBlocks(int first, int end)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(first, FirstBlock);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, EndBlock);
    }

    private int PartsOf(int blocks) => Math.Clamp(blocks, 1, _pool.Threads);

    private readonly unsafe struct Preparation(
        ParameterUpdate update, int firstBlock, int endBlock, AlignedBuffer weights,
        bool measureWeights, AlignedBuffer gradient, Memory<PieceSums> sums) : IParallelBody
    {
        public void Run(int part, int parts)
        {
            int blocks = endBlock - firstBlock;
            int first = update._pieces.FirstOfBlock(
                firstBlock + ComputePool.PartStart(blocks, part, parts));
            int end = update._pieces.FirstOfBlock(
                firstBlock + ComputePool.PartStart(blocks, part + 1, parts));
            Span<PieceSums> results = sums.Span;
            for (int piece = first; piece < end; piece++)
            {
                results[piece - update.FirstPiece] = Finish(update._pieces.All[piece]);
            }
        }

        private PieceSums Finish(in ParameterPiece piece)
        {
            ParameterDeclaration parameter = update._layout.Views[piece.View].Declaration;
            UpdateRules rules = update._rules;
            float* g = gradient.Pointer + (piece.Offset - update.Offset);
            float* w = weights.Pointer + (piece.Offset - update.Offset);
            if (!parameter.Trainable)
            {
                new Span<float>(g, piece.Length).Clear();
            }
            else if (parameter.Role == ParameterRole.Weight && !rules.Penalty.IsNone)
            {
                Elementwise.Map(new PenaltyGradient(rules.Penalty), g, w, piece.Length, g);
            }

            if (parameter.IsOptimized && rules.Clipping.ByValue is { } limit)
            {
                Elementwise.Map(new ClampFinite(limit), g, piece.Length, g);
            }

            return new PieceSums(
                Reductions.SumOfSquaresInDouble(g, piece.Length),
                measureWeights ? Reductions.SumOfSquaresInDouble(w, piece.Length) : 0,
                measureWeights && rules.Penalty.L1 != 0
                    ? MagnitudeSum.Of(w, piece.Length)
                    : 0);
        }
    }

    private readonly unsafe struct Application(
        ParameterUpdate update, UpdateStep step, int firstBlock, int endBlock,
        AlignedBuffer gradient, AlignedBuffer weights, AlignedBuffer state,
        AlignedBuffer newWeights, IBlockListener? listener) : IParallelBody
    {
        public void Run(int part, int parts)
        {
            int blocks = endBlock - firstBlock;
            int end = firstBlock + ComputePool.PartStart(blocks, part + 1, parts);
            for (int block = firstBlock + ComputePool.PartStart(blocks, part, parts);
                block < end; block++)
            {
                int endPiece = update._pieces.FirstOfBlock(block + 1);
                for (int piece = update._pieces.FirstOfBlock(block); piece < endPiece; piece++)
                {
                    Advance(update._pieces.All[piece]);
                }

                listener?.OnBlock(block, NewWeightsOf(block));
            }
        }

        private ReadOnlySpan<float> NewWeightsOf(int block)
        {
            int start = (block - update.FirstBlock) * update._layout.BlockLength;
            return new ReadOnlySpan<float>(
                newWeights.Pointer + start,
                Math.Min(update._layout.BlockLength, update.Length - start));
        }

        private void Advance(in ParameterPiece piece)
        {
            ParameterDeclaration parameter = update._layout.Views[piece.View].Declaration;
            int start = piece.Offset - update.Offset;
            float* g = gradient.Pointer + start, w = weights.Pointer + start;
            float* to = newWeights.Pointer + start;
            if (!parameter.Trainable)
            {
                new Span<float>(w, piece.Length).CopyTo(new Span<float>(to, piece.Length));
            }
            else if (parameter.StatisticMomentum is { } momentum)
            {
                Elementwise.Map(
                    new StatisticUpdate(momentum, step.MicroBatches), g, w, piece.Length, to);
            }
            else
            {
                ParameterGroup? group = update._groups[piece.View];
                var optimizerStep = new OptimizerStep(
                    step.Step, (float)(step.LearningRate * (group?.LearningRateFactor ?? 1)),
                    step.GradientScale, Decay: parameter.Role == ParameterRole.Weight,
                    group?.WeightDecay);
                update._rules.Optimizer.Update(
                    optimizerStep, g, w, state.Pointer + start, update.Length, piece.Length, to);
            }

            if (update._rules.Averaging is not null && step.AverageShare is { } share)
            {
                float* average = state.Pointer
                    + ((nint)update._rules.Optimizer.StateCount * update.Length) + start;
                Elementwise.Map(new AverageUpdate(share), average, to, piece.Length, average);
            }
        }
    }
}
