using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>x + y, element by element.</summary>
internal readonly struct Sum : IBinaryFunction
{
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Add(x, y);
}

/// <summary>x·y, element by element.</summary>
internal readonly struct Product : IBinaryFunction
{
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(x, y);
}
