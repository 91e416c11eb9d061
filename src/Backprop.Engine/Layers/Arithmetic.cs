using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>x + y, element by element.</summary>
internal readonly struct Sum : IBinaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Add(x, y);
}

/// <summary>x·y, element by element.</summary>
internal readonly struct Product : IBinaryFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(x, y);
}
