using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Randomness;

/// <summary>
/// Fills arrays with the uniform values of one item of a <see cref="RandomStream"/>, several Philox
/// blocks at once. With a block's words (x, y, z, w) in two 64-bit lanes, a round is one widening
/// multiplication of x and z, one reversal of the block's words, and two exclusive ors: with
/// (y, w), which the upper halves of the lanes are, and with the keys.
/// </summary>
internal static unsafe class PhiloxFill
{
    // Vectors in flight: a round is a chain of three instructions.
    private const int Unrolled = 4;

    /// <summary>destination[i] = element i of the item, for <paramref name="count"/> elements.
    /// </summary>
    public static void Uniform(
        SimdWidth width, ulong key, ulong item, int count, float* destination)
    {
        switch (width)
        {
            case SimdWidth.Bits512:
                Uniform<Vector512<ulong>, PhiloxLanes512>(key, item, count, destination);
                break;
            case SimdWidth.Bits256:
                Uniform<Vector256<ulong>, PhiloxLanes256>(key, item, count, destination);
                break;
            case SimdWidth.Bits128:
                Uniform<Vector128<ulong>, PhiloxLanes128>(key, item, count, destination);
                break;
            default:
                UniformScalar(key, item, count, destination);
                break;
        }
    }

    private static void UniformScalar(ulong key, ulong item, int count, float* destination)
    {
        uint* words = stackalloc uint[4];
        for (int i = 0; i < count; i += 4)
        {
            var counter = new PhiloxBlock(
                (uint)(i / 4), 0, (uint)item, (uint)(item >> 32));
            (words[0], words[1], words[2], words[3]) = Philox.Block(key, counter);
            for (int j = 0; j < Math.Min(4, count - i); j++)
            {
                destination[i + j] = RandomStream.ToUniform(words[j]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Uniform<TVector, TLanes>(
        ulong key, ulong item, int count, float* destination)
        where TVector : struct
        where TLanes : struct, IPhiloxLanes<TVector>
    {
        int words = 4 * TLanes.Blocks, chunk = Unrolled * words;
        float* rest = stackalloc float[chunk];
        TVector next = TLanes.Create((ulong)TLanes.Blocks, 0);
        TVector counter = TLanes.Add(TLanes.Create(0, item), TLanes.BlockNumbers);
        for (int i = 0; i < count; i += chunk)
        {
            TVector a = counter, b = TLanes.Add(a, next), c = TLanes.Add(b, next);
            TVector d = TLanes.Add(c, next);
            counter = TLanes.Add(d, next);
            Rounds<TVector, TLanes>(key, ref a, ref b, ref c, ref d);
            float* target = i + chunk <= count ? destination + i : rest;
            TLanes.StoreUniform(a, target);
            TLanes.StoreUniform(b, target + words);
            TLanes.StoreUniform(c, target + (2 * words));
            TLanes.StoreUniform(d, target + (3 * words));
            if (target == rest)
            {
                new ReadOnlySpan<float>(rest, count - i).CopyTo(new(destination + i, count - i));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Rounds<TVector, TLanes>(
        ulong key, ref TVector a, ref TVector b, ref TVector c, ref TVector d)
        where TVector : struct
        where TLanes : struct, IPhiloxLanes<TVector>
    {
        TVector multipliers = TLanes.Create(Philox.MultiplierA, Philox.MultiplierB);
        TVector keys = TLanes.Create((uint)key, key >> 32);
        TVector weyl = TLanes.Create(Philox.WeylA, Philox.WeylB);
        TVector u = a, v = b, w = c, x = d;
        for (int round = 0; round < Philox.Rounds; round++)
        {
            u = Round<TVector, TLanes>(u, multipliers, keys);
            v = Round<TVector, TLanes>(v, multipliers, keys);
            w = Round<TVector, TLanes>(w, multipliers, keys);
            x = Round<TVector, TLanes>(x, multipliers, keys);
            keys = TLanes.AddWords(keys, weyl);
        }

        (a, b, c, d) = (u, v, w, x);
    }

    // (x, y, z, w) to (hi(B·z) ^ y ^ keyA, lo(B·z), hi(A·x) ^ w ^ keyB, lo(A·x)).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Round<TVector, TLanes>(
        TVector state, TVector multipliers, TVector keys)
        where TVector : struct
        where TLanes : struct, IPhiloxLanes<TVector> =>
        TLanes.Xor(
            TLanes.Reversed(TLanes.MultiplyLower(state, multipliers)),
            TLanes.Xor(TLanes.Upper(state), keys));
}
