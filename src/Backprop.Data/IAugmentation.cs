namespace Backprop.Data;

/// <summary>A random change of a training sample's features: a pure function of (seed, epoch,
/// sample), by rule 4, so that every worker makes the same. It keeps nothing: several threads may
/// ask for different samples at once.</summary>
public interface IAugmentation
{
    /// <summary>Changes one sample's features in place; allocates nothing.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="sample">The sample's index in its dataset.</param>
    /// <param name="features">The prepared features.</param>
    /// <param name="scratch">As long as the features; of any content.</param>
    void Apply(
        ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch);
}
