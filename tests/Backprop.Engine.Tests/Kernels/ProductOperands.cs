namespace Backprop.Engine.Tests.Kernels;

/// <summary>Operands for product tests: reproducible, of mixed sign and size, with both zeros among
/// them, and with something after their end that would show if it were used.</summary>
internal static unsafe class ProductOperands
{
    /// <summary>A buffer of <paramref name="count"/> values that <paramref name="seed"/> names.
    /// </summary>
    public static AlignedBuffer Create(int count, uint seed)
    {
        var buffer = new AlignedBuffer(count);
        uint state = seed * 2654435761u + 1;
        for (int i = 0; i < count; i++)
        {
            state = state * 1664525u + 1013904223u;
            buffer.Span[i] = (state >> 24) switch
            {
                < 8 => 0f,
                < 16 => -0f,
                // Products of two such values underflow to a zero of either sign.
                < 24 => (state & 1) == 0 ? 1e-30f : -1e-30f,
                _ => ((int)(state >> 8) - (1 << 23)) / (float)(1 << 22),
            };
        }

        new Span<float>(buffer.Pointer + count, AlignedBuffer.SlackFloats).Fill(float.NaN);
        return buffer;
    }

    /// <summary>A destination whose every element, and what follows it, must be accounted for.
    /// </summary>
    public static AlignedBuffer CreateDestination(int count)
    {
        var buffer = new AlignedBuffer(count);
        new Span<float>(buffer.Pointer, count + AlignedBuffer.SlackFloats).Fill(Untouched);
        return buffer;
    }

    /// <summary>Fails where a bit differs, or where something past the end was written.</summary>
    public static void AssertSame(AlignedBuffer expected, AlignedBuffer actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected.Span[i])
                != BitConverter.SingleToInt32Bits(actual.Span[i]))
            {
                Assert.Fail(
                    $"{what}: element {i} is {actual.Span[i]:R}, expected {expected.Span[i]:R}");
            }
        }

        for (int i = 0; i < AlignedBuffer.SlackFloats; i++)
        {
            Assert.Equal(Untouched, actual.Pointer[actual.Length + i]);
        }
    }

    private const float Untouched = 12345.5f;
}
