using System.Collections.Immutable;
using System.IO.Enumeration;
using Backprop.Engine;
using Backprop.Engine.Networks;

namespace Backprop.Training.Specification;

/// <summary>One of a network's outputs as it is asked for.</summary>
/// <param name="Name">Its name; empty: the only output, which has none.</param>
/// <param name="Target">The target that it is held against; null: the only one, or of several the
/// one of the output's name.</param>
/// <param name="Weight">What its loss counts in the whole.</param>
/// <param name="Loss">Its loss.</param>
public sealed record OutputSpecification(
    string Name, string? Target, float Weight, Placed<LossSpecification> Loss);

/// <summary>One of a network's inputs as it is asked for: some features of a sample, by the names
/// of their columns or by their number.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Columns">Columns' names; <c>*</c> stands for anything, and a categorical column for
/// all of its names. Empty: the features are counted.</param>
/// <param name="First">Of features that are counted the first.</param>
/// <param name="Shape">The shape of one of its rows; null: as many numbers as columns have.</param>
/// <param name="Place">Where it stands.</param>
public sealed record InputSpecification(
    string Name, ImmutableArray<Placed<string>> Columns, int First, Shape? Shape,
    SpecificationPlace Place)
{
    private const int MostListed = 10;

    /// <summary>The input of samples of a known shape.</summary>
    /// <param name="row">The shape of a sample's features.</param>
    /// <param name="names">The features' names; empty: they have none.</param>
    /// <exception cref="SpecificationException">A column is not there, or there are too few
    /// features, or the shape is of another number.</exception>
    public NetworkInput Resolve(Shape row, ImmutableArray<string> names)
    {
        ImmutableArray<int> features = Columns.IsEmpty
            ? [.. Enumerable.Range(First, Shape!.Count)]
            : [.. Columns.SelectMany(column => Matching(column, names)).Distinct()];
        Shape shape = Shape ?? Engine.Shape.Of(features.Length);
        if (shape.Count != features.Length)
        {
            throw Mistake(
                Place, $"its columns are {features.Length} features, and {shape} takes "
                + $"{shape.Count}");
        }

        return features[^1] < row.Count
            ? new NetworkInput(Name, features, shape)
            : throw Mistake(
                Place, $"it reads features {features[0]} to {features[^1]}, and samples have "
                + $"{row} features, 0 to {row.Count - 1}");
    }

    private static IEnumerable<int> Matching(
        Placed<string> column, ImmutableArray<string> names)
    {
        if (names.IsEmpty)
        {
            throw Mistake(
                column.Place, "the features have no names, as those of a table have; give `first` "
                + "and `shape` instead");
        }

        int[] found =
        [
            .. Enumerable.Range(0, names.Length).Where(feature =>
                Matches(column.Value, names[feature])
                || Matches(column.Value, names[feature].Split('=')[0])),
        ];
        return found.Length > 0
            ? found
            : throw Mistake(
                column.Place, $"no feature's column is called '{column.Value}'; there are "
                + string.Join(", ", names.Select(n => n.Split('=')[0]).Distinct().Take(MostListed))
                + (names.Length > MostListed ? ", …" : ""));
    }

    private static bool Matches(string pattern, string name) =>
        FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false);

    private static SpecificationException Mistake(SpecificationPlace place, string message) =>
        new([place.Error(message)]);
}
