using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>
/// −ln p[y] of the target class y, with p = softmax(outputs): the outputs are logits, any of them,
/// and nothing overflows. With label smoothing ε over K classes and class weights w, a row's loss
/// is −(1 − ε)·w[y]·ln p[y] − ε / K·Σ w[c]·ln p[c]: that of PyTorch's CrossEntropyLoss with
/// reduction='sum'. Weighted batches are divided by their rows, not by their weights, so that a
/// row's gradient does not depend on the rows beside it.
/// </summary>
public sealed record SoftmaxCrossEntropy : Loss
{
    /// <summary>With the given smoothing and weights.</summary>
    /// <param name="labelSmoothing">ε in [0, 1): the part of the target that is spread evenly over
    /// all classes.</param>
    /// <param name="classWeights">One weight a class, at least 0, one of them positive; empty or
    /// default: all 1.</param>
    /// <param name="paddingClass">See <see cref="Loss.PaddingClass"/>.</param>
    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    public SoftmaxCrossEntropy(
        float labelSmoothing = 0, ImmutableArray<float> classWeights = default,
        int? paddingClass = null)
    {
        if (!(labelSmoothing >= 0 && labelSmoothing < 1))
        {
            throw new ArgumentOutOfRangeException(
                nameof(labelSmoothing), labelSmoothing, "label smoothing lies in [0, 1)");
        }

        ClassWeights = classWeights.IsDefault ? [] : classWeights;
        if (ClassWeights.Any(weight => !(weight >= 0) || !float.IsFinite(weight))
            || (!ClassWeights.IsEmpty && ClassWeights.All(weight => weight == 0)))
        {
            throw new ArgumentException(
                "class weights are finite and not negative, and one of them is positive",
                nameof(classWeights));
        }

        LabelSmoothing = labelSmoothing;
        PaddingClass = paddingClass;
    }

    /// <summary>ε: the part of the target that is spread evenly over all classes. Default 0.
    /// </summary>
    public float LabelSmoothing { get; }

    /// <summary>One weight a class; empty: all 1.</summary>
    public ImmutableArray<float> ClassWeights { get; }

    /// <inheritdoc/>
    public override int? PaddingClass { get; }

    /// <summary>Whether a row's target is a probability for each class in the place of a class's
    /// index, as mixed samples have it: the loss is then −Σ w[c]·((1 − ε)·t[c] + ε / K)·ln p[c],
    /// PyTorch's of such targets. Default false.</summary>
    public bool SoftTargets { get; init; }

    /// <inheritdoc/>
    public override string Name => "softmax-cross-entropy";

    /// <inheritdoc/>
    public override TargetKind Target =>
        SoftTargets ? TargetKind.Values : TargetKind.ClassIndex;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A target is no index of an output, or there is not a
    /// class weight for each output.</exception>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient)
    {
        if (!ClassWeights.IsEmpty && ClassWeights.Length != width)
        {
            throw new ArgumentException(
                $"{ClassWeights.Length} class weights for {width} outputs: give one for each",
                nameof(width));
        }

        if (!SoftTargets)
        {
            CheckTargets(targets, rows, width);
        }

        fixed (float* weights = ClassWeights.AsSpan())
        {
            var body = new SoftmaxCrossEntropyRows
            {
                Outputs = outputs,
                Targets = targets,
                Rows = rows,
                Width = width,
                SoftTargets = SoftTargets,
                PaddingClass = PaddingClass,
                ClassWeights = weights,
                Terms = new SmoothingTerms(LabelSmoothing, ClassWeights.AsSpan(), width),
                Scale = scale,
                RowLosses = rowLosses,
                Gradient = gradient,
            };
            RunRows(pool, ref body, (long)rows * width);
        }
    }

    /// <inheritdoc/>
    public override double Reference(ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets)
    {
        double max = double.NegativeInfinity, sum = 0;
        foreach (double output in outputs)
        {
            max = Math.Max(max, output);
        }

        foreach (double output in outputs)
        {
            sum += ExactMath.Exp(output - max);
        }

        double logSum = ExactMath.Log(sum);
        if (SoftTargets)
        {
            double soft = 0;
            for (int i = 0; i < outputs.Length; i++)
            {
                double part = ((1.0 - LabelSmoothing) * targets[i])
                    + ((double)LabelSmoothing / outputs.Length);
                soft -= Weight(i) * part * (outputs[i] - max - logSum);
            }

            return soft;
        }

        int target = (int)targets[0];
        double loss = -(1.0 - LabelSmoothing) * Weight(target) * (outputs[target] - max - logSum);
        for (int i = 0; i < outputs.Length; i++)
        {
            double logProbability = outputs[i] - max - logSum;
            loss -= (double)LabelSmoothing / outputs.Length * Weight(i) * logProbability;
        }

        return loss;
    }

