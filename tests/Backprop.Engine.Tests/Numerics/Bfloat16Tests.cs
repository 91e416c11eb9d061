using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Numerics;

/// <summary>Rounding to bfloat16 is to the nearest, ties to even, whatever the number and the width
/// of the vectors.</summary>
public sealed class Bfloat16Tests
{
    private const int Count = 1 << 16;

    // Half a place, a whole one but for the last bit, and what lies beside them.
    private static readonly uint[] LowerHalves = [0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF];

    public static TheoryData<SimdWidth> Widths => [.. SimdWidths.All];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Every_bfloat16_is_a_float_and_comes_back(SimdWidth width)
    {
        ushort[] all = [.. Enumerable.Range(0, Count).Select(bits => (ushort)bits)];
        var widened = new float[Count];
        Bfloat16.Widen(width, all, widened);
        var rounded = new ushort[Count];
        Bfloat16.Round(width, widened, rounded);
        for (int i = 0; i < Count; i++)
        {
            Assert.Equal((uint)i << 16, BitConverter.SingleToUInt32Bits(widened[i]));
            int expected = float.IsNaN(widened[i]) ? i | 0x40 : i;
            Assert.Equal(expected, rounded[i]);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Around_every_bfloat16_the_nearest_is_taken_and_the_even_one_of_two(SimdWidth width)
    {
        foreach (uint lower in LowerHalves)
        {
            AssertRounds(
                width,
                [
                    .. Enumerable.Range(0, Count).Select(
                        upper => BitConverter.UInt32BitsToSingle(((uint)upper << 16) | lower)),
                ]);
        }
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Any_float_is_rounded_to_the_nearest(SimdWidth width)
    {
        var random = new Random(7);
        AssertRounds(
            width,
            [
                .. Enumerable.Range(0, 1_000_003).Select(
                    _ => BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue))),
            ]);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Any_number_of_elements_is_rounded_and_none_beside_them(SimdWidth width)
    {
        for (int length = 0; length < 40; length++)
        {
            float[] source = [.. Enumerable.Range(0, length).Select(i => 1 + (i / 1000f))];
            ushort[] rounded = [.. Enumerable.Repeat((ushort)0xABCD, length + 1)];
            Bfloat16.Round(width, source, rounded.AsSpan(0, length));
            Assert.Equal(source.Select(Nearest), rounded.Take(length));
            Assert.Equal(0xABCD, rounded[length]);
            float[] widened = [.. Enumerable.Repeat(5f, length + 1)];
            Bfloat16.Widen(width, rounded.AsSpan(0, length), widened.AsSpan(0, length));
            Assert.Equal(
                rounded.Take(length).Select(
                    half => BitConverter.UInt32BitsToSingle((uint)half << 16)),
                widened.Take(length));
            Assert.Equal(5f, widened[length]);
        }
    }

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Bfloat16.Round(new float[2], new ushort[3]));
        Assert.Throws<ArgumentException>(() => Bfloat16.Widen(new ushort[3], new float[2]));
    }

    private static void AssertRounds(SimdWidth width, float[] source)
    {
        var rounded = new ushort[source.Length];
        Bfloat16.Round(width, source, rounded);
        for (int i = 0; i < source.Length; i++)
        {
            if (Nearest(source[i]) != rounded[i])
            {
                Assert.Fail($"{source[i]:R} became {rounded[i]:x4}, not {Nearest(source[i]):x4}");
            }
        }
    }

    // By the definition: of the two neighbours the nearer one, where distances are exact in double
    // precision; past the largest, infinity stands in the place of 2^128.
    private static ushort Nearest(float value)
    {
        ushort below = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
        if (float.IsNaN(value))
        {
            return (ushort)(below | 0x40);
        }

        if (float.IsInfinity(value))
        {
            return below;
        }

        ushort above = (ushort)(below + 1);
        double size = Math.Abs((double)value);
        double toBelow = size - Size(below), toAbove = Size(above) - size;
        return toBelow < toAbove ? below
            : toBelow > toAbove ? above
            : (below & 1) == 0 ? below
            : above;
    }

    private static double Size(ushort half) => (half & 0x7FFF) == 0x7F80
        ? Math.Pow(2, 128)
        : Math.Abs((double)BitConverter.UInt32BitsToSingle((uint)half << 16));
}
