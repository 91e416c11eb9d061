using Backprop.Engine.Simd;
using Backprop.Engine.Kernels;

namespace Backprop.Engine.Layers;

/// <summary>x + y, lane by lane.</summary>
internal readonly struct Sum : IBinaryFunction
{
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Add(x, y);
}
