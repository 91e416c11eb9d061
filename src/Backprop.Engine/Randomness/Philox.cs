using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Randomness;

/// <summary>What randomness is drawn for. Streams of different purposes are independent. The
/// numbers are part of the format of every run: never change one, never reuse one.</summary>
public enum RandomPurpose : uint
{
    /// <summary>Initial weights; stream: the parameter's position in the layout.</summary>
    Initialization = 1,

    /// <summary>The order of the samples in an epoch.</summary>
    SampleOrder = 2,

    /// <summary>Dropout masks; stream: the layer.</summary>
    Dropout = 3,

    /// <summary>Augmentation of inputs.</summary>
    Augmentation = 4,

    /// <summary>The split into training and validation parts.</summary>
    Split = 5,

    /// <summary>Generated datasets.</summary>
    Generation = 6,

    /// <summary>Which parameters a gradient check looks at.</summary>
    GradientCheck = 7,

    /// <summary>What happens in a simulated cluster; stream: of what kind.</summary>
    Simulation = 8,

    /// <summary>Which steps are verified; it changes no result.</summary>
    Verification = 9,

    /// <summary>Which tokens a text goes on with; item: the token's place in it.</summary>
    Sampling = 10,

    /// <summary>With whom training samples are mixed, and in which parts; time: the epoch.
    /// </summary>
    Mixing = 11,

    /// <summary>The values that a sweep tries; item: the trial, element: the key.</summary>
    Sweep = 12,

    /// <summary>Layers of plug-ins; stream: the layer, time: the step, item: the sample.</summary>
    Plugin = 13,
}

/// <summary>Four random words: one block of Philox.</summary>
/// <param name="X">First word.</param>
/// <param name="Y">Second word.</param>
/// <param name="Z">Third word.</param>
/// <param name="W">Fourth word.</param>
public readonly record struct PhiloxBlock(uint X, uint Y, uint Z, uint W);

/// <summary>
/// Philox-4x32-10, a counter-based generator: a block is a function of a key and a counter, and
/// nobody carries state (rule 4). Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// SC'11.
/// </summary>
public static class Philox
{
    internal const int Rounds = 10;
    internal const uint MultiplierA = 0xD2511F53;
    internal const uint MultiplierB = 0xCD9E8D57;
    internal const uint WeylA = 0x9E3779B9;
    internal const uint WeylB = 0xBB67AE85;

    /// <summary>The block for a 64-bit key and a 128-bit counter of four words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static PhiloxBlock Block(ulong key, PhiloxBlock counter)
    {
        (uint x, uint y, uint z, uint w) = counter;
        uint keyA = (uint)key, keyB = (uint)(key >> 32);
        for (int round = 0; round < Rounds; round++)
        {
            ulong a = (ulong)MultiplierA * x;
            ulong b = (ulong)MultiplierB * z;
            (x, y, z, w) = (
                (uint)(b >> 32) ^ y ^ keyA, (uint)b, (uint)(a >> 32) ^ w ^ keyB, (uint)a);
            keyA += WeylA;
            keyB += WeylB;
        }

        return new PhiloxBlock(x, y, z, w);
    }
}

