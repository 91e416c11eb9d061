using Backprop.Distributed.Persistence;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>Where the blocks of a copy go that are fetched.</summary>
internal interface ICopyTarget
{
    /// <summary>Takes a block.</summary>
    /// <param name="section">The section.</param>
    /// <param name="block">The block.</param>
    /// <param name="elementsAndDigest">[elements of the block + 1]: verified.</param>
    void Put(int section, int block, ReadOnlySpan<float> elementsAndDigest);
}

/// <summary>A slice that is opened from copies.</summary>
/// <param name="slice">Its numbers.</param>
internal sealed class OpenedSlice(SliceContent slice) : ICopyTarget
{
    /// <inheritdoc/>
    public void Put(int section, int block, ReadOnlySpan<float> elementsAndDigest) =>
        elementsAndDigest[..^1].CopyTo(slice.Block(section, block));
}
