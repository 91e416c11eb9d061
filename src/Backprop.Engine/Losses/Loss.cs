using System.Globalization;
using System.Text;
using Backprop.Engine.Layers;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>What a loss compares the outputs with.</summary>
public enum TargetKind
{
    /// <summary>One class index a row, stored as a float; of sequences one a position.</summary>
    ClassIndex,

    /// <summary>One value for each output.</summary>
    Values,
}

/// <summary>
/// A row's loss and its gradient. The loss of a batch is the mean of its rows' losses, and the
/// gradient that flows back into a row is scaled by 1 / (rows of the global batch), so that it does
/// not depend on which rows are computed together.
/// </summary>
public abstract record Loss
{
    /// <summary>The word of the specification: <c>softmax-cross-entropy</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What the outputs are compared with.</summary>
    public abstract TargetKind Target { get; }

    /// <summary>The class of positions that stand for nothing: they have no loss and no gradient,
    /// and metrics pass over them. A row's loss is the mean of its other positions', so that it
    /// does not depend on other rows; where it has none, 0. (PyTorch's <c>ignore_index</c> takes
    /// one mean over all positions of the batch that count, in which longer rows weigh more.) Null:
    /// every position counts.</summary>
    public virtual int? PaddingClass => null;

    /// <summary>How many judgements a row of outputs is: where classes are told apart and outputs
    /// are sequences, [positions, classes], one a position, and the row's loss is their mean; else
    /// 1. To the methods below each of them is a row.</summary>
    public int PositionsOf(Shape outputs) =>
        Target == TargetKind.ClassIndex ? Sequences.Positions(outputs) : 1;

    /// <summary>Positions of a row whose targets are not <see cref="PaddingClass"/>.</summary>
    /// <param name="targets">The row's, one a position.</param>
    public int CountedPositions(ReadOnlySpan<float> targets) => PaddingClass is { } padding
        ? targets.Length - targets.Count(padding)
        : targets.Length;

    /// <summary>Floats in a row of targets, for a network with such outputs.</summary>
    public int TargetWidth(Shape outputs) =>
        Target == TargetKind.ClassIndex ? PositionsOf(outputs) : outputs.Count;

    /// <summary>A whole row's loss in double precision: <see cref="Reference"/>, or its mean over
    /// positions that count.</summary>
    /// <param name="outputs">The row's outputs.</param>
    /// <param name="targets">[<see cref="TargetWidth"/>].</param>
    /// <param name="positions">As <see cref="PositionsOf"/> says.</param>
    public double ReferenceOfRow(
        ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets, int positions)
    {
        int width = outputs.Length / positions, targetWidth = targets.Length / positions;
        double sum = 0;
        for (int position = 0; position < positions; position++)
        {
            ReadOnlySpan<float> target = targets.Slice(position * targetWidth, targetWidth);
            sum += PaddingClass == target[0]
                ? 0
                : Reference(outputs.Slice(position * width, width), target);
        }

        int counted = PaddingClass is null ? positions : CountedPositions(targets);
        return sum / Math.Max(counted, 1);
    }

    /// <summary>Computes each row's loss and, unless <paramref name="gradient"/> is null, the
    /// gradient of scale·loss; both 0 where the target is <see cref="PaddingClass"/>.</summary>
    /// <param name="pool">The threads that share the rows.</param>
    /// <param name="outputs">[rows, width].</param>
    /// <param name="targets">[rows, <see cref="TargetWidth"/>].</param>
    /// <param name="rows">Rows present.</param>
    /// <param name="width">Outputs of the network.</param>
    /// <param name="scale">1 / (rows of the global batch).</param>
    /// <param name="rowLosses">[rows], overwritten.</param>
    /// <param name="gradient">[rows, width], overwritten; null: not wanted.</param>
    public abstract unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient);

    /// <summary>One row's loss in double precision: the plain definition.</summary>
    public abstract double Reference(ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets);

    /// <summary>What tells losses of one type apart is written by those that have anything: it is
    /// part of what a run is known by.</summary>
    protected virtual bool PrintMembers(StringBuilder text)
    {
        text.Append(CultureInfo.InvariantCulture, $"Name = {Name}, Target = {Target}");
        return true;
    }

    /// <summary>Runs a body that is cut by rows: on all threads where there is enough to do, on the
    /// calling one where waking the others would take longer.</summary>
    private protected static void RunRows<TBody>(ComputePool pool, ref TBody body, long elements)
        where TBody : struct, IParallelBody
    {
        const long WorthSharing = 8_192;
        if (elements < WorthSharing)
        {
            body.Run(0, 1);
            return;
        }

        pool.Run(ref body);
    }
}
