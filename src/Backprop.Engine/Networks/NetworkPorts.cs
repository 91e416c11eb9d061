using System.Collections.Immutable;

namespace Backprop.Engine.Networks;

/// <summary>An output of a network: what a node computes, under a name of its own, to be judged by
/// a loss of its own.</summary>
/// <param name="Name">The name; empty for the only output of a network that names none.</param>
/// <param name="Node">The node whose output it is.</param>
/// <param name="Shape">The shape of one of its rows.</param>
public sealed record NetworkOutput(string Name, int Node, Shape Shape);

/// <summary>Features that stand side by side.</summary>
/// <param name="First">The first.</param>
/// <param name="Count">How many.</param>
public readonly record struct FeatureRun(int First, int Count)
{
    /// <summary>For example <c>0-63</c>.</summary>
    public override string ToString() =>
        Count == 1 ? $"{First}" : $"{First}-{First + Count - 1}";
}

/// <summary>Part of a network's input row, under a name of its own: some of its features, as rows
/// of a shape of their own.</summary>
/// <param name="Name">The name.</param>
/// <param name="Features">Which of the row's features, by index, in the input's order.</param>
/// <param name="Shape">The shape of one of its rows; as many numbers as there are features.</param>
public sealed record NetworkInput(string Name, ImmutableArray<int> Features, Shape Shape)
{
    /// <summary>The features of a range.</summary>
    /// <param name="name">The name.</param>
    /// <param name="first">The first feature.</param>
    /// <param name="shape">The shape of one of the input's rows, which has as many features as it
    /// has numbers.</param>
    public static NetworkInput OfRange(string name, int first, Shape shape) =>
        new(name, [.. Enumerable.Range(first, shape.Count)], shape);

    /// <summary>Equal names, shapes and features, one by one.</summary>
    public bool Equals(NetworkInput? other) =>
        other is not null && Name == other.Name && Shape == other.Shape
        && Features.AsSpan().SequenceEqual(other.Features.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Shape, Features.Length);

    /// <summary>The features as ranges of those that stand side by side.</summary>
    public ImmutableArray<FeatureRun> Runs
    {
        get
        {
            var runs = ImmutableArray.CreateBuilder<FeatureRun>();
            for (int first = 0, end; first < Features.Length; first = end)
            {
                end = first + 1;
                while (end < Features.Length && Features[end] == Features[end - 1] + 1)
                {
                    end++;
                }

                runs.Add(new FeatureRun(Features[first], end - first));
            }

            return runs.ToImmutable();
        }
    }

    /// <summary>For example <c>image: features 0-63 as 8x8x1</c>.</summary>
    public override string ToString() => $"{Name}: features {string.Join(',', Runs)} as {Shape}";

    /// <summary>Refuses what is no part of a row.</summary>
    /// <exception cref="ArgumentException">Features are missing or lie outside the row, or the
    /// shape is of another number.</exception>
    internal void Require(Shape row)
    {
        if (Features.IsDefaultOrEmpty || Features.Length != Shape.Count)
        {
            throw new ArgumentException(
                $"input '{Name}' has {(Features.IsDefault ? 0 : Features.Length)} features, and "
                + $"its shape {Shape} takes {Shape.Count}");
        }

        foreach (int feature in Features)
        {
            if (feature < 0 || feature >= row.Count)
            {
                throw new ArgumentException(
                    $"input '{Name}' reads feature {feature}, and samples have features 0 to "
                    + $"{row.Count - 1}");
            }
        }
    }
}
