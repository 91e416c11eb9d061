using Backprop.Engine.Losses;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Networks;

/// <summary>Σ target·output: its gradient is the targets themselves, so that a test chooses what
/// flows back into a network.</summary>
internal sealed record LinearLoss : Loss
{
    public override string Name => "linear";

    public override TargetKind Target => TargetKind.Values;

    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient)
    {
        for (int row = 0; row < rows; row++)
        {
            float sum = 0;
            for (int i = row * width; i < (row + 1) * width; i++)
            {
                sum += outputs[i] * targets[i];
                if (gradient is not null)
                {
                    gradient[i] = scale * targets[i];
                }
            }

            rowLosses[row] = sum;
        }
    }

    public override double Reference(ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets)
    {
        double sum = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            sum += outputs[i] * targets[i];
        }

        return sum;
    }
}
