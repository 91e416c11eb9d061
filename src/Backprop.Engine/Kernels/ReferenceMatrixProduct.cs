using Backprop.Engine.Gradients;

namespace Backprop.Engine.Kernels;

/// <summary>The plain definition of <see cref="MatrixProduct"/>: what every faster variant must
/// equal to the last bit.</summary>
internal static unsafe class ReferenceMatrixProduct
{
    /// <summary>See <see cref="MatrixProduct.Multiply"/>.</summary>
    public static void Multiply(
        float* a, float* b, float* bias, int rows, int inner, int columns, float* c)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                float sum = 0f;
                for (int k = 0; k < inner; k++)
                {
                    sum = MathF.FusedMultiplyAdd(
                        a[(nint)row * inner + k], b[(nint)k * columns + column], sum);
                }

                c[(nint)row * columns + column] = bias is null ? sum : sum + bias[column];
            }
        }
    }

    /// <summary>See <see cref="MatrixProduct.MultiplyByTransposed"/>.</summary>
    public static void MultiplyByTransposed(
        float* a, float* b, int rows, int inner, int columns, float* c)
    {
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                float sum = 0f;
                for (int k = 0; k < inner; k++)
                {
                    sum = MathF.FusedMultiplyAdd(
                        a[(nint)row * inner + k], b[(nint)column * inner + k], sum);
                }

                c[(nint)row * columns + column] = sum;
            }
        }
    }

    /// <summary>See <see cref="MatrixProduct.WeightGradient"/>.</summary>
    public static void WeightGradient(
        float* input, float* outputGradient, ReadOnlySpan<int> starts, int inputs, int outputs,
        float* gradient)
    {
        Span<float> sums = new float[starts.Length - 1];
        for (int i = 0; i < inputs; i++)
        {
            for (int j = 0; j < outputs; j++)
            {
                for (int m = 0; m < sums.Length; m++)
                {
                    float sum = 0f;
                    for (int row = starts[m]; row < starts[m + 1]; row++)
                    {
                        sum = MathF.FusedMultiplyAdd(
                            input[(nint)row * inputs + i],
                            outputGradient[(nint)row * outputs + j],
                            sum);
                    }

                    sums[m] = sum;
                }

                gradient[(nint)i * outputs + j] = GradientTree.Fold(sums);
            }
        }
    }

    /// <summary>See <see cref="MatrixProduct.BiasGradient"/>.</summary>
    public static void BiasGradient(
        float* outputGradient, ReadOnlySpan<int> starts, int outputs, float* gradient)
    {
        Span<float> sums = new float[starts.Length - 1];
        for (int j = 0; j < outputs; j++)
        {
            for (int m = 0; m < sums.Length; m++)
            {
                float sum = 0f;
                for (int row = starts[m]; row < starts[m + 1]; row++)
                {
                    sum += outputGradient[(nint)row * outputs + j];
                }

                sums[m] = sum;
            }

            gradient[j] = GradientTree.Fold(sums);
        }
    }
}
