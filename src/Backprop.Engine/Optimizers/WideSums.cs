using System.Runtime.Intrinsics;

namespace Backprop.Engine.Optimizers;

/// <summary>Sums of floats in double precision, over 16 lanes (lane l takes elements l, l + 16, …)
/// and then pairwise: 8, 4, 2, 1 lanes apart.</summary>
internal static unsafe class WideSums
{
    private const int Lanes = 16;

    /// <summary>Σx²; each square is exact.</summary>
    public static double Squares(float* source, int count)
    {
        Vector512<double> low = default, high = default;
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
        {
            (Vector512<double> a, Vector512<double> b) =
                Vector512.Widen(Vector512.Load(source + i));
            low += a * a;
            high += b * b;
        }

        double* tail = stackalloc double[Lanes];
        for (int lane = 0; i + lane < count; lane++)
        {
            tail[lane] = (double)source[i + lane] * source[i + lane];
        }

        return Fold(low + Vector512.Load(tail), high + Vector512.Load(tail + (Lanes / 2)));
    }

    /// <summary>Σ|x|.</summary>
    public static double Magnitudes(float* source, int count)
    {
        Vector512<double> low = default, high = default;
        int i = 0;
        for (; i + Lanes <= count; i += Lanes)
        {
            (Vector512<double> a, Vector512<double> b) =
                Vector512.Widen(Vector512.Abs(Vector512.Load(source + i)));
            low += a;
            high += b;
        }

        double* tail = stackalloc double[Lanes];
        for (int lane = 0; i + lane < count; lane++)
        {
            tail[lane] = Math.Abs((double)source[i + lane]);
        }

        return Fold(low + Vector512.Load(tail), high + Vector512.Load(tail + (Lanes / 2)));
    }

    private static double Fold(Vector512<double> low, Vector512<double> high)
    {
        Vector512<double> eight = low + high;
        Vector256<double> four = eight.GetLower() + eight.GetUpper();
        Vector128<double> two = four.GetLower() + four.GetUpper();
        return two[0] + two[1];
    }
}
