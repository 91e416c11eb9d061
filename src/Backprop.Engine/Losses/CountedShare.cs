using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Losses;

/// <summary>Turns the gradient of the mean of a row's losses over all of its positions into that of
/// their mean over those that are no padding. A row without padding is left as it is.</summary>
internal unsafe struct CountedShare : IRowKernel
{
    /// <summary>[rows, positions]: classes.</summary>
    public required float* Targets;

    /// <summary>The class of positions that do not count; they have no gradient.</summary>
    public required float Padding;

    public required int Positions;

    /// <summary>Floats in a row of the gradient.</summary>
    public required int Width;

    /// <summary>[rows, width], over as many positions as there are; overwritten.</summary>
    public required float* Gradient;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int padded = new ReadOnlySpan<float>(Targets + ((nint)row * Positions), Positions)
            .Count(Padding);
        if (padded == 0 || padded == Positions)
        {
            return;
        }

        float* gradient = Gradient + ((nint)row * Width);
        TVector factor = TSimd.Divide(
            TSimd.Create(Positions), TSimd.Create(Positions - padded));
        for (int i = 0; i < Width; i += TSimd.Lanes)
        {
            int present = Width - i;
            TSimd.StoreUpTo(
                TSimd.Multiply(TSimd.LoadUpTo(gradient + i, present), factor), present,
                gradient + i);
        }
    }
}
