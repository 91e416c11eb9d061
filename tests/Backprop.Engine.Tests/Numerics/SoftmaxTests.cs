using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Numerics;

public unsafe class SoftmaxTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(16)]
    [InlineData(37)]
    [InlineData(1000)]
    public void RowsMatchDoublePrecisionAtEveryWidth(int width)
    {
        float[] logits = [.. Enumerable.Range(0, width).Select(i => (i * 7919 % 101 * 0.3f) - 9)];
        double sum = logits.Sum(x => Math.Exp(x));
        float[] expected = Row(SimdWidth.Scalar, logits);
        float[] expectedLog = LogRow(SimdWidth.Scalar, logits);
        for (int i = 0; i < width; i++)
        {
            double p = Math.Exp(logits[i]) / sum;
            Assert.Equal(p, expected[i], p * 4e-6);
            Assert.Equal(logits[i] - Math.Log(sum), expectedLog[i], 4e-6);
        }

        foreach (SimdWidth simdWidth in SimdWidths.All)
        {
            Assert.Equal(expected, Row(simdWidth, logits));
            Assert.Equal(expectedLog, LogRow(simdWidth, logits));
        }
    }

    [Fact]
    public void ExtremeLogitsStayFinite()
    {
        float[] logits = [1e4f, -1e4f, 1e4f];
        Assert.Equal([0.5f, 0, 0.5f], Row(SimdWidths.Best, logits));
        Assert.Equal(
            [-MathF.Log(2), -2e4f - MathF.Log(2), -MathF.Log(2)], LogRow(SimdWidths.Best, logits));
    }

    [Fact]
    public void NanIsPassedOn() =>
        Assert.All(Row(SimdWidths.Best, [0, float.NaN, 1]), x => Assert.True(float.IsNaN(x)));

    private static float[] Row(SimdWidth simdWidth, float[] logits)
    {
        float[] results = [.. logits];
        fixed (float* p = results)
        {
            Softmax.Row(simdWidth, p, logits.Length, p);
        }

        return results;
    }

    private static float[] LogRow(SimdWidth simdWidth, float[] logits)
    {
        float[] results = [.. logits];
        fixed (float* p = results)
        {
            Softmax.LogRow(simdWidth, p, logits.Length, p);
        }

        return results;
    }
}
