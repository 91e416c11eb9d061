using System.Collections.Immutable;
using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>The values themselves, as a worked example prints them.</summary>
/// <param name="Values">Row-major, as many as the tensor has: for a dense layer's weight
/// [inputs, outputs], first all weights that leave the first input.</param>
public sealed record ExplicitValues(ImmutableArray<float> Values) : Initializer
{
    /// <inheritdoc/>
    public override void Check(string parameter, Shape shape)
    {
        if (Values.Length != shape.Count)
        {
            throw new ArgumentException(
                $"'{parameter}' is a tensor of {shape} and takes {shape.Count:N0} values, row by "
                + $"row; {Values.Length:N0} are given");
        }
    }

    /// <inheritdoc/>
    public override void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination) =>
        Values.AsSpan().CopyTo(destination);
}
