using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Numerics;

/// <summary>A map and a reduction over one array, run by <see cref="Reductions"/>: each element is
/// mapped, and what comes of it is joined.</summary>
public interface IMapReduction
{
    /// <summary>The value of an empty reduction: joined with it, a partial result stays what it is,
    /// to the last bit.</summary>
    float Start { get; }

    /// <summary>Maps elements, lane by lane.</summary>
    TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;

    /// <summary>Joins two partial results, lane by lane.</summary>
    TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>
/// Sums and maxima over arrays in one fixed order, whatever the vector width (rule 3): 16 virtual
/// lanes, of which lane j takes elements j, j + 16, j + 32, …; then lane j joins lane j + 8, then
/// j + 4, j + 2 and j + 1.
/// </summary>
public static unsafe class Reductions
{
    /// <summary>Virtual lanes of every reduction.</summary>
    public const int Lanes = 16;

    /// <summary>Σ source[i]; 0 where there is none.</summary>
    public static float Sum(float* source, int count) =>
        MapReduce(default(SumReduction), source, count, null);

    /// <summary>Σ a[i]·b[i], each step a fused multiply-add.</summary>
    public static float Dot(float* a, float* b, int count) => Dot(SimdWidths.Best, a, b, count);

    /// <summary>Σ source[i]², each step a fused multiply-add.</summary>
    public static float SumOfSquares(float* source, int count) =>
        Dot(SimdWidths.Best, source, source, count);

    /// <summary>The largest element, NaN left out; −∞ where there is none.</summary>
    public static float Max(float* source, int count) =>
        MapReduce(default(MaxReduction), source, count, null);

    /// <summary>Σ source[i]² in double precision: for norms over many parameters.</summary>
    public static double SumOfSquaresInDouble(float* source, int count) =>
        Vector256.IsHardwareAccelerated
            ? SumOfSquaresInDouble256(source, count)
            : SumOfSquaresInDouble128(source, count);

    /// <summary>Maps every element and reduces what comes of it.</summary>
    /// <param name="reduction">What to do.</param>
    /// <param name="source">[count].</param>
    /// <param name="count">Elements.</param>
    /// <param name="destination">[count], overwritten with the mapped elements; may be the source;
    /// null: they are not wanted.</param>
    public static float MapReduce<TReduction>(
        in TReduction reduction, float* source, int count, float* destination)
        where TReduction : struct, IMapReduction =>
        MapReduce(SimdWidths.Best, reduction, source, count, destination);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    internal static float MapReduce<TReduction>(
        SimdWidth width, in TReduction reduction, float* source, int count, float* destination)
        where TReduction : struct, IMapReduction =>
        width switch
        {
            SimdWidth.Bits512 => MapReduce<TReduction, Vector512<float>, Simd512>(
                reduction, source, count, destination),
            SimdWidth.Bits256 => MapReduce<TReduction, Vector256<float>, Simd256>(
                reduction, source, count, destination),
            SimdWidth.Bits128 => MapReduce<TReduction, Vector128<float>, Simd128>(
                reduction, source, count, destination),
            _ => MapReduceScalar(reduction, source, count, destination),
        };

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    internal static float Dot(SimdWidth width, float* a, float* b, int count) => width switch
    {
        SimdWidth.Bits512 => Dot<Vector512<float>, Simd512>(a, b, count),
        SimdWidth.Bits256 => Dot<Vector256<float>, Simd256>(a, b, count),
        SimdWidth.Bits128 => Dot<Vector128<float>, Simd128>(a, b, count),
        _ => Dot<float, SimdScalar>(a, b, count),
    };

    /// <summary>With four vectors of four doubles.</summary>
    internal static double SumOfSquaresInDouble256(float* source, int count)
    {
        Vector256<double> a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
        {
            (Vector256<double> x, Vector256<double> y) =
                Vector256.Widen(Vector256.Load(source + i));
            a += x * x;
            b += y * y;
            (x, y) = Vector256.Widen(Vector256.Load(source + i + 8));
            c += x * x;
            d += y * y;
        }

        double* lanes = stackalloc double[Lanes];
        a.Store(lanes);
        b.Store(lanes + 4);
        c.Store(lanes + 8);
        d.Store(lanes + 12);
        return FoldSquares(lanes, source + i, count - i);
    }

