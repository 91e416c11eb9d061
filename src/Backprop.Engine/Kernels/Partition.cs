namespace Backprop.Engine.Kernels;

/// <summary>Rows cut into as few tiles as will hold them, as even as can be: 64 rows at 14 a tile
/// become 13, 13, 13, 13, 12, since a small last tile would waste the hardware.</summary>
internal readonly struct Partition
{
    private readonly int _size;
    private readonly int _larger;

    /// <summary>Cuts <paramref name="length"/> rows, one at least, into tiles of
    /// <paramref name="maxTile"/> at the most.</summary>
    public Partition(int length, int maxTile)
    {
        Length = length;
        Count = (length + maxTile - 1) / maxTile;
        _size = length / Count;
        _larger = length % Count;
    }

    /// <summary>Rows in all.</summary>
    public int Length { get; }

    /// <summary>Tiles.</summary>
    public int Count { get; }

    /// <summary>Rows of a tile.</summary>
    public int Size(int tile) => tile < _larger ? _size + 1 : _size;

    /// <summary>First row of a tile.</summary>
    public int Start(int tile) => tile * _size + Math.Min(tile, _larger);
}
