using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Training.Protocol;

/// <summary>Which pieces of one version of the weights a worker has: those that are to become its
/// replica. Entering a piece allocates nothing.</summary>
internal sealed class PendingPieces
{
    private readonly SlicePlan _plan;
    private readonly bool[] _has;
    private readonly int[] _viewsBefore;
    private int _leading;

    /// <summary>None yet, of no version.</summary>
    public PendingPieces(SlicePlan plan)
    {
        _plan = plan;
        _has = new bool[plan.Pieces.Length];
        _viewsBefore = new int[plan.Pieces.Length + 1];
        ImmutableArray<ParameterView> views = plan.Layout.Views;
        int view = 0;
        foreach (Piece piece in plan.Pieces)
        {
            while (views[view].LayerIndex != piece.LayerIndex)
            {
                view++;
            }

            _viewsBefore[piece.Index] = view;
        }

        _viewsBefore[^1] = views.Length;
    }

    /// <summary>The version that they are of; −1: of none.</summary>
    public long Version { get; private set; } = -1;

    /// <summary>How many are here.</summary>
    public int Count { get; private set; }

    /// <summary>Whether all are.</summary>
    public bool IsWhole => Version >= 0 && Count == _has.Length;

    /// <summary>Views of the layout that are here with all before them, whole layers only: what
    /// forward may read.</summary>
    public int EndView => _viewsBefore[_leading];

    /// <summary>Whether one is here.</summary>
    public bool Has(int piece) => _has[piece];

    /// <summary>Forgets all, and begins anew with a version.</summary>
    public void Gather(long version)
    {
        Version = version;
        Count = 0;
        _leading = 0;
        Array.Clear(_has);
    }

    /// <summary>One more is here.</summary>
    public void Enter(int piece)
    {
        _has[piece] = true;
        Count++;
        while (_leading < _has.Length && _has[_leading])
        {
            _leading++;
        }
    }

    /// <summary>Those of a slice that are not here, ascending.</summary>
    public ImmutableArray<int> MissingOf(int slice)
    {
        int first = _plan.FirstPiece(slice);
        return
        [
            .. Enumerable.Range(first, _plan.FirstPiece(slice + 1) - first)
                .Where(piece => !_has[piece]),
        ];
    }
}
