using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>A tile of queries of one head of one row, and the keys that they see.</summary>
/// <param name="First">The first query.</param>
/// <param name="Count">Queries.</param>
/// <param name="Keys">Keys that the last of them sees, from position 0.</param>
/// <param name="Stride">Floats from a query's scores to the next's.</param>
internal readonly record struct QueryTile(int First, int Count, int Keys, int Stride)
{
    /// <summary>Queries of a tile: scores of so many lie in the second-level cache for sequences of
    /// a thousand positions.</summary>
    public const int Queries = 64;

    private const int FloatsPerLine = 16;

    /// <summary>The tile that begins at <paramref name="first"/>.</summary>
    /// <param name="first">Its first query.</param>
    /// <param name="positions">Positions of a sequence.</param>
    /// <param name="length">Those of them that are no padding: keys that anybody sees.</param>
    /// <param name="isCausal">Whether a query sees no later keys.</param>
    public static QueryTile At(int first, int positions, int length, bool isCausal)
    {
        int count = Math.Min(Queries, positions - first);
        int keys = isCausal ? Math.Min(first + count, length) : length;
        return new QueryTile(first, count, keys, StrideOf(positions));
    }

    /// <summary>Floats that scores of a tile take.</summary>
    public static long Floats(int positions) =>
        (long)Math.Min(Queries, positions) * StrideOf(positions);

    /// <summary>Keys that a query sees, counted in the tile.</summary>
    public int Seen(int query, bool isCausal) =>
        isCausal ? Math.Min(First + query + 1, Keys) : Keys;

    private static int StrideOf(int positions) =>
        (positions + FloatsPerLine - 1) / FloatsPerLine * FloatsPerLine;
}

/// <summary>What fills sequences up at their end.</summary>
/// <param name="tokens">[rows, positions]: the tokens that the network reads; null: nothing is
/// padding.</param>
/// <param name="padding">The token that stands for nothing.</param>
internal readonly unsafe struct SequencePadding(float* tokens, float padding)
{
    /// <summary>Positions of a row up to its last token that is no padding; at least 1, so that
    /// there is something to see.</summary>
    public int LengthOf(int row, int positions) => tokens is null
        ? positions
        : Math.Max(1, LengthOf(
            new ReadOnlySpan<float>(tokens + ((nint)row * positions), positions)));

    private int LengthOf(ReadOnlySpan<float> row) => row.LastIndexOfAnyExcept(padding) + 1;

    /// <summary>That of a pass whose second input are the tokens, where there is any.</summary>
    public static SequencePadding Of(in ForwardPass pass, int? padding) =>
        padding is { } token ? new SequencePadding(pass.SkipInput, token) : default;

    /// <summary><see cref="LengthOf(int, int)"/> for a layer's definition in double precision.
    /// </summary>
    public static int ReferenceLength(
        in ReferencePass pass, int row, int positions, int? padding)
    {
        int length = positions;
        while (padding is { } token && length > 1
            && pass.SkipInput[(row * positions) + length - 1] == token)
        {
            length--;
        }

        return length;
    }
}

/// <summary>Attention forward, cut by rows and heads of queries.</summary>
internal unsafe struct AttentionForward : IParallelBody
{
    public required AttentionHeads Heads;
    public required bool IsCausal;
    public required int Rows;

    /// <summary>By default nothing is padding.</summary>
    public SequencePadding Padding;

    /// <summary>[rows, positions, input width].</summary>
    public required float* Input;

    /// <summary>[rows, heads of queries, positions, 2], overwritten.</summary>
    public required float* Statistics;

    /// <summary>[rows, positions, output width], overwritten.</summary>
    public required float* Output;

    /// <inheritdoc/>
    public readonly void Run(int part, int parts) => Run(SimdWidths.Best, part, parts);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public readonly void Run(SimdWidth width, int part, int parts)
    {
        float* weights = Workspace.OfThisThread.Take(
            WorkspaceSlot.AttentionWeights, QueryTile.Floats(Heads.Positions));
        int heads = Rows * Heads.Queries;
        int end = ComputePool.PartStart(heads, part + 1, parts);
        for (int i = ComputePool.PartStart(heads, part, parts); i < end; i++)
        {
            int row = i / Heads.Queries, head = i % Heads.Queries;
            int length = Padding.LengthOf(row, Heads.Positions);
            for (int first = 0; first < Heads.Positions; first += QueryTile.Queries)
            {
                QueryTile tile = QueryTile.At(first, Heads.Positions, length, IsCausal);
                RunTile(width, row, head, tile, weights);
            }
        }
    }

