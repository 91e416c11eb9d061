using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;

namespace Backprop.Training.Protocol;

/// <summary>
/// The sums of a step's gradient over all slices, as one server gathers them; and its own, which it
/// keeps until those of the next step, for others who have lost them. Allocates nothing after its
/// making.
/// </summary>
public sealed class SliceSums
{
    private readonly int[] _firstSums;
    private readonly int _slice;
    private readonly PieceSums[] _all;
    private readonly PieceSums[] _own;
    private readonly bool[] _has;
    private int _missing;

    /// <summary>For one slice of a plan.</summary>
    public SliceSums(SlicePlan plan, int slice)
    {
        var pieces = new ParameterPieces(plan.Layout);
        _firstSums =
        [
            .. Enumerable.Range(0, plan.SliceCount + 1)
                .Select(i => pieces.FirstOfBlock(plan.FirstBlock(i))),
        ];
        _slice = slice;
        _all = new PieceSums[pieces.All.Length];
        _own = new PieceSums[CountOf(slice)];
        _has = new bool[plan.SliceCount];
        _missing = plan.SliceCount;
    }

    /// <summary>Whether those of every slice are there.</summary>
    public bool AreWhole => _missing == 0;

    /// <summary>Whether those of the own slice are there.</summary>
    public bool HasOwn => _has[_slice];

    /// <summary>The last step of which the own sums are known; −1: none.</summary>
    public long OwnStep { get; private set; } = -1;

    /// <summary>The step's loss, which comes with the first slice's sums.</summary>
    public double LossSum { get; private set; }

    /// <summary>The last sums of the own slice.</summary>
    public ReadOnlySpan<PieceSums> Own => _own;

    /// <summary>The sums of every slice, in the order of the flat vector; those that are not there
    /// are of an earlier step.</summary>
    public ReadOnlySpan<PieceSums> All => _all;

    /// <summary>Sums of a slice.</summary>
    public int CountOf(int slice) => _firstSums[slice + 1] - _firstSums[slice];

    /// <summary>Whether those of a slice are there.</summary>
    public bool Has(int slice) => _has[slice];

    /// <summary>Takes in the own sums.</summary>
    public void EnterOwn(long step, ReadOnlySpan<PieceSums> sums, double lossSum)
    {
        sums.CopyTo(_own);
        OwnStep = step;
        Enter(_slice, sums, lossSum);
    }

    /// <summary>Takes in those of a slice.</summary>
    /// <returns>False: they were there.</returns>
    public bool Enter(int slice, ReadOnlySpan<PieceSums> sums, double lossSum)
    {
        if (_has[slice])
        {
            return false;
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(sums.Length, CountOf(slice), nameof(sums));
        sums.CopyTo(_all.AsSpan(_firstSums[slice]));
        _has[slice] = true;
        _missing--;
        if (slice == 0)
        {
            LossSum = lossSum;
        }

        return true;
    }

    /// <summary>Waits for the next step's.</summary>
    public void Clear()
    {
        Array.Clear(_has);
        _missing = _has.Length;
    }
}
