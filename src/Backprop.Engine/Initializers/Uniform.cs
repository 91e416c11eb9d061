using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>Uniform in [<paramref name="Minimum"/>, <paramref name="Maximum"/>).</summary>
/// <param name="Minimum">The smallest value.</param>
/// <param name="Maximum">What every value is below, but for rounding.</param>
public sealed record Uniform(float Minimum, float Maximum) : Initializer
{
    /// <inheritdoc/>
    public override void Check(string parameter, Shape shape)
    {
        if (!(Minimum <= Maximum) || !float.IsFinite(Maximum - Minimum))
        {
            throw new ArgumentException(
                $"'{parameter}' cannot be uniform from {Minimum} to {Maximum}: the first must not "
                + "be above the second, and both must be finite");
        }
    }

    /// <inheritdoc/>
    public override void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination)
    {
        float width = Maximum - Minimum;
        for (int start = 0; start < destination.Length; start += 4)
        {
            PhiloxBlock block = random.Block(0, (ulong)start / 4);
            ReadOnlySpan<uint> words = [block.X, block.Y, block.Z, block.W];
            int count = Math.Min(4, destination.Length - start);
            for (int i = 0; i < count; i++)
            {
                destination[start + i] = MathF.FusedMultiplyAdd(
                    width, RandomStream.ToUniform(words[i]), Minimum);
            }
        }
    }
}