    private readonly void RunTile(
        SimdWidth width, int row, int head, in QueryTile tile, float* weights)
    {
        float* input = Input + (nint)row * Heads.Positions * Heads.InputWidth;
        float* values = input + Heads.ValueOffset(head / Heads.Group);
        float* output = Output
            + ((nint)row * Heads.Positions + tile.First) * Heads.OutputWidth + head * Heads.Width;
        float* statistics = Statistics + AttentionLayer.Statistics
            * (((nint)row * Heads.Queries + head) * Heads.Positions + tile.First);
        AttentionProducts.Scores(width, Heads, input, head, tile, weights);
        float scale = AttentionProducts.ScaleOf(Heads);
        for (int query = 0; query < tile.Count; query++)
        {
            float* scores = weights + (nint)query * tile.Stride;
            int seen = tile.Seen(query, IsCausal);
            float largest = Reductions.MapReduce(
                width, default(MaxReduction), scores, seen, null);
            statistics[2 * query] = largest;
            statistics[2 * query + 1] = Reductions.MapReduce(
                width, new ScaledExpSum(largest, scale), scores, seen, scores);
            new Span<float>(scores + seen, tile.Keys - seen).Clear();
        }

        ProductWork.RunHere(width, new ProductPart(
            new StridedMatrix(weights, tile.Stride, 1),
            new StridedMatrix(values, Heads.InputWidth, 1), null, tile.Count, tile.Keys,
            Heads.Width, output, Heads.OutputWidth));
        for (int query = 0; query < tile.Count; query++)
        {
            float* o = output + (nint)query * Heads.OutputWidth;
            Elementwise.Map(
                width, new Quotient(statistics[2 * query + 1]), o, Heads.Width, o);
        }
    }
}

/// <summary>Attention backward, cut by rows and heads of keys and values: a group of queries' heads
/// adds to the gradients of one of these, head after head.</summary>
internal unsafe struct AttentionBackward : IParallelBody
{
    public required AttentionHeads Heads;
    public required bool IsCausal;
    public required int Rows;

    /// <summary>By default nothing is padding.</summary>
    public SequencePadding Padding;

    /// <summary>[rows, positions, input width].</summary>
    public required float* Input;

    /// <summary>[rows, heads of queries, positions, 2].</summary>
    public required float* Statistics;

    /// <summary>[rows, positions, output width].</summary>
    public required float* Output;

    /// <summary>[rows, positions, output width].</summary>
    public required float* OutputGradient;

    /// <summary>[rows, positions, input width], overwritten.</summary>
    public required float* InputGradient;

    /// <inheritdoc/>
    public readonly void Run(int part, int parts) => Run(SimdWidths.Best, part, parts);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public readonly void Run(SimdWidth width, int part, int parts)
    {
        long floats = QueryTile.Floats(Heads.Positions);
        Workspace workspace = Workspace.OfThisThread;
        float* weights = workspace.Take(WorkspaceSlot.AttentionWeights, floats);
        float* gradients = workspace.Take(WorkspaceSlot.AttentionGradients, floats);
        int heads = Rows * Heads.Shared;
        int end = ComputePool.PartStart(heads, part + 1, parts);
        for (int i = ComputePool.PartStart(heads, part, parts); i < end; i++)
        {
            int row = i / Heads.Shared, shared = i % Heads.Shared;
            int length = Padding.LengthOf(row, Heads.Positions);
            ClearShared(row, shared);
            for (int member = 0; member < Heads.Group; member++)
            {
                int head = shared * Heads.Group + member;
                for (int first = 0; first < Heads.Positions; first += QueryTile.Queries)
                {
                    QueryTile tile = QueryTile.At(first, Heads.Positions, length, IsCausal);
                    RunTile(width, row, head, tile, weights, gradients);
                }
            }
        }
    }

    // The chains of keys and values begin with +0.
    private readonly void ClearShared(int row, int shared)
    {
        float* gradient = InputGradient + (nint)row * Heads.Positions * Heads.InputWidth;
        for (int position = 0; position < Heads.Positions; position++)
        {
            new Span<float>(gradient + Heads.KeyOffset(shared), Heads.Width).Clear();
            new Span<float>(gradient + Heads.ValueOffset(shared), Heads.Width).Clear();
            gradient += Heads.InputWidth;
        }
    }

    private readonly void RunTile(
        SimdWidth width, int row, int head, in QueryTile tile, float* weights, float* gradients)
    {
        int shared = head / Heads.Group;
        nint inputs = (nint)row * Heads.Positions * Heads.InputWidth;
        nint queries = inputs + (nint)tile.First * Heads.InputWidth + head * Heads.Width;
        nint keys = inputs + Heads.KeyOffset(shared), values = inputs + Heads.ValueOffset(shared);
        nint outputs =
            ((nint)row * Heads.Positions + tile.First) * Heads.OutputWidth + head * Heads.Width;
        var errors = new StridedMatrix(OutputGradient + outputs, Heads.OutputWidth, 1);
        var p = new StridedMatrix(weights, tile.Stride, 1);
        var e = new StridedMatrix(gradients, tile.Stride, 1);

        AttentionProducts.Scores(width, Heads, Input + inputs, head, tile, weights);
        WeightsAgain(width, row, head, tile, weights);
        Product(width, p.Transposed, errors, tile.Keys, tile.Count, values, resume: true);
        ProductWork.RunHere(width, new ProductPart(
            errors, new StridedMatrix(Input + values, Heads.InputWidth, 1).Transposed, null,
            tile.Count, Heads.Width, tile.Keys, gradients, tile.Stride));
        Differentiate(width, outputs, tile, weights, gradients);
        Product(
            width, e, new StridedMatrix(Input + keys, Heads.InputWidth, 1), tile.Count, tile.Keys,
            queries, resume: false);
        Product(
            width, e.Transposed, new StridedMatrix(Input + queries, Heads.InputWidth, 1),
            tile.Keys, tile.Count, keys, resume: true);
    }

