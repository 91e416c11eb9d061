using Backprop.Distributed.Persistence;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>The buffers of a slice, and what lies in them.</summary>
internal sealed class SliceBuffers : IDisposable
{
    // A prime meets every place within a vector, and keeps the tests quick.
    private const int Stride = 127;

    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _state;
    private readonly AlignedBuffer? _best;

    public SliceBuffers(PieceCut cut, int firstBlock, int endBlock)
    {
        int length = cut.LengthOf(firstBlock, endBlock);
        _weights = new AlignedBuffer(length);
        _state = new AlignedBuffer(length * cut.StateCount);
        _best = cut.HasBest ? new AlignedBuffer(length) : null;
        Content = new SliceContent(cut, firstBlock, endBlock, _weights, _state, _best);
    }

    public SliceContent Content { get; }

    /// <summary>The whole vector in as many slices as there are servers, cut as slices are.
    /// </summary>
    public static SliceBuffers[] Of(PieceCut cut, int slices) =>
    [
        .. Enumerable.Range(0, slices).Select(slice => new SliceBuffers(
            cut, cut.BlockCount * slice / slices, cut.BlockCount * (slice + 1) / slices)),
    ];

    /// <summary>Every float says where it belongs.</summary>
    public void Fill() => Visit((ref float value, float expected) => value = expected);

    public void AssertFilled() => Visit((ref float value, float expected) => Assert.Equal(
        BitConverter.SingleToUInt32Bits(expected), BitConverter.SingleToUInt32Bits(value)));

    public void Dispose()
    {
        _weights.Dispose();
        _state.Dispose();
        _best?.Dispose();
    }

    private delegate void Visitor(ref float value, float expected);

    private void Visit(Visitor visitor)
    {
        PieceCut cut = Content.Cut;
        int start = cut.StartOf(Content.FirstBlock);
        for (int section = 0; section < cut.Sections; section++)
        {
            Span<float> values = section == 0 ? _weights.Span
                : section <= cut.StateCount
                    ? _state.Span.Slice((section - 1) * _weights.Length, _weights.Length)
                    : _best!.Span;
            for (int i = FirstVisited(start); i < values.Length; i += Stride)
            {
                visitor(ref values[i], ExpectedAt(section, start + i));
            }
        }
    }

    // The same parameters are visited however the vector is cut.
    private static int FirstVisited(int start) => (Stride - (start % Stride)) % Stride;

    private static float ExpectedAt(int section, int parameter) =>
        BitConverter.UInt32BitsToSingle((uint)((section << 24) + parameter) + 1);
}
