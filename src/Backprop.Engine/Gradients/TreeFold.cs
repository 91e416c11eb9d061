using System.Numerics;
using Backprop.Engine.Layers;
using Backprop.Engine.Numerics;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Gradients;

/// <summary>Folds whole vectors up the gradient tree, one a micro-batch in their order, as a binary
/// counter does: the sums of <see cref="GradientTree.Fold"/>, in as many vectors as the tree has
/// levels.</summary>
/// <param name="pool">The threads that share a sum.</param>
/// <param name="rows">A vector is [<paramref name="rows"/>, <paramref name="width"/>].</param>
/// <param name="width">Floats in a row.</param>
/// <param name="stride">Floats from a vector of the scratch memory to the next.</param>
/// <param name="scratch">[<see cref="LevelsOf"/> of the micro-batches, stride].</param>
/// <param name="sum">[rows · width], where the sum ends.</param>
internal unsafe struct TreeFold(
    ComputePool pool, int rows, int width, int stride, float* scratch, float* sum)
{
    private int _depth;
    private uint _count;

    /// <summary>Vectors of scratch memory that folding so many micro-batches takes.</summary>
    public static int LevelsOf(int microBatches) =>
        BitOperations.Log2((uint)Math.Max(1, microBatches)) + 1;

    /// <summary>How often the two newest sums are added once micro-batch <paramref name="index"/>
    /// has its own: a binary counter carries as often, and after the last one all that are left are
    /// added.</summary>
    public static int AdditionsAfter(int index, int microBatches) =>
        BitOperations.PopCount((uint)(index == microBatches - 1 ? index : index & ~(index + 1)));

    /// <summary>Where the next micro-batch's vector is to be written, before
    /// <see cref="Push"/>.</summary>
    public readonly float* Next => At(_depth);

    /// <summary>Takes the vector at <see cref="Next"/> in.</summary>
    public void Push()
    {
        _depth++;
        _count++;
        for (uint rest = _count; (rest & 1) == 0; rest >>= 1)
        {
            AddLast();
        }
    }

    /// <summary>Adds what has no sibling, so that the sum is there.</summary>
    public void Finish()
    {
        while (_depth > 1)
        {
            AddLast();
        }
    }

    private void AddLast()
    {
        _depth--;
        float* left = At(_depth - 1);
        RowParallel.Map(pool, default(Sum), left, At(_depth), rows, width, left);
    }

    private readonly float* At(int level) =>
        level == 0 ? sum : scratch + ((nint)(level - 1) * stride);
}
