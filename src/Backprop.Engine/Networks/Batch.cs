namespace Backprop.Engine.Networks;

/// <summary>Rows for one computation: features, targets and the dataset's index of each row.
/// Allocated once, filled again for every step.</summary>
public sealed class Batch : IDisposable
{
    /// <summary>Room for <paramref name="capacity"/> rows.</summary>
    public Batch(int capacity, int features, int targetWidth)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        Capacity = capacity;
        FeatureWidth = features;
        TargetWidth = targetWidth;
        Features = new AlignedBuffer(checked(capacity * features));
        Targets = new AlignedBuffer(checked(capacity * targetWidth));
        Samples = new long[capacity];
    }

    /// <summary>Rows there is room for.</summary>
    public int Capacity { get; }

    /// <summary>Rows in use.</summary>
    public int Rows { get; set; }

    /// <summary>Floats in a row of <see cref="Features"/>.</summary>
    public int FeatureWidth { get; }

    /// <summary>Floats in a row of <see cref="Targets"/>: 1 for a class index.</summary>
    public int TargetWidth { get; }

    /// <summary>[rows, features].</summary>
    public AlignedBuffer Features { get; }

    /// <summary>[rows, target width]; a class is its index as a float.</summary>
    public AlignedBuffer Targets { get; }

    /// <summary>Each row's index in its dataset: what randomness is keyed by.</summary>
    public long[] Samples { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        Features.Dispose();
        Targets.Dispose();
    }
}
