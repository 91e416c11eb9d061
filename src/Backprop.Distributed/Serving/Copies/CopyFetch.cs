using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>Fetches blocks of copies from those who keep them, a few at a time, and asks again for
/// what does not come. One caller at a time.</summary>
internal sealed class CopyFetch
{
    private readonly LinkHub _links;
    private readonly RunHash _run;
    private readonly PieceCut _cut;
    private readonly int _firstBlock;
    private readonly int _blocks;
    private readonly int _window;
    private readonly TimeSpan _patience;
    private readonly ICopyTarget _target;
    private readonly Source[] _sources;
    private readonly bool[] _has;
    private readonly byte[] _request;
    private int _missing;

    /// <summary>Fetches nothing before <see cref="Continue"/>.</summary>
    /// <param name="links">The node's.</param>
    /// <param name="run">The run.</param>
    /// <param name="version">The copies' version.</param>
    /// <param name="cut">How they are cut.</param>
    /// <param name="keepers">Who has which blocks, in order, without gaps.</param>
    /// <param name="window">Blocks that one of them may have under way.</param>
    /// <param name="patience">After so long without any, what is missing is asked for again.
    /// </param>
    /// <param name="target">Where blocks go.</param>
    /// <param name="now">The time.</param>
    public CopyFetch(
        LinkHub links, RunHash run, long version, PieceCut cut,
        ImmutableArray<CopyKeeper> keepers, int window, TimeSpan patience, ICopyTarget target,
        TimeSpan now)
    {
        _links = links;
        _run = run;
        Version = version;
        _cut = cut;
        _firstBlock = keepers[0].FirstBlock;
        _blocks = keepers[^1].EndBlock - _firstBlock;
        _window = window;
        _patience = patience;
        _target = target;
        _sources = [.. keepers.Select(keeper => new Source(keeper, now))];
        _missing = _blocks * cut.Sections;
        _has = new bool[_missing];
        _request = new byte[window * sizeof(int)];
        LastArrival = now;
    }

    /// <summary>The version.</summary>
    public long Version { get; }

    /// <summary>Whether every block is there.</summary>
    public bool IsDone => _missing == 0;

    /// <summary>When a block last came.</summary>
    public TimeSpan LastArrival { get; private set; }

    /// <summary>Who has not sent everything, in words.</summary>
    public string Missing => string.Join(
        ", ", _sources.Where(source => LacksOf(source)).Select(source => source.Keeper.Node));

    /// <summary>A block that is there without fetching.</summary>
    public void Has(int section, int block)
    {
        ref bool has = ref _has[UnitOf(section, block)];
        _missing -= has ? 0 : 1;
        has = true;
    }

    /// <summary>Takes in a block; what is not wanted, or is there, changes nothing.</summary>
    /// <exception cref="Training.Checkpoints.CheckpointException">It does not match its digest.
    /// </exception>
    public void Take(int section, int block, ReadOnlySpan<float> elementsAndDigest, TimeSpan now)
    {
        if (section >= _cut.Sections || block < _firstBlock || block >= _firstBlock + _blocks
            || _has[UnitOf(section, block)])
        {
            return;
        }

        CopiedSlice.Verified(elementsAndDigest, section, block);
        _target.Put(section, block, elementsAndDigest);
        Has(section, block);
        LastArrival = now;
        Source source = _sources.First(one => block < one.Keeper.EndBlock);
        source.UnderWay = Math.Max(0, source.UnderWay - 1);
        source.LastArrival = now;
    }

    /// <summary>Asks for what is next, and again for what does not come.</summary>
    public void Continue(TimeSpan now)
    {
        foreach (Source source in _sources)
        {
            if (source.Next > 0 && now - source.LastArrival >= _patience)
            {
                source.UnderWay = 0;
                source.Next = 0;
                source.LastArrival = now;
            }

            if (source.UnderWay <= _window / 2)
            {
                Ask(source, now);
            }
        }
    }

    private void Ask(Source source, TimeSpan now)
    {
        int blocks = source.Keeper.EndBlock - source.Keeper.FirstBlock;
        int units = blocks * _cut.Sections, next = source.Next, count = 0;
        for (; next < units && source.UnderWay + count < _window; next++)
        {
            int section = next / blocks, block = source.Keeper.FirstBlock + (next % blocks);
            if (!_has[UnitOf(section, block)])
            {
                BinaryPrimitives.WriteInt32LittleEndian(
                    _request.AsSpan(count * sizeof(int)), (section * _cut.BlockCount) + block);
                count++;
            }
        }

        if (count == 0)
        {
            return;
        }

        // What the link had no room for is asked for at the next look.
        if (_links.TrySend(
            source.Keeper.Node, FrameHeader.CopyRequest(_run, Version, count),
            _request.AsSpan(0, count * sizeof(int))) == SendResult.Queued)
        {
            source.LastArrival = source.UnderWay == 0 ? now : source.LastArrival;
            source.UnderWay += count;
            source.Next = next;
        }
    }

    private bool LacksOf(Source source)
    {
        for (int section = 0; section < _cut.Sections; section++)
        {
            for (int block = source.Keeper.FirstBlock; block < source.Keeper.EndBlock; block++)
            {
                if (!_has[UnitOf(section, block)])
                {
                    return true;
                }
            }
        }

        return false;
    }

    private int UnitOf(int section, int block) => (section * _blocks) + block - _firstBlock;

    private sealed class Source(CopyKeeper keeper, TimeSpan now)
    {
        public CopyKeeper Keeper => keeper;

        // The next of its sections and blocks to ask for.
        public int Next { get; set; }

        public int UnderWay { get; set; }

        public TimeSpan LastArrival { get; set; } = now;
    }
}
