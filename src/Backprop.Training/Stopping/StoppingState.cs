namespace Backprop.Training.Stopping;

/// <summary>What early stopping remembers between epochs.</summary>
/// <param name="BestMetric">The best value so far; null: no epoch was evaluated.</param>
/// <param name="BestEpoch">The epoch it was reached in.</param>
/// <param name="EpochsSinceBest">Epochs evaluated since.</param>
public sealed record StoppingState(double? BestMetric, long? BestEpoch, int EpochsSinceBest)
{
    /// <summary>Before the first epoch.</summary>
    public static StoppingState Initial { get; } = new(null, null, 0);
}
