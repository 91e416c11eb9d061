namespace Backprop.Training.Protocol;

/// <summary>Things and their number, in words for people.</summary>
public static class Counted
{
    /// <summary>"1 worker", "3 workers".</summary>
    /// <param name="count">How many.</param>
    /// <param name="what">What one of them is called; more take an "s".</param>
    public static string Of(int count, string what) => Of(count, what, what + "s");

    /// <summary>"1 micro-batch", "3 micro-batches".</summary>
    /// <param name="count">How many.</param>
    /// <param name="one">What one of them is called.</param>
    /// <param name="several">What several are called.</param>
    public static string Of(int count, string one, string several) =>
        count == 1 ? $"1 {one}" : $"{count} {several}";
}
