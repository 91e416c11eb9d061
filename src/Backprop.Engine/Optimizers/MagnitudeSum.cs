using System.Runtime.Intrinsics;
using Backprop.Engine.Numerics;

namespace Backprop.Engine.Optimizers;

/// <summary>Σ|x| in double precision, in the fixed order of <see cref="Reductions"/>.</summary>
internal static unsafe class MagnitudeSum
{
    /// <summary>The sum over <paramref name="count"/> floats.</summary>
    public static double Of(float* source, int count)
    {
        double* lanes = stackalloc double[Reductions.Lanes];
        new Span<double>(lanes, Reductions.Lanes).Clear();
        int i = 0;
        for (; i + Reductions.Lanes <= count; i += Reductions.Lanes)
        {
            for (int lane = 0; lane < Reductions.Lanes; lane += Vector256<float>.Count)
            {
                (Vector256<double> low, Vector256<double> high) =
                    Vector256.Widen(Vector256.Abs(Vector256.Load(source + i + lane)));
                (Vector256.Load(lanes + lane) + low).Store(lanes + lane);
                (Vector256.Load(lanes + lane + 4) + high).Store(lanes + lane + 4);
            }
        }

        for (int lane = 0; i + lane < count; lane++)
        {
            lanes[lane] += Math.Abs((double)source[i + lane]);
        }

        for (int half = Reductions.Lanes / 2; half > 0; half /= 2)
        {
            for (int lane = 0; lane < half; lane++)
            {
                lanes[lane] += lanes[lane + half];
            }
        }

        return lanes[0];
    }
}
