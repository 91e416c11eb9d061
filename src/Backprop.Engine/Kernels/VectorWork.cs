using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>Work for the threads of a pool, written once for every width of vectors.</summary>
internal interface IVectorWork
{
    /// <summary>Does part <paramref name="part"/> of <paramref name="parts"/>.</summary>
    void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>Runs work at a width, on the threads of a pool. Neither may change its result.
/// </summary>
internal struct VectorWork<TWork>(SimdWidth width, TWork work) : IParallelBody
    where TWork : struct, IVectorWork
{
    private TWork _work = work;

    /// <summary>Does it.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="operations">Multiply-adds, or what takes as long: how many threads it is worth
    /// waking.</param>
    public void RunOn(ComputePool pool, long operations) =>
        pool.Run(ref this, Sharing.Parts(pool, operations));

    /// <inheritdoc/>
    public void Run(int part, int parts)
    {
        switch (width)
        {
            case SimdWidth.Bits512:
                _work.Run<Vector512<float>, Simd512>(part, parts);
                break;
            case SimdWidth.Bits256:
                _work.Run<Vector256<float>, Simd256>(part, parts);
                break;
            case SimdWidth.Bits128:
                _work.Run<Vector128<float>, Simd128>(part, parts);
                break;
            default:
                _work.Run<float, SimdScalar>(part, parts);
                break;
        }
    }
}