    // A part of the input gradient, of a head's width.
    private readonly void Product(
        SimdWidth width, in StridedMatrix a, in StridedMatrix b, int rows, int inner, nint offset,
        bool resume) =>
        ProductWork.RunHere(width, new ProductPart(
            a, b, null, rows, inner, Heads.Width, InputGradient + offset, Heads.InputWidth,
            resume));

    private readonly void WeightsAgain(
        SimdWidth width, int row, int head, in QueryTile tile, float* weights)
    {
        float* statistics = Statistics + AttentionLayer.Statistics
            * (((nint)row * Heads.Queries + head) * Heads.Positions + tile.First);
        float scale = AttentionProducts.ScaleOf(Heads);
        for (int query = 0; query < tile.Count; query++)
        {
            float* scores = weights + (nint)query * tile.Stride;
            int seen = tile.Seen(query, IsCausal);
            var again = new ScaledExp(
                statistics[2 * query], scale, statistics[2 * query + 1]);
            Elementwise.Map(width, again, scores, seen, scores);
            new Span<float>(scores + seen, tile.Keys - seen).Clear();
        }
    }

    private readonly void Differentiate(
        SimdWidth width, nint outputs, in QueryTile tile, float* weights, float* gradients)
    {
        float scale = AttentionProducts.ScaleOf(Heads);
        for (int query = 0; query < tile.Count; query++)
        {
            nint output = outputs + (nint)query * Heads.OutputWidth;
            float common = Reductions.Dot(
                width, OutputGradient + output, Output + output, Heads.Width);
            float* e = gradients + (nint)query * tile.Stride;
            int seen = tile.Seen(query, IsCausal);
            Elementwise.Map(
                width, new AttentionGradient(common, scale),
                weights + (nint)query * tile.Stride, e, seen, e);
            new Span<float>(e + seen, tile.Keys - seen).Clear();
        }
    }
}

/// <summary>What forward and backward have in common.</summary>
internal static unsafe class AttentionProducts
{
    /// <summary>1 / √width.</summary>
    public static float ScaleOf(in AttentionHeads heads) => 1f / MathF.Sqrt(heads.Width);

    /// <summary>scores[t, s] = q[t]·k[s].</summary>
    /// <param name="width">Of vectors.</param>
    /// <param name="heads">How queries and keys lie.</param>
    /// <param name="input">[positions, input width]: a row.</param>
    /// <param name="head">The head of queries.</param>
    /// <param name="tile">The queries.</param>
    /// <param name="scores">[queries, stride], overwritten up to the tile's keys.</param>
    public static void Scores(
        SimdWidth width, in AttentionHeads heads, float* input, int head, in QueryTile tile,
        float* scores)
    {
        var queries = new StridedMatrix(
            input + (nint)tile.First * heads.InputWidth + head * heads.Width, heads.InputWidth, 1);
        var keys = new StridedMatrix(
            input + heads.KeyOffset(head / heads.Group), heads.InputWidth, 1);
        ProductWork.RunHere(width, new ProductPart(
            queries, keys.Transposed, null, tile.Count, heads.Width, tile.Keys, scores,
            tile.Stride));
    }
}

/// <summary>Σ e^(scale·(x − max)), and the exponentials as the map.</summary>
internal readonly struct ScaledExpSum(float max, float scale) : IMapReduction
{
    /// <inheritdoc/>
    public float Start => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        ElementFunctions.Exp<TVector, TSimd>(TSimd.Multiply(
            TSimd.Subtract(x, TSimd.Create(max)), TSimd.Create(scale)));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.Add(a, b);
}

/// <summary>e^(scale·(x − max)) / sum.</summary>
internal readonly struct ScaledExp(float max, float scale, float sum) : IUnaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Divide(
            new ScaledExpSum(max, scale).Map<TVector, TSimd>(x), TSimd.Create(sum));
}

/// <summary>p·(dp − common)·scale.</summary>
internal readonly struct AttentionGradient(float common, float scale) : IBinaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector p, TVector dp)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(
            TSimd.Multiply(p, TSimd.Create(scale)), TSimd.Subtract(dp, TSimd.Create(common)));
}
