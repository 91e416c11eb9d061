using Backprop.Engine.Numerics;

namespace Backprop.Engine.Layers;

/// <summary>
/// o[t] = Σ over s of p[t, s]·v[s] for every head, with p[t, ·] the softmax over s of q[t]·k[s] /
/// √width; under a causal mask s runs to t, and nowhere into padding. With δ = dE/do:
/// dE/dv[s] = Σ over t p[t, s]·δ[t],
/// dE/dp[t, s] = δ[t]·v[s], with c[t] = δ[t]·o[t] the softmax's gradient is
/// e[t, s] = p[t, s]·(dE/dp[t, s] − c[t]) / √width, and dE/dq[t] = Σ over s e[t, s]·k[s],
/// dE/dk[s] = Σ over t e[t, s]·q[t], summed over the group of heads that share k and v.
/// </summary>
/// <remarks>
/// Weights p are never kept: a tile of queries has them at a time, forward and, computed again from
/// each query's largest score and sum of exponentials, backward (Dao et al., "FlashAttention",
/// 2022). A tile sees its keys whole, so that a query's softmax is one reduction in the order of
/// <see cref="Reductions"/>, and products are chains that ascend over keys, or over heads and
/// queries: no bit depends on the tile, the vector width or the threads, which share rows and
/// heads.
/// </remarks>
internal sealed unsafe class AttentionLayer : Layer
{
    /// <summary>What is kept of each query of each head: its largest score, and the sum of
    /// exponentials.</summary>
    public const int Statistics = 2;

    private readonly AttentionHeads _heads;
    private readonly bool _isCausal;
    private readonly int? _padding;

    /// <param name="name">Its name.</param>
    /// <param name="heads">How queries, keys and values lie.</param>
    /// <param name="isCausal">Whether a position sees no later ones.</param>
    /// <param name="padding">The token that fills sequences up at their end, which nobody sees; the
    /// layer's second input are the tokens then. Null: there is none.</param>
    public AttentionLayer(string name, AttentionHeads heads, bool isCausal, int? padding)
        : base(name, "attention", heads.InputShape, heads.OutputShape)
    {
        _heads = heads;
        _isCausal = isCausal;
        _padding = padding;
    }

    /// <inheritdoc/>
    public override Shape SkipShape =>
        _padding is null ? base.SkipShape : Shape.Of(_heads.Positions);

    /// <inheritdoc/>
    public override bool PassesGradientToSkip => _padding is null;

    /// <inheritdoc/>
    public override bool LooksAhead => !_isCausal;

    /// <inheritdoc/>
    public override int SavedPerRow => Statistics * _heads.Queries * _heads.Positions;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var body = new AttentionForward
        {
            Heads = _heads,
            IsCausal = _isCausal,
            Rows = pass.Rows,
            Padding = SequencePadding.Of(pass, _padding),
            Input = pass.Input,
            Statistics = pass.Saved,
            Output = pass.Output,
        };
        RowParallel.Run(pass.Pool, ScoresOf(pass.Rows), ref body);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        ForwardPass forward = pass.Forward;
        var body = new AttentionBackward
        {
            Heads = _heads,
            IsCausal = _isCausal,
            Rows = forward.Rows,
            Padding = SequencePadding.Of(forward, _padding),
            Input = forward.Input,
            Statistics = forward.Saved,
            Output = forward.Output,
            OutputGradient = pass.OutputGradient,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(forward.Pool, ScoresOf(forward.Rows), ref body);
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int positions = _heads.Positions;
        var weights = new double[positions];
        for (int row = 0; row < pass.Rows; row++)
        {
            ReadOnlySpan<double> input =
                pass.Input.Slice(row * InputShape.Count, InputShape.Count);
            Span<double> output = pass.Output.Slice(row * OutputShape.Count, OutputShape.Count);
            int length = SequencePadding.ReferenceLength(pass, row, positions, _padding);
            for (int head = 0; head < _heads.Queries; head++)
            {
                for (int t = 0; t < positions; t++)
                {
                    Span<double> seen = weights.AsSpan(
                        0, _isCausal ? Math.Min(t + 1, length) : length);
                    Weigh(input, head, t, seen);
                    int start = t * _heads.OutputWidth + head * _heads.Width;
                    Mix(input, head, seen, output.Slice(start, _heads.Width));
                }
            }
        }
    }

    private long ScoresOf(int rows) =>
        (long)rows * _heads.Queries * _heads.Positions * _heads.Positions;

    private void Weigh(ReadOnlySpan<double> input, int head, int t, Span<double> weights)
    {
        int width = _heads.Width, key = _heads.KeyOffset(head / _heads.Group);
        double largest = double.NegativeInfinity, sum = 0;
        for (int s = 0; s < weights.Length; s++)
        {
            double score = 0;
            for (int i = 0; i < width; i++)
            {
                score += input[t * _heads.InputWidth + head * width + i]
                    * input[s * _heads.InputWidth + key + i];
            }

            weights[s] = score / Math.Sqrt(width);
            largest = Math.Max(largest, weights[s]);
        }

        foreach (ref double weight in weights)
        {
            weight = ExactMath.Exp(weight - largest);
            sum += weight;
        }

        foreach (ref double weight in weights)
        {
            weight /= sum;
        }
    }

    private void Mix(
        ReadOnlySpan<double> input, int head, ReadOnlySpan<double> weights, Span<double> output)
    {
        output.Clear();
        int value = _heads.ValueOffset(head / _heads.Group);
        for (int s = 0; s < weights.Length; s++)
        {
            for (int i = 0; i < output.Length; i++)
            {
                output[i] += weights[s] * input[s * _heads.InputWidth + value + i];
            }
        }
    }
}