/// <summary>
/// One stream of randomness, named by (seed, purpose, stream, time); its values are named by (item,
/// element). The name is hashed to the stream's key by one Philox block, and a value is a word of
/// the block whose counter is (element / 4, item).
/// </summary>
public readonly struct RandomStream
{
    /// <summary>2^−24.</summary>
    internal const float ToUnit = 1f / (1 << 24);

    private readonly ulong _key;

    /// <summary>The stream of that name.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What it is drawn for.</param>
    /// <param name="stream">Tells streams of one purpose apart: a layer, a parameter.</param>
    /// <param name="time">The epoch or the step; 0 where time plays no part.</param>
    public RandomStream(ulong seed, RandomPurpose purpose, uint stream = 0, ulong time = 0)
    {
        PhiloxBlock name = Philox.Block(
            seed, new PhiloxBlock((uint)purpose, stream, (uint)time, (uint)(time >> 32)));
        _key = name.X | ((ulong)name.Y << 32);
    }

    /// <summary>Elements 4·<paramref name="block"/> to 4·<paramref name="block"/> + 3 of an item,
    /// as words.</summary>
    public PhiloxBlock Block(ulong item, ulong block) => Philox.Block(
        _key, new PhiloxBlock(
            (uint)block, (uint)(block >> 32), (uint)item, (uint)(item >> 32)));

    /// <summary>One element of an item, as a word.</summary>
    public uint Word(ulong item, ulong element)
    {
        PhiloxBlock block = Block(item, element >> 2);
        return (element & 3) switch
        {
            0 => block.X,
            1 => block.Y,
            2 => block.Z,
            _ => block.W,
        };
    }

    /// <summary>Uniform in [0, 1) with 24 bits.</summary>
    public float Uniform(ulong item, ulong element) => ToUniform(Word(item, element));

    /// <summary>Elements 0 to <paramref name="count"/> − 1 of an item, each as
    /// <see cref="Uniform"/> gives it.</summary>
    /// <param name="item">The item.</param>
    /// <param name="count">Elements.</param>
    /// <param name="destination">[count], overwritten.</param>
    public unsafe void FillUniform(ulong item, int count, float* destination) =>
        FillUniform(SimdWidths.Best, item, count, destination);

    /// <summary>A dropout mask: 0 where <see cref="Uniform"/> of the element lies below
    /// <paramref name="rate"/>, <paramref name="kept"/> elsewhere.</summary>
    /// <param name="item">The item.</param>
    /// <param name="rate">The probability of 0.</param>
    /// <param name="kept">What stands where nothing is dropped: 1 / (1 − rate) keeps the mean.
    /// </param>
    /// <param name="count">Elements.</param>
    /// <param name="destination">[count], overwritten.</param>
    public unsafe void FillMask(
        ulong item, float rate, float kept, int count, float* destination) =>
        FillMask(SimdWidths.Best, item, rate, kept, count, destination);

    /// <summary>
    /// Normally distributed with mean 0 and variance 1, by Box and Muller's method ("A note on the
    /// generation of random normal deviates", 1958): elements 2i and 2i + 1 are
    /// √(−2·ln u)·cos 2πv and √(−2·ln u)·sin 2πv, of u in (0, 1] and v in [0, 1) with 32 bits each
    /// from words 2i and 2i + 1. No value lies beyond 6.66.
    /// </summary>
    public double Normal(ulong item, ulong element)
    {
        const double ToUnitOf32 = 1.0 / (1L << 32);
        PhiloxBlock block = Block(item, element >> 2);
        (uint first, uint second) =
            (element & 2) == 0 ? (block.X, block.Y) : (block.Z, block.W);
        double radius = Math.Sqrt(-2 * ExactMath.Log((first + 1.0) * ToUnitOf32));
        double angle = 2 * Math.PI * (second * ToUnitOf32);
        return radius * ((element & 1) == 0 ? ExactMath.Cos(angle) : ExactMath.Sin(angle));
    }

    /// <summary>As <see cref="FillUniform(ulong, int, float*)"/>, at a width of the caller's
    /// choice: for tests.</summary>
    internal unsafe void FillUniform(SimdWidth width, ulong item, int count, float* destination) =>
        PhiloxFill.Uniform(width, _key, item, count, destination);

    /// <summary>As the other, at a width of the caller's choice: for tests.</summary>
    internal unsafe void FillMask(
        SimdWidth width, ulong item, float rate, float kept, int count, float* destination)
    {
        FillUniform(width, item, count, destination);
        Elementwise.Map(width, new Mask(rate, kept), destination, count, destination);
    }

    /// <summary>The float in [0, 1) that a word stands for: its upper 24 bits.</summary>
    public static float ToUniform(uint word) => (word >> 8) * ToUnit;

    private readonly struct Mask(float rate, float kept) : IUnaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector, TSimd>(TVector x)
            where TVector : struct
            where TSimd : struct, ISimd<TVector> =>
            TSimd.SelectLess(x, TSimd.Create(rate), TSimd.Zero, TSimd.Create(kept));
    }
}