    /// <summary>With vectors of two doubles, kept in memory.</summary>
    internal static double SumOfSquaresInDouble128(float* source, int count)
    {
        double* lanes = stackalloc double[Lanes];
        new Span<double>(lanes, Lanes).Clear();
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
        {
            for (int j = 0; j < Lanes; j += 4)
            {
                (Vector128<double> x, Vector128<double> y) =
                    Vector128.Widen(Vector128.Load(source + i + j));
                (Vector128.Load(lanes + j) + (x * x)).Store(lanes + j);
                (Vector128.Load(lanes + j + 2) + (y * y)).Store(lanes + j + 2);
            }
        }

        return FoldSquares(lanes, source + i, count - i);
    }

    // The square of a float is a double without rounding, so a fused multiply-add is the same.
    private static double FoldSquares(double* lanes, float* rest, int restCount)
    {
        for (int j = 0; j < restCount; j++)
        {
            lanes[j] += (double)rest[j] * rest[j];
        }

        for (int half = Lanes / 2; half > 0; half /= 2)
        {
            for (int j = 0; j < half; j++)
            {
                lanes[j] += lanes[j + half];
            }
        }

        return lanes[0];
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float MapReduce<TReduction, TVector, TSimd>(
        TReduction reduction, float* source, int count, float* destination)
        where TReduction : struct, IMapReduction
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* lanes = stackalloc float[Lanes];
        TVector start = TSimd.Create(reduction.Start);
        for (int group = 0; group < Lanes; group += TSimd.Lanes)
        {
            TVector partial = start;
            for (int i = group; i < count; i += Lanes)
            {
                int present = count - i;
                TVector mapped =
                    reduction.Map<TVector, TSimd>(TSimd.LoadUpTo(source + i, present));
                if (destination is not null)
                {
                    TSimd.StoreUpTo(mapped, present, destination + i);
                }

                TVector joined = present >= TSimd.Lanes
                    ? mapped
                    : TSimd.KeepFirst(mapped, present, start);
                partial = reduction.Join<TVector, TSimd>(partial, joined);
            }

            TSimd.Store(partial, lanes + group);
        }

        return Fold(reduction, lanes);
    }

    // The definition, word for word.
    private static float MapReduceScalar<TReduction>(
        TReduction reduction, float* source, int count, float* destination)
        where TReduction : struct, IMapReduction
    {
        float* lanes = stackalloc float[Lanes];
        new Span<float>(lanes, Lanes).Fill(reduction.Start);
        for (int i = 0; i < count; i++)
        {
            float mapped = reduction.Map<float, SimdScalar>(source[i]);
            lanes[i % Lanes] =
                reduction.Join<float, SimdScalar>(lanes[i % Lanes], mapped);
            if (destination is not null)
            {
                destination[i] = mapped;
            }
        }

        return Fold(reduction, lanes);
    }

    // The tree over 16 lanes; its upper levels, four lanes at a time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Fold<TReduction>(TReduction reduction, float* lanes)
        where TReduction : struct, IMapReduction
    {
        Vector128<float> a = reduction.Join<Vector128<float>, Simd128>(
            Vector128.Load(lanes), Vector128.Load(lanes + 8));
        Vector128<float> b = reduction.Join<Vector128<float>, Simd128>(
            Vector128.Load(lanes + 4), Vector128.Load(lanes + 12));
        Vector128<float> four = reduction.Join<Vector128<float>, Simd128>(a, b);
        return reduction.Join<float, SimdScalar>(
            reduction.Join<float, SimdScalar>(four[0], four[2]),
            reduction.Join<float, SimdScalar>(four[1], four[3]));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot<TVector, TSimd>(float* a, float* b, int count)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* lanes = stackalloc float[Lanes];
        for (int group = 0; group < Lanes; group += TSimd.Lanes)
        {
            TVector sum = TSimd.Zero;
            for (int i = group; i < count; i += Lanes)
            {
                // A product of two zeros, added to a lane past the end, leaves it as it is.
                int present = count - i;
                sum = TSimd.FusedMultiplyAdd(
                    TSimd.LoadUpTo(a + i, present), TSimd.LoadUpTo(b + i, present), sum);
            }

            TSimd.Store(sum, lanes + group);
        }

        return Fold(default(SumReduction), lanes);
    }
}

/// <summary>Σ x.</summary>
internal readonly struct SumReduction : IMapReduction
{
    /// <inheritdoc/>
    public float Start => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => x;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.Add(a, b);
}

/// <summary>max x.</summary>
internal readonly struct MaxReduction : IMapReduction
{
    /// <inheritdoc/>
    public float Start => float.NegativeInfinity;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => x;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.SelectLess(a, b, b, a);
}
