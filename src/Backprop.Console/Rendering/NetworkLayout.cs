using System.Collections.Immutable;

namespace Backprop.Console.Rendering;

/// <summary>A rectangle of the drawing, in pixels.</summary>
internal readonly record struct Box(double Left, double Top, double Width, double Height)
{
    /// <summary>Whether the two share any point.</summary>
    public bool Overlaps(Box other) =>
        Left < other.Left + other.Width && other.Left < Left + Width
        && Top < other.Top + other.Height && other.Top < Top + Height;
}

/// <summary>Where the neurons of a drawn network lie, and the labels of its weights, so that none
/// covers another.</summary>
internal sealed record NetworkLayout
{
    /// <summary>The most neurons of a drawn layer, inputs included.</summary>
    public const int MostNeurons = 6;

    /// <summary>The most layers of a drawn network, the input not counted.</summary>
    public const int MostLayers = 5;

    /// <summary>A neuron's radius.</summary>
    public const double Radius = 42;

    /// <summary>A weight's label.</summary>
    public const double LabelWidth = 172;

    /// <summary>A weight's label.</summary>
    public const double LabelHeight = 34;

    /// <summary>What is left free above the topmost neuron, for the title.</summary>
    public const double TopMargin = 150;

    private const double LeftMargin = 100;
    private const double RightMargin = 230;
    private const double BottomMargin = 150;

    // Text above and below a neuron is this far out.
    private const double NeuronReach = 64;
    private const double TextAbove = 24;
    private const double TextBelow = 52;
    private static readonly (double Column, double Row)[] s_spacings =
    [
        .. from column in (double[])[380, 450, 530, 630, 750]
           from row in (double[])[200, 240, 290, 350, 420]
           orderby column * row
           select (column, row),
    ];

    // Places along a line, from its start: nearest to 0.3 first, where lines have parted.
    private static readonly double[] s_labelPlaces =
        [.. Enumerable.Range(0, 31).Select(i => 0.2 + (i * 0.02)).OrderBy(t => Math.Abs(t - 0.3))];

    /// <summary>Neurons of each column; column 0 is the input.</summary>
    public required ImmutableArray<int> Columns { get; init; }

    /// <summary>Distance between two columns.</summary>
    public required double ColumnSpacing { get; init; }

    /// <summary>Distance between two neurons of a column.</summary>
    public required double RowSpacing { get; init; }

    /// <summary>For each gap after a column, the label of each weight, [from · to].</summary>
    public ImmutableArray<ImmutableArray<Box>> Labels { get; private init; } = [];

    /// <summary>Pixels.</summary>
    public double Width => LeftMargin + ((Columns.Length - 1) * ColumnSpacing) + RightMargin;

    /// <summary>Pixels.</summary>
    public double Height => TopMargin + ((Columns.Max() - 1) * RowSpacing) + BottomMargin;

    /// <summary>Why a network of these columns cannot be drawn; null: it can.</summary>
    public static string? Refusal(ImmutableArray<int> columns)
    {
        if (columns.Length - 1 > MostLayers)
        {
            return $"the network has {columns.Length - 1} layers of neurons; "
                + $"a drawing has room for {MostLayers}";
        }

        return columns.Max() > MostNeurons
            ? $"a layer (or the input) has {columns.Max():N0} neurons; "
                + $"a drawing has room for {MostNeurons}"
            : null;
    }

    /// <summary>Lays a network out.</summary>
    /// <exception cref="ArgumentException">There is a <see cref="Refusal"/>.</exception>
    public static NetworkLayout Of(ImmutableArray<int> columns)
    {
        if (Refusal(columns) is string refusal)
        {
            throw new ArgumentException(refusal, nameof(columns));
        }

        foreach ((double column, double row) in s_spacings)
        {
            var layout = new NetworkLayout
            {
                Columns = columns,
                ColumnSpacing = column,
                RowSpacing = row,
            };
            if (layout.TryPlaceLabels() is ImmutableArray<ImmutableArray<Box>> labels)
            {
                return layout with { Labels = labels };
            }
        }

        throw new InvalidOperationException(
            $"no layout for columns of {string.Join(", ", columns)} neurons");
    }

    /// <summary>The centre of a neuron.</summary>
    public (double X, double Y) Centre(int column, int neuron)
    {
        double middle = (Columns.Max() - 1) * RowSpacing / 2;
        double first = middle - ((Columns[column] - 1) * RowSpacing / 2);
        return (LeftMargin + (column * ColumnSpacing), TopMargin + first + (neuron * RowSpacing));
    }

    /// <summary>A neuron with the text above and below it.</summary>
    public Box NeuronBox(int column, int neuron)
    {
        (double x, double y) = Centre(column, neuron);
        double top = y - Radius - TextAbove;
        return new Box(x - NeuronReach, top, 2 * NeuronReach, y + Radius + TextBelow - top);
    }

    private ImmutableArray<ImmutableArray<Box>>? TryPlaceLabels()
    {
        var gaps = ImmutableArray.CreateBuilder<ImmutableArray<Box>>();
        for (int column = 0; column + 1 < Columns.Length; column++)
        {
            var placed = new List<Box>();
            for (int edge = 0; edge < Columns[column] * Columns[column + 1]; edge++)
            {
                int from = edge / Columns[column + 1];
                int to = edge % Columns[column + 1];
                if (TryPlaceLabel(column, from, to, placed) is not Box label)
                {
                    return null;
                }

                placed.Add(label);
            }

            gaps.Add([.. placed]);
        }

        return gaps.ToImmutable();
    }

    private Box? TryPlaceLabel(int column, int from, int to, List<Box> placed)
    {
        (double startX, double startY) = Centre(column, from);
        (double endX, double endY) = Centre(column + 1, to);
        var neurons = Enumerable.Range(0, Columns[column]).Select(n => NeuronBox(column, n))
            .Concat(Enumerable.Range(0, Columns[column + 1]).Select(n => NeuronBox(column + 1, n)));
        Box[] taken = [.. neurons, .. placed];
        foreach (double place in s_labelPlaces)
        {
            var label = new Box(
                startX + (place * (endX - startX)) - (LabelWidth / 2),
                startY + (place * (endY - startY)) - (LabelHeight / 2), LabelWidth, LabelHeight);
            if (!taken.Any(label.Overlaps))
            {
                return label;
            }
        }

        return null;
    }
}
