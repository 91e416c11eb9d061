using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Numerics;

/// <summary>Loads and stores of the first lanes, by which the ends of arrays are handled.</summary>
public unsafe class PartialVectorTests
{
    [Fact]
    public void AtEveryWidthTheFirstLanesAreMovedAndNothingElse()
    {
        AssertPartial<Vector512<float>, Simd512>();
        AssertPartial<Vector256<float>, Simd256>();
        AssertPartial<Vector128<float>, Simd128>();
        AssertPartial<float, SimdScalar>();
    }

    private static void AssertPartial<TVector, TSimd>()
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        const float Guard = -1;
        float* source = stackalloc float[18], whole = stackalloc float[18];
        for (int i = 0; i < 18; i++)
        {
            source[i] = i + 1;
        }

        for (int count = 1; count <= TSimd.Lanes + 1; count++)
        {
            TVector loaded = TSimd.LoadUpTo(source, count);
            TSimd.Store(loaded, whole);
            AssertFirst(count, 0, whole, TSimd.Lanes);

            TSimd.Store(
                TSimd.KeepFirst(TSimd.Load(source), count, TSimd.Create(Guard)), whole);
            AssertFirst(count, Guard, whole, TSimd.Lanes);

            new Span<float>(whole, 18).Fill(Guard);
            TSimd.StoreUpTo(TSimd.Load(source), count, whole);
            AssertFirst(count, Guard, whole, TSimd.Lanes);
            Assert.Equal(Guard, whole[TSimd.Lanes]);
        }
    }

    private static void AssertFirst(int count, float otherwise, float* actual, int lanes)
    {
        for (int i = 0; i < lanes; i++)
        {
            Assert.Equal(i < count ? i + 1 : otherwise, actual[i]);
        }
    }
}
