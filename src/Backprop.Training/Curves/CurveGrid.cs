using System.Numerics;

namespace Backprop.Training.Curves;

/// <summary>
/// Which steps make up which point of a run's curves: one point a step for the first 1,024, and
/// from step 2^k on (k ≥ 10) one for every 2^(k−9), so that a point is never wider than a 512th of
/// what lies before it, and a million steps are some 6,000 points. A point's place does not depend
/// on how long the run will be: what is recorded never has to be thinned out.
/// </summary>
public static class CurveGrid
{
    private const int LogDense = 10;
    private const int LogPointsAnOctave = 9;
    private const int PointsAnOctave = 1 << LogPointsAnOctave;

    /// <summary>Steps, from 0 on, that have a point each.</summary>
    public const int DenseSteps = 1 << LogDense;

    /// <summary>The longest run: more steps than any machine makes.</summary>
    public const long MaxSteps = 1L << 48;

    /// <summary>Points of the longest run.</summary>
    public static long MaxPoints => IndexOf(MaxSteps - 1) + 1;

    /// <summary>The point that a step belongs to, from 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such step.</exception>
    public static long IndexOf(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, MaxSteps);
        if (step < DenseSteps)
        {
            return step;
        }

        int octave = BitOperations.Log2((ulong)step);
        return DenseSteps + ((octave - LogDense) * (long)PointsAnOctave)
            + ((step - (1L << octave)) >> (octave - LogPointsAnOctave));
    }

    /// <summary>The first step of a point.</summary>
    public static long FirstStepOf(long index)
    {
        if (index < DenseSteps)
        {
            return index;
        }

        int octave = OctaveOf(index);
        long inOctave = (index - DenseSteps) % PointsAnOctave;
        return (1L << octave) + (inOctave << (octave - LogPointsAnOctave));
    }

    /// <summary>Steps that belong to a point.</summary>
    public static long StepsOf(long index) =>
        index < DenseSteps ? 1 : 1L << (OctaveOf(index) - LogPointsAnOctave);

    private static int OctaveOf(long index) =>
        LogDense + (int)((index - DenseSteps) / PointsAnOctave);
}
