using Backprop.Distributed.Links;
using Backprop.Distributed.Serving;
using Backprop.Engine.Optimizers;

namespace Backprop.Distributed.Tests.Serving;

/// <summary>Sums of a slice travel in as many frames as they need.</summary>
public sealed class SumsFrameTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2_730, 1)]
    [InlineData(2_731, 2)]
    [InlineData(10_000, 4)]
    public void What_is_written_is_read(int sums, int frames)
    {
        PieceSums[] sent =
        [
            .. Enumerable.Range(0, sums).Select(i => new PieceSums(i, -i / 3.0, double.Epsilon)),
        ];
        var got = new PieceSums[sums];
        var buffer = new byte[FrameHeader.MaxSmallBytes];

        Assert.Equal(frames, SumsFrame.FramesOf(sums));
        for (int frame = 0; frame < frames; frame++)
        {
            int first = frame * SumsFrame.MaxSums, count = SumsFrame.CountOf(sums, frame);
            ReadOnlySpan<byte> payload = SumsFrame.Write(
                new SumsHead(-0.0, Asks: frame == 0, IsWilling: frame != 0),
                sent.AsSpan(first, count), buffer);
            Assert.Equal(SumsFrame.WordsOf(count) * sizeof(double), payload.Length);
            SumsHead head = SumsFrame.Read(payload, got.AsSpan(first, count));
            Assert.True(double.IsNegative(head.LossSum));
            Assert.Equal(frame == 0, head.Asks);
            Assert.Equal(frame != 0, head.IsWilling);
        }

        Assert.Equal(sent, got);
    }
}
