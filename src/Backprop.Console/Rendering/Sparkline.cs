namespace Backprop.Console.Rendering;

/// <summary>A curve in one line of text, from blocks of eight heights.</summary>
internal static class Sparkline
{
    private const string Blocks = "▁▂▃▄▅▆▇█";
    private const char NotFinite = '!';

    // From here on a linear scale shows only the fall of the first steps.
    private const double LogarithmicFromRatio = 20;

    /// <summary>A letter a value; what is not finite is an exclamation mark.</summary>
    public static string Draw(IReadOnlyList<double> values)
    {
        double[] finite = [.. values.Where(double.IsFinite)];
        if (finite.Length == 0)
        {
            return new string(NotFinite, values.Count);
        }

        double least = finite.Min();
        double most = finite.Max();
        bool isLogarithmic = least > 0 && most / least >= LogarithmicFromRatio;
        double Height(double value) => most <= least ? 0
            : isLogarithmic ? Math.Log(value / least) / Math.Log(most / least)
            : (value - least) / (most - least);
        return string.Concat(values.Select(value => double.IsFinite(value)
            ? Blocks[(int)Math.Round(Height(value) * (Blocks.Length - 1))]
            : NotFinite));
    }
}
