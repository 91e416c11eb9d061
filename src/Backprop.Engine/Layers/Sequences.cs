using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>Rows that are sequences: a row of shape TxD is T positions of D numbers each, stored
/// position after position. What reads rows of numbers reads such a row as T of them.</summary>
/// <remarks>In memory [rows, T, D] is [rows·T, D], so that the kernels for rows serve positions as
/// they are, and a sum over samples runs over rows and, within each, over positions.</remarks>
internal static class Sequences
{
    private const int Dimensions = 2;

    /// <summary>Whether rows of this shape are sequences.</summary>
    public static bool Is(Shape shape) => shape.Dimensions.Length == Dimensions;

    /// <summary>T; 1 where rows are no sequences.</summary>
    public static int Positions(Shape shape) => Is(shape) ? shape.Dimensions[0] : 1;

    /// <summary>D: the numbers of a position; all of the row where it is no sequence.</summary>
    public static int Width(Shape shape) => shape.Count / Positions(shape);

    /// <summary>The same positions with <paramref name="width"/> numbers each.</summary>
    public static Shape WithWidth(Shape shape, int width) =>
        Is(shape) ? Shape.Of(shape.Dimensions[0], width) : Shape.Of(width);

    /// <summary>Refuses networks that do not read a token for each position of the sequences that
    /// the next layer reads: where it would look for padding.</summary>
    /// <exception cref="ArgumentException">They read rows of another shape.</exception>
    public static void RequireTokens(NetworkBuilder builder, string kind, string name)
    {
        int positions = Positions(builder.OutputShape);
        if (!builder.Inputs.IsEmpty)
        {
            throw new ArgumentException(
                $"{kind} '{name}' looks for padding in what the network reads, which must be "
                + "tokens alone, and it has the inputs "
                + string.Join(", ", builder.Inputs.Select(input => input.Name)));
        }

        if (builder.InputShape != Shape.Of(positions))
        {
            throw new ArgumentException(
                $"{kind} '{name}' looks for padding in what the network reads, rows of shape "
                + $"{builder.InputShape}, where a token for each of its {positions} positions "
                + "must stand");
        }
    }

    /// <summary>Refuses rows that are no sequences of vectors.</summary>
    /// <exception cref="ArgumentException">The shape has not two dimensions.</exception>
    public static void Require(Shape input, string kind, string name)
    {
        if (!Is(input))
        {
            throw new ArgumentException(
                $"{kind} '{name}' reads sequences of vectors, positions x width, but its input is "
                + $"of shape {input}: put an embedding before it, or data of two dimensions");
        }
    }
}
