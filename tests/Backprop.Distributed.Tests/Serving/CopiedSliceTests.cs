using Backprop.Distributed.Links;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serving.Copies;
using Backprop.Engine;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Tests.Serving;

/// <summary>Copies of slices: what was copied comes back, and damage is found.</summary>
public sealed class CopiedSliceTests
{
    // Three blocks, the last one short; one optimizer state, and best weights.
    private static readonly PieceCut s_cut = new(150_000, 1, HasBest: true);

    [Fact]
    public void What_is_copied_comes_back_block_by_block()
    {
        using var source = new Slice(1, 3, seed: 1);
        using var target = new Slice(0, 3, seed: 0);
        var copied = new CopiedSlice(s_cut, 1, 3);

        copied.Fill(source.Content);
        var opened = new OpenedSlice(target.Content);
        for (int section = 0; section < s_cut.Sections; section++)
        {
            for (int block = 1; block < 3; block++)
            {
                opened.Put(section, block, copied.Block(section, block));
            }
        }

        Assert.Equal(source.Content.CopyOut(1, 3), target.Content.CopyOut(1, 3));
        Assert.All(target.Content.CopyOut(0, 1), value => Assert.Equal(0, value));
        copied.Retire();
    }

    [Fact]
    public void A_block_that_is_not_what_was_copied_is_refused()
    {
        using var source = new Slice(1, 3, seed: 1);
        var copied = new CopiedSlice(s_cut, 1, 3);
        copied.Fill(source.Content);
        float[] block = copied.Block(1, 2).ToArray();
        CopiedSlice.Verified(block, 1, 2);

        block[17] = float.BitIncrement(block[17]);

        var refusal = Assert.Throws<CheckpointException>(
            () => { CopiedSlice.Verified(block, 1, 2); });
        Assert.Contains("block 2", refusal.Message);
        copied.Retire();
    }

    [Fact]
    public void Only_whole_blocks_of_the_version_that_is_waited_for_are_received()
    {
        RunHash run = RunHash.Of("run");
        var guard = new CopyGuard(s_cut);
        FrameHeader block = FrameHeader.Copy(run, 7, section: 2, offset: 131_072, length: 18_929);

        Assert.Equal(FrameVerdictKind.Drop, guard.Check(block).Kind);
        guard.Wanted = 7;
        Assert.Equal(FrameVerdictKind.Accept, guard.Check(block).Kind);
        Assert.Equal(
            FrameVerdictKind.Accept, guard.Check(FrameHeader.CopyOffer(run, 1, 7, 2, 3)).Kind);
        FrameHeader[] wrong =
        [
            block with { Piece = 3 },
            block with { Offset = 131_073 },
            block with { Offset = 196_608 },
            block with { PayloadBytes = 4 * 18_928 },
            FrameHeader.CopyOffer(run, 1, 7, 2, 4),
            FrameHeader.CopyOffer(run, 1, 7, 2, 2),
        ];
        Assert.All(
            wrong, header => Assert.Equal(FrameVerdictKind.Refuse, guard.Check(header).Kind));
    }

    private sealed class Slice : IDisposable
    {
        private readonly AlignedBuffer _weights;
        private readonly AlignedBuffer _state;
        private readonly AlignedBuffer _best;

        public Slice(int firstBlock, int endBlock, int seed)
        {
            int length = s_cut.LengthOf(firstBlock, endBlock);
            _weights = new AlignedBuffer(length);
            _state = new AlignedBuffer(length);
            _best = new AlignedBuffer(length);
            for (int i = 0; i < length; i++)
            {
                _weights.Span[i] = seed * i;
                _state.Span[i] = seed * -i;
                _best.Span[i] = seed / (i + 1f);
            }

            Content = new SliceContent(s_cut, firstBlock, endBlock, _weights, _state, _best);
        }

        public SliceContent Content { get; }

        public void Dispose()
        {
            _weights.Dispose();
            _state.Dispose();
            _best.Dispose();
        }
    }
}
