using Backprop.Distributed.Links;
using Backprop.Engine.Optimizers;

namespace Backprop.Distributed.Serving;

/// <summary>Puts the sums of the other slices together, where they come in several frames.
/// Allocates nothing after its making.</summary>
internal sealed class SumsGathering
{
    private readonly Slot[] _slots;

    /// <summary>For slices of so many sums each.</summary>
    public SumsGathering(ReadOnlySpan<int> sums)
    {
        _slots = new Slot[sums.Length];
        for (int slice = 0; slice < sums.Length; slice++)
        {
            _slots[slice] = new Slot(sums[slice]);
        }
    }

    /// <summary>Takes in a frame that the guard has accepted.</summary>
    /// <param name="arrival">The frame.</param>
    /// <param name="gathered">All sums of the slice, where this was the last that was missing.
    /// </param>
    /// <param name="head">What stands before them.</param>
    public bool TryGather(
        Arrival arrival, out ReadOnlySpan<PieceSums> gathered, out SumsHead head)
    {
        ref readonly FrameHeader header = ref arrival.Header;
        Slot slot = _slots[header.Piece];
        int frame = header.Offset / SumsFrame.MaxSums;
        if (slot.Step != header.Step)
        {
            slot.Begin(header.Step);
        }

        head = SumsFrame.Read(
            arrival.Payload,
            slot.Sums.AsSpan(header.Offset, SumsFrame.CountOf(slot.Sums.Length, frame)));
        slot.Has[frame] = true;
        bool isWhole = !slot.Has.AsSpan().Contains(false);
        gathered = isWhole ? slot.Sums : [];
        if (isWhole)
        {
            slot.Begin(header.Step);
        }

        return isWhole;
    }

    private sealed class Slot(int sums)
    {
        public PieceSums[] Sums { get; } = new PieceSums[sums];

        public bool[] Has { get; } = new bool[SumsFrame.FramesOf(sums)];

        public long Step { get; private set; } = -1;

        public void Begin(long step)
        {
            Step = step;
            Array.Clear(Has);
        }
    }
}