    /// <summary>Equal smoothing and equal weights, element by element.</summary>
    public bool Equals(SoftmaxCrossEntropy? other) =>
        other is not null && LabelSmoothing.Equals(other.LabelSmoothing)
        && SoftTargets == other.SoftTargets && PaddingClass == other.PaddingClass
        && ClassWeights.AsSpan().SequenceEqual(other.ClassWeights.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(LabelSmoothing, ClassWeights.Length);

    /// <summary>Weights element by element: what identifies a run tells its losses apart by their
    /// text.</summary>
    protected override bool PrintMembers(StringBuilder text)
    {
        string weights = string.Join(
            ' ', ClassWeights.Select(weight => weight.ToString(CultureInfo.InvariantCulture)));
        text.Append(
            CultureInfo.InvariantCulture,
            $"LabelSmoothing = {LabelSmoothing}, ClassWeights = [{weights}]");
        text.Append(SoftTargets ? ", SoftTargets" : "");
        text.Append(
            CultureInfo.InvariantCulture,
            $"{(PaddingClass is { } padding ? $", PaddingClass = {padding}" : "")}");
        return true;
    }

    private double Weight(int index) => ClassWeights.IsEmpty ? 1 : ClassWeights[index];

    private static unsafe void CheckTargets(float* targets, int rows, int width)
    {
        for (int row = 0; row < rows; row++)
        {
            float target = targets[row];
            if (!(target >= 0 && target < width) || target != (int)target)
            {
                throw new ArgumentException(
                    $"row {row} has class {target}; the network has outputs 0 to {width - 1}",
                    nameof(targets));
            }
        }
    }
}

/// <summary>What all rows of a <see cref="SoftmaxCrossEntropy"/> have in common: the factors of the
/// target class and of the smoothing over all classes.</summary>
internal readonly struct SmoothingTerms
{
    /// <summary>1 − ε.</summary>
    public readonly float OnTarget;

    /// <summary>ε / K.</summary>
    public readonly float OnEach;

    /// <summary>ε / K·Σ w.</summary>
    public readonly float OnAll;

    public SmoothingTerms(float smoothing, ReadOnlySpan<float> classWeights, int classes)
    {
        double weightSum = classWeights.IsEmpty ? classes : 0;
        foreach (float weight in classWeights)
        {
            weightSum += weight;
        }

        OnTarget = (float)(1.0 - smoothing);
        OnEach = (float)((double)smoothing / classes);
        OnAll = (float)(smoothing * weightSum / classes);
    }
}

/// <summary>The rows of a <see cref="SoftmaxCrossEntropy"/>, cut among threads.</summary>
internal unsafe struct SoftmaxCrossEntropyRows : IParallelBody
{
    public required float* Outputs;
    public required float* Targets;
    public required int Rows;
    public required int Width;
    public required bool SoftTargets;
    public int? PaddingClass;
    public required float* ClassWeights;
    public required SmoothingTerms Terms;
    public required float Scale;
    public required float* RowLosses;
    public required float* Gradient;

    /// <inheritdoc/>
    public readonly void Run(int part, int parts) => Run(SimdWidths.Best, part, parts);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public readonly void Run(SimdWidth simdWidth, int part, int parts)
    {
        int start = ComputePool.PartStart(Rows, part, parts);
        int end = ComputePool.PartStart(Rows, part + 1, parts);
        for (int row = start; row < end; row++)
        {
            if (SoftTargets)
            {
                SoftRow(simdWidth, row);
            }
            else
            {
                Row(simdWidth, row);
            }
        }
    }

