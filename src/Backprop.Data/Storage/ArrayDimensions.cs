using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data.Storage;

/// <summary>Checks the dimensions that a header gives.</summary>
internal static class ArrayDimensions
{
    /// <summary>Dimensions as they were read, once they are known to be usable: every one at least
    /// 1, an item no larger than a shape may be, and all bytes countable.</summary>
    public static ImmutableArray<int> Require(string path, ReadOnlySpan<long> dimensions)
    {
        string text = string.Join('x', dimensions.ToArray());
        long itemElements = 1;
        for (int i = 0; i < dimensions.Length; i++)
        {
            if (dimensions[i] < 1)
            {
                throw new InvalidDatasetException(
                    path, $"its dimensions are {text}", "every dimension must be at least 1");
            }

            itemElements = i == 0 || itemElements > Shape.MaxCount
                ? itemElements
                : itemElements * Math.Min(dimensions[i], Shape.MaxCount + 1L);
        }

        if (dimensions[0] > int.MaxValue || itemElements > Shape.MaxCount / sizeof(double))
        {
            throw new InvalidDatasetException(
                path, $"its dimensions are {text}, more than can be used",
                $"at most {int.MaxValue:N0} samples of {Shape.MaxCount / sizeof(double):N0} "
                + "numbers each");
        }

        return [.. dimensions.ToArray().Select(dimension => (int)dimension)];
    }

    /// <summary>The shape of an item, where an array is a single one.</summary>
    public static Shape RequireItem(string path, ImmutableArray<int> dimensions)
    {
        Require(path, [1, .. dimensions.Select(length => (long)length)]);
        return Shape.Of(dimensions.AsSpan());
    }

    /// <summary>Elements of an array of these dimensions, which <see cref="Require"/> has passed.
    /// </summary>
    public static long Elements(ImmutableArray<int> dimensions) =>
        dimensions.Aggregate(1L, (product, dimension) => product * dimension);
}
