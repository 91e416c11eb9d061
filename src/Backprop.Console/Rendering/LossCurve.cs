using System.Globalization;
using System.Text;

namespace Backprop.Console.Rendering;

/// <summary>A line of the loss curve's legend and its values, one an epoch.</summary>
/// <param name="Name">For the legend.</param>
/// <param name="Values">In order; what is not finite is left out.</param>
internal sealed record LossSeries(string Name, IReadOnlyList<double> Values);

/// <summary>
/// Draws losses over epochs with characters. Braille cells have 2x4 dots, so 64 columns show 128
/// values; a second series is drawn with circles, one a column, so that it is told apart without
/// colour.
/// </summary>
internal static class LossCurve
{
    private const int AxisWidth = 10;
    private const int DotsAcross = 2;
    private const int DotsDown = 4;
    private const char BrailleBlank = '\u2800';
    private const char SecondMark = 'o';

    // From here on a linear axis shows only the fall of the first epochs.
    private const double LogarithmicFromRatio = 20;

    /// <summary>The lines of the drawing, each at most <paramref name="width"/> long; none where
    /// there are fewer than two values to draw.</summary>
    /// <param name="first">Drawn as a line.</param>
    /// <param name="second">Drawn as circles; null: not.</param>
    /// <param name="width">Columns to use, at least 60.</param>
    /// <param name="height">Rows of the plot itself, at least 4.</param>
    public static IReadOnlyList<string> Draw(
        LossSeries first, LossSeries? second, int width, int height)
    {
        double[] finite = [.. first.Values.Concat(second?.Values ?? []).Where(double.IsFinite)];
        if (first.Values.Count(double.IsFinite) < 2)
        {
            return [];
        }

        var scale = Scale.Over(finite);
        int columns = width - AxisWidth - 1;
        char[,] cells = new char[height, columns];
        DrawLine(first.Values, scale, cells);
        if (second is not null)
        {
            DrawMarks(second.Values, first.Values.Count, scale, cells);
        }

        return Frame(cells, scale, first, second);
    }

    private static void DrawLine(IReadOnlyList<double> values, Scale scale, char[,] cells)
    {
        int height = cells.GetLength(0) * DotsDown;
        int width = cells.GetLength(1) * DotsAcross;
        int? previous = null;
        for (int x = 0; x < width; x++)
        {
            // Between two epochs the line is straight, so that short runs have a line as well.
            double position = (double)x / (width - 1) * (values.Count - 1);
            int left = (int)position;
            int right = Math.Min(left + 1, values.Count - 1);
            double from = scale.Fraction(values[left]);
            double at = from + ((position - left) * (scale.Fraction(values[right]) - from));
            if (!double.IsFinite(at))
            {
                previous = null;
                continue;
            }

            int y = (int)Math.Round((1 - at) * (height - 1));
            int low = Math.Min(y, previous ?? y);
            int high = Math.Max(y, previous ?? y);
            for (int dot = low; dot <= high; dot++)
            {
                SetDot(cells, x, dot);
            }

            previous = y;
        }
    }

    private static void SetDot(char[,] cells, int x, int y)
    {
        // Braille numbers its dots down the left column, then down the right; the last row of
        // four was added later and has the two highest bits.
        int column = x % DotsAcross;
        int bit = (y % DotsDown) switch
        {
            3 => 0x40 << column,
            int row => 1 << (row + (3 * column)),
        };
        ref char cell = ref cells[y / DotsDown, x / DotsAcross];
        cell = (char)((cell == 0 ? BrailleBlank : cell) | bit);
    }

    private static void DrawMarks(
        IReadOnlyList<double> values, int epochs, Scale scale, char[,] cells)
    {
        int height = cells.GetLength(0);
        int width = cells.GetLength(1);
        for (int epoch = 0; epoch < values.Count; epoch++)
        {
            double fraction = scale.Fraction(values[epoch]);
            if (!double.IsFinite(fraction))
            {
                continue;
            }

            int x = (int)((double)epoch / Math.Max(1, epochs - 1) * (width - 1));
            cells[(int)Math.Round((1 - fraction) * (height - 1)), x] = SecondMark;
        }
    }

    private static List<string> Frame(
        char[,] cells, Scale scale, LossSeries first, LossSeries? second)
    {
        int height = cells.GetLength(0);
        int width = cells.GetLength(1);
        var lines = new List<string>();
        string legend = second is null
            ? first.Name
            : $"{first.Name} (line), {second.Name} ({SecondMark})";
        lines.Add($"{"",AxisWidth} {legend}{(scale.Logarithmic ? ", logarithmic" : "")}");
        for (int row = 0; row < height; row++)
        {
            bool labelled = row == 0 || row == height - 1 || row == height / 2;
            string label = labelled ? Number(scale.At(1 - ((double)row / (height - 1)))) : "";
            var line = new StringBuilder($"{label,AxisWidth - 1} {(labelled ? '┤' : '│')}");
            for (int x = 0; x < width; x++)
            {
                line.Append(cells[row, x] == 0 ? ' ' : cells[row, x]);
            }

            lines.Add(line.ToString().TrimEnd());
        }

        string last = $"epoch {first.Values.Count}";
        lines.Add($"{"",AxisWidth}└{new string('─', width)}");
        lines.Add($"{"",AxisWidth} 1{last.PadLeft(width - 1)}");
        return lines;
    }

    private static string Number(double value) =>
        value.ToString(Math.Abs(value) is >= 1e-3 and < 1e5 or 0 ? "0.####" : "0.##e+0",
            CultureInfo.InvariantCulture);

    /// <summary>The vertical axis.</summary>
    private readonly record struct Scale(double Minimum, double Maximum, bool Logarithmic)
    {
        public static Scale Over(double[] values)
        {
            double minimum = values.Min();
            double maximum = values.Max();
            bool logarithmic = minimum > 0 && maximum / minimum >= LogarithmicFromRatio;
            return new Scale(minimum, maximum, logarithmic);
        }

        /// <summary>0 at the bottom, 1 at the top; NaN for what is not finite.</summary>
        public double Fraction(double value)
        {
            if (Maximum <= Minimum)
            {
                return double.IsFinite(value) ? 0.5 : double.NaN;
            }

            double fraction = Logarithmic
                ? Math.Log(value / Minimum) / Math.Log(Maximum / Minimum)
                : (value - Minimum) / (Maximum - Minimum);
            return double.IsFinite(fraction) ? fraction : double.NaN;
        }

        /// <summary>The value at a fraction of the height.</summary>
        public double At(double fraction) => Logarithmic
            ? Minimum * Math.Pow(Maximum / Minimum, fraction)
            : Minimum + (fraction * (Maximum - Minimum));
    }
}