    // With q[c] = w[c]·((1 − ε)·t[c] + ε / K) the loss is Σ q[c]·(−ln p[c]), and its derivative
    // p[c]·Σ q − q[c]; every term of both sums is positive. Chains over classes, the same at every
    // width.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void SoftRow(SimdWidth simdWidth, int row)
    {
        float* logits = Outputs + ((long)row * Width), targets = Targets + ((long)row * Width);
        float* gradient = Gradient is null ? null : Gradient + ((long)row * Width);
        float max = Reductions.MapReduce(
            simdWidth, default(MaxReduction), logits, Width, null);
        float sum = Reductions.MapReduce(
            simdWidth, new ExpSum(max), logits, Width, gradient);
        float logSum = ElementFunctions.Log<float, SimdScalar>(sum);
        float loss = 0, weights = 0;
        for (int i = 0; i < Width; i++)
        {
            float q = SoftWeight(targets, i);
            loss += q * (max - logits[i] + logSum);
            weights += q;
        }

        RowLosses[row] = loss;
        if (gradient is not null)
        {
            float factor = Scale * weights / sum;
            for (int i = 0; i < Width; i++)
            {
                gradient[i] = (factor * gradient[i]) - (Scale * SoftWeight(targets, i));
            }
        }
    }

    private readonly float SoftWeight(float* targets, int i) =>
        (ClassWeights is null ? 1 : ClassWeights[i])
        * ((Terms.OnTarget * targets[i]) + Terms.OnEach);

    // Compiled at once: before the runtime gets round to optimizing it, each of the logarithm's
    // operations would be a call.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Row(SimdWidth simdWidth, int row)
    {
        float* logits = Outputs + ((long)row * Width);
        float* gradient = Gradient is null ? null : Gradient + ((long)row * Width);
        int target = (int)Targets[row];
        if (target == PaddingClass)
        {
            RowLosses[row] = 0;
            if (gradient is not null)
            {
                new Span<float>(gradient, Width).Clear();
            }

            return;
        }

        float weight = ClassWeights is null ? 1 : ClassWeights[target];

        // The exponentials are kept in the gradient's place.
        float max = Reductions.MapReduce(
            simdWidth, default(MaxReduction), logits, Width, null);
        float targetGap = max - logits[target];
        float sum = Reductions.MapReduce(
            simdWidth, new ExpSum(max), logits, Width, gradient);
        float logSum = ElementFunctions.Log<float, SimdScalar>(sum);
        float onTarget = Terms.OnTarget * weight;
        float loss = onTarget * (targetGap + logSum);
        if (Terms.OnEach != 0)
        {
            loss += Terms.OnEach * WeightedLogSum(simdWidth, logits, max, logSum);
        }

        RowLosses[row] = loss;
        if (gradient is not null)
        {
            // dLoss/dx[c] = p[c]·(1 − ε)·w[y] + p[c]·ε / K·Σ w − ε / K·w[c] − (1 − ε)·w[y]·[c = y].
            Differentiate(simdWidth, Scale * (onTarget + Terms.OnAll) / sum, gradient);
            gradient[target] -= Scale * onTarget;
        }
    }

    // Σ w[c]·(−ln p[c]); every term is positive, so none cancels.
    private readonly float WeightedLogSum(
        SimdWidth simdWidth, float* logits, float max, float logSum)
    {
        if (ClassWeights is null)
        {
            return Reductions.MapReduce(
                simdWidth, new NegativeLogProbability(max, logSum), logits, Width, null);
        }

        float sum = 0;
        for (int i = 0; i < Width; i++)
        {
            sum = MathF.FusedMultiplyAdd(ClassWeights[i], max - logits[i] + logSum, sum);
        }

        return sum;
    }

    private readonly void Differentiate(SimdWidth simdWidth, float factor, float* gradient)
    {
        float onEach = -Terms.OnEach * Scale;
        if (ClassWeights is null || onEach == 0)
        {
            Elementwise.Map(
                simdWidth, new ScaledShifted(factor, onEach), gradient, Width, gradient);
            return;
        }

        Elementwise.Map(
            simdWidth, new ScaledSum(factor, onEach), gradient, ClassWeights, Width, gradient);
    }
}

/// <summary>Σ ((max − x) + logSum) = Σ −ln p.</summary>
internal readonly struct NegativeLogProbability(float max, float logSum) : IMapReduction
{
    /// <inheritdoc/>
    public float Start => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Add(TSimd.Subtract(TSimd.Create(max), x), TSimd.Create(logSum));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.Add(a, b);
}

/// <summary>factor·x + shift.</summary>
internal readonly struct ScaledShifted(float factor, float shift) : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.FusedMultiplyAdd(x, TSimd.Create(factor), TSimd.Create(shift));
}

/// <summary>factor·x + otherFactor·y.</summary>
internal readonly struct ScaledSum(float factor, float otherFactor) : IBinaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.FusedMultiplyAdd(
            x, TSimd.Create(factor), TSimd.Multiply(y, TSimd.Create(otherFactor)));
}
