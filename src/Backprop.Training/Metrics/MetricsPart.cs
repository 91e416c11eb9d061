using System.Collections.Immutable;

namespace Backprop.Training.Metrics;

/// <summary>One target's sums over evaluation micro-batches, an entry each.</summary>
/// <param name="Absolute">Σ|target − output|.</param>
/// <param name="Squared">Σ(target − output)².</param>
/// <param name="Targets">Of the targets themselves.</param>
public sealed record TargetSums(
    ImmutableArray<double> Absolute, ImmutableArray<double> Squared,
    ImmutableArray<Moments> Targets)
{
    internal bool IsOver(int microBatches) =>
        Absolute.Length == microBatches && Squared.Length == microBatches
        && Targets.Length == microBatches;
}

/// <summary>What was summed over consecutive evaluation micro-batches, in the form in which it
/// travels to whoever folds the whole.</summary>
/// <param name="First">The first micro-batch.</param>
/// <param name="LossSums">Sum of the rows' losses of each micro-batch.</param>
/// <param name="Confusion">[true class, predicted class], row-major, over all of them; of sequences
/// the positions that were wrong, and those that were right; empty where targets are
/// values.</param>
/// <param name="Values">Of each target; empty where targets are classes.</param>
public sealed record MetricsPart(
    int First, ImmutableArray<double> LossSums, ImmutableArray<long> Confusion,
    ImmutableArray<TargetSums> Values)
{
    /// <summary>Where the network's outputs are named, of each of them, over the same
    /// micro-batches; empty: there is one without a name.</summary>
    public ImmutableArray<MetricsPart> Outputs { get; init; } = [];

    /// <summary>Whether these are sums of what a reading tells apart.</summary>
    internal bool Fits(TargetReading reading) =>
        Confusion.Length == reading.Counts && Values.Length == reading.Values.Length
        && Values.All(sums => sums.IsOver(LossSums.Length))
        && Outputs.Length == reading.Outputs.Length
        && Outputs.Zip(reading.Outputs).All(pair =>
            pair.First.First == First && pair.First.End == End && pair.First.Outputs.IsEmpty
            && pair.First.Fits(pair.Second.Reading));

    /// <summary>One past the last micro-batch.</summary>
    public int End => First + LossSums.Length;
}
