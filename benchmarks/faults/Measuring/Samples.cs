namespace Backprop.Faults.Measuring;

/// <summary>Samples of one quantity.</summary>
internal sealed class Samples
{
    private readonly List<double> _values = [];

    /// <summary>How many.</summary>
    public int Count => _values.Count;

    /// <summary>The middle one.</summary>
    public double Median => Quantile(0.5);

    /// <summary>The greatest.</summary>
    public double Max => Quantile(1);

    /// <summary>One more.</summary>
    public void Add(double value) => _values.Add(value);

    /// <summary>The least sample that such a share of all does not exceed.</summary>
    public double Quantile(double share)
    {
        double[] sorted = [.. _values.Order()];
        return sorted.Length == 0
            ? double.NaN
            : sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }
}
