using Backprop.Engine.Optimizers;

namespace Backprop.Training.Digests;

/// <summary>Takes the digest of a slice's next version while it is written. Allocates nothing after
/// its making.</summary>
/// <param name="firstBlock">The slice's first block.</param>
/// <param name="endBlock">One past its last.</param>
public sealed class SliceDigest(int firstBlock, int endBlock) : IBlockListener
{
    private readonly VersionDigest[] _blocks = new VersionDigest[endBlock - firstBlock];

    /// <summary>The digest of the version that was written last.</summary>
    public VersionDigest Total
    {
        get
        {
            VersionDigest sum = default;
            foreach (VersionDigest block in _blocks)
            {
                sum += block;
            }

            return sum;
        }
    }

    /// <inheritdoc/>
    public void OnBlock(int block, ReadOnlySpan<float> weights) =>
        _blocks[block - firstBlock] = VersionDigest.OfBlock(block, weights);
}
