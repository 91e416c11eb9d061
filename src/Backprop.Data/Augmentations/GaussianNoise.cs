using Backprop.Engine.Randomness;

namespace Backprop.Data.Augmentations;

/// <summary>Adds a normally distributed number to every value.</summary>
internal sealed class GaussianNoise(ImageShape shape, uint stream, double deviation) : IAugmentation
{
    /// <inheritdoc/>
    public void Apply(
        ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch)
    {
        var random = new RandomStream(seed, RandomPurpose.Augmentation, stream, (ulong)epoch);
        for (int i = 0; i < shape.Count; i++)
        {
            features[i] += (float)(deviation * random.Normal((ulong)sample, (ulong)i));
        }
    }
}
