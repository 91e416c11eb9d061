using Backprop.Engine.Randomness;

namespace Backprop.Data.Augmentations;

/// <summary>Swaps left and right, as often as asked.</summary>
internal sealed class Flip(ImageShape shape, uint stream, double probability) : IAugmentation
{
    /// <inheritdoc/>
    public void Apply(
        ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch)
    {
        var random = new RandomStream(seed, RandomPurpose.Augmentation, stream, (ulong)epoch);
        if (random.Uniform((ulong)sample, 0) >= probability)
        {
            return;
        }

        for (int row = 0; row < shape.Rows; row++)
        {
            for (int left = 0, right = shape.Columns - 1; left < right; left++, right--)
            {
                for (int channel = 0; channel < shape.Channels; channel++)
                {
                    ref float a = ref features[shape.Offset(row, left) + channel];
                    ref float b = ref features[shape.Offset(row, right) + channel];
                    (a, b) = (b, a);
                }
            }
        }
    }
}
