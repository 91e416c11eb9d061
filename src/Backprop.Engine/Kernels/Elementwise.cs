using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>An elementwise function, written once in <see cref="ISimd{TVector}"/> operations and
/// run at every width; its fields are its constants.</summary>
public interface IUnaryFunction
{
    /// <summary>y = f(x), lane by lane.</summary>
    TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>An elementwise function of two vectors; see <see cref="IUnaryFunction"/>.</summary>
public interface IBinaryFunction
{
    /// <summary>z = f(x, y), lane by lane.</summary>
    TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>Runs elementwise functions over arrays at the widest vectors the machine has. Where a
/// source and the destination are the same array the function works in place.</summary>
public static unsafe class Elementwise
{
    /// <summary>destination[i] = f(source[i]) for <paramref name="count"/> elements.</summary>
    public static void Map<TFunction>(
        in TFunction function, float* source, int count, float* destination)
        where TFunction : struct, IUnaryFunction =>
        Map(SimdWidths.Best, function, source, count, destination);

    /// <summary>destination[i] = f(first[i], second[i]) for <paramref name="count"/> elements.
    /// </summary>
    public static void Map<TFunction>(
        in TFunction function, float* first, float* second, int count, float* destination)
        where TFunction : struct, IBinaryFunction =>
        Map(SimdWidths.Best, function, first, second, count, destination);

    /// <summary>As the unary map, at a width of the caller's choice: for tests.</summary>
    internal static void Map<TFunction>(
        SimdWidth width, in TFunction function, float* source, int count, float* destination)
        where TFunction : struct, IUnaryFunction
    {
        switch (width)
        {
            case SimdWidth.Bits512:
                Map<TFunction, Vector512<float>, Simd512>(function, source, count, destination);
                break;
            case SimdWidth.Bits256:
                Map<TFunction, Vector256<float>, Simd256>(function, source, count, destination);
                break;
            case SimdWidth.Bits128:
                Map<TFunction, Vector128<float>, Simd128>(function, source, count, destination);
                break;
            default:
                Map<TFunction, float, SimdScalar>(function, source, count, destination);
                break;
        }
    }

    /// <summary>As the binary map, at a width of the caller's choice: for tests.</summary>
    internal static void Map<TFunction>(
        SimdWidth width, in TFunction function, float* first, float* second, int count,
        float* destination)
        where TFunction : struct, IBinaryFunction
    {
        switch (width)
        {
            case SimdWidth.Bits512:
                Map<TFunction, Vector512<float>, Simd512>(
                    function, first, second, count, destination);
                break;
            case SimdWidth.Bits256:
                Map<TFunction, Vector256<float>, Simd256>(
                    function, first, second, count, destination);
                break;
            case SimdWidth.Bits128:
                Map<TFunction, Vector128<float>, Simd128>(
                    function, first, second, count, destination);
                break;
            default:
                Map<TFunction, float, SimdScalar>(function, first, second, count, destination);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Map<TFunction, TVector, TSimd>(
        TFunction function, float* source, int count, float* destination)
        where TFunction : struct, IUnaryFunction
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int i = 0; i < count; i += TSimd.Lanes)
        {
            int present = count - i;
            TVector x = TSimd.LoadUpTo(source + i, present);
            TSimd.StoreUpTo(function.Invoke<TVector, TSimd>(x), present, destination + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Map<TFunction, TVector, TSimd>(
        TFunction function, float* first, float* second, int count, float* destination)
        where TFunction : struct, IBinaryFunction
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int i = 0; i < count; i += TSimd.Lanes)
        {
            int present = count - i;
            TVector x = TSimd.LoadUpTo(first + i, present);
            TVector y = TSimd.LoadUpTo(second + i, present);
            TSimd.StoreUpTo(function.Invoke<TVector, TSimd>(x, y), present, destination + i);
        }
    }
}
