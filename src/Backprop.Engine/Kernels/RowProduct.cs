using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>The product of one row with a matrix whose rows lie in a piece: a prediction for one
/// sample. Every element of the matrix is used once, so that memory is the limit, and it is fastest
/// where as much as possible is read of one row before the next.</summary>
internal static unsafe class RowProduct<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    private const int Vectors = 8;
    private const int StepsAhead = 4;

    /// <summary>Computes the part, of which a has one row and b has adjacent columns.</summary>
    public static void Run(in ProductPart part)
    {
        int lanes = TSimd.Lanes, column = 0;
        for (; column + Vectors * lanes <= part.Columns; column += Vectors * lanes)
        {
            EightVectors(part, column);
        }

        for (; column < part.Columns; column += lanes)
        {
            OneVector(part, column, Math.Min(lanes, part.Columns - column));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightVectors(in ProductPart part, int column)
    {
        TVector c0 = TSimd.Zero, c1 = TSimd.Zero, c2 = TSimd.Zero, c3 = TSimd.Zero;
        TVector c4 = TSimd.Zero, c5 = TSimd.Zero, c6 = TSimd.Zero, c7 = TSimd.Zero;
        int lanes = TSimd.Lanes;
        float* a = part.A.Elements, b = part.B.Elements + column;
        nint aStride = part.A.ColumnStride, bStride = part.B.RowStride;
        nint ahead = StepsAhead * bStride;
        for (int steps = part.Inner; steps != 0; steps--)
        {
            for (int i = 0; i < Vectors * lanes; i += 16)
            {
                TSimd.Prefetch(b + ahead + i);
            }

            TVector element = TSimd.Create(*a);
            c0 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b), c0);
            c1 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + lanes), c1);
            c2 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 2 * lanes), c2);
            c3 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 3 * lanes), c3);
            c4 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 4 * lanes), c4);
            c5 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 5 * lanes), c5);
            c6 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 6 * lanes), c6);
            c7 = TSimd.FusedMultiplyAdd(element, TSimd.Load(b + 7 * lanes), c7);
            a += aStride;
            b += bStride;
        }

        Store(part, column, c0);
        Store(part, column + lanes, c1);
        Store(part, column + 2 * lanes, c2);
        Store(part, column + 3 * lanes, c3);
        Store(part, column + 4 * lanes, c4);
        Store(part, column + 5 * lanes, c5);
        Store(part, column + 6 * lanes, c6);
        Store(part, column + 7 * lanes, c7);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(in ProductPart part, int column, TVector sum)
    {
        if (part.Bias is not null)
        {
            sum = TSimd.Add(sum, TSimd.Load(part.Bias + column));
        }

        TSimd.Store(sum, part.C + column);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneVector(in ProductPart part, int column, int count)
    {
        TVector sum = TSimd.Zero;
        float* a = part.A.Elements, b = part.B.Elements + column;
        for (int steps = part.Inner; steps != 0; steps--)
        {
            sum = TSimd.FusedMultiplyAdd(TSimd.Create(*a), TSimd.LoadUpTo(b, count), sum);
            a += part.A.ColumnStride;
            b += part.B.RowStride;
        }

        if (part.Bias is not null)
        {
            sum = TSimd.Add(sum, TSimd.LoadUpTo(part.Bias + column, count));
        }

        TSimd.StoreUpTo(sum, count, part.C + column);
    }
}
