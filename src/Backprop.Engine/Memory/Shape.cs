using System.Collections.Immutable;

namespace Backprop.Engine;

/// <summary>The dimensions of one sample or of one parameter tensor, outermost first; the batch
/// dimension is never part of it.</summary>
public sealed record Shape
{
    /// <summary>The most elements a shape may have: what a span can address.</summary>
    public const int MaxCount = int.MaxValue - AlignedBuffer.SlackFloats;

    private Shape(ImmutableArray<int> dimensions, int count)
    {
        Dimensions = dimensions;
        Count = count;
    }

    /// <summary>The dimensions, outermost first; empty for a scalar.</summary>
    public ImmutableArray<int> Dimensions { get; }

    /// <summary>The number of elements: the product of the dimensions.</summary>
    public int Count { get; }

    /// <summary>Makes a shape of positive dimensions.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is not positive, or the product
    /// exceeds <see cref="MaxCount"/>.</exception>
    public static Shape Of(params ReadOnlySpan<int> dimensions)
    {
        long count = 1;
        foreach (int dimension in dimensions)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(dimension, nameof(dimensions));
            count *= dimension;
            ArgumentOutOfRangeException.ThrowIfGreaterThan(count, MaxCount, nameof(dimensions));
        }

        return new Shape([.. dimensions], (int)count);
    }

    /// <inheritdoc/>
    public bool Equals(Shape? other) =>
        other is not null && Dimensions.AsSpan().SequenceEqual(other.Dimensions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        HashCode hash = default;
        foreach (int dimension in Dimensions)
        {
            hash.Add(dimension);
        }

        return hash.ToHashCode();
    }

    /// <summary>For example <c>28x28</c>; <c>scalar</c> where there are no dimensions.</summary>
    public override string ToString() =>
        Dimensions.IsEmpty ? "scalar" : string.Join('x', Dimensions);
}
