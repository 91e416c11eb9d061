using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Backprop.Engine.Randomness;

/// <summary>
/// What <see cref="PhiloxFill"/> needs of a vector that holds whole Philox blocks one after the
/// other, each as two 64-bit lanes: words (x, y) and words (z, w).
/// </summary>
internal unsafe interface IPhiloxLanes<TVector>
    where TVector : struct
{
    /// <summary>Blocks in a vector.</summary>
    static abstract int Blocks { get; }

    /// <summary>Every block (<paramref name="first"/>, <paramref name="second"/>).</summary>
    static abstract TVector Create(ulong first, ulong second);

    /// <summary>0, 1, 2, … in the first lanes of the blocks, 0 in the second ones.</summary>
    static abstract TVector BlockNumbers { get; }

    /// <summary>a + b in 64-bit lanes.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a + b in 32-bit lanes.</summary>
    static abstract TVector AddWords(TVector a, TVector b);

    /// <summary>a XOR b.</summary>
    static abstract TVector Xor(TVector a, TVector b);

    /// <summary>The 64-bit product of the lower words of each 64-bit lane.</summary>
    static abstract TVector MultiplyLower(TVector a, TVector b);

    /// <summary>The upper word of each 64-bit lane, in the lower one's place.</summary>
    static abstract TVector Upper(TVector a);

    /// <summary>The words of each block in the opposite order.</summary>
    static abstract TVector Reversed(TVector a);

    /// <summary>Writes each word as <see cref="RandomStream.ToUniform"/> makes it a float.
    /// </summary>
    static abstract void StoreUniform(TVector words, float* destination);
}

/// <summary>Four blocks in 512 bits.</summary>
internal readonly unsafe struct PhiloxLanes512 : IPhiloxLanes<Vector512<ulong>>
{
    /// <inheritdoc/>
    public static int Blocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4;
    }

    /// <inheritdoc/>
    public static Vector512<ulong> BlockNumbers
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector512.Create(0UL, 0, 1, 0, 2, 0, 3, 0);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Create(ulong first, ulong second)
    {
        Vector256<ulong> half = PhiloxLanes256.Create(first, second);
        return Vector512.Create(half, half);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Add(Vector512<ulong> a, Vector512<ulong> b) => a + b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> AddWords(Vector512<ulong> a, Vector512<ulong> b) =>
        (a.AsUInt32() + b.AsUInt32()).AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Xor(Vector512<ulong> a, Vector512<ulong> b) => a ^ b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> MultiplyLower(Vector512<ulong> a, Vector512<ulong> b) =>
        Avx512F.IsSupported
            ? Avx512F.Multiply(a.AsUInt32(), b.AsUInt32())
            : Vector512.Create(
                PhiloxLanes256.MultiplyLower(a.GetLower(), b.GetLower()),
                PhiloxLanes256.MultiplyLower(a.GetUpper(), b.GetUpper()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Upper(Vector512<ulong> a) => a >> 32;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Reversed(Vector512<ulong> a) => Vector512.Shuffle(
        a.AsUInt32(), Vector512.Create(3u, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12))
        .AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreUniform(Vector512<ulong> words, float* destination) =>
        (Vector512.ConvertToSingle((words.AsUInt32() >> 8).AsInt32())
            * Vector512.Create(RandomStream.ToUnit)).Store(destination);
}

/// <summary>Two blocks in 256 bits.</summary>
internal readonly unsafe struct PhiloxLanes256 : IPhiloxLanes<Vector256<ulong>>
{
    /// <inheritdoc/>
    public static int Blocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    /// <inheritdoc/>
    public static Vector256<ulong> BlockNumbers
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector256.Create(0UL, 0, 1, 0);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Create(ulong first, ulong second)
    {
        Vector128<ulong> half = PhiloxLanes128.Create(first, second);
        return Vector256.Create(half, half);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Add(Vector256<ulong> a, Vector256<ulong> b) => a + b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> AddWords(Vector256<ulong> a, Vector256<ulong> b) =>
        (a.AsUInt32() + b.AsUInt32()).AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Xor(Vector256<ulong> a, Vector256<ulong> b) => a ^ b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> MultiplyLower(Vector256<ulong> a, Vector256<ulong> b) =>
        Avx2.IsSupported
            ? Avx2.Multiply(a.AsUInt32(), b.AsUInt32())
            : Vector256.Create(
                PhiloxLanes128.MultiplyLower(a.GetLower(), b.GetLower()),
                PhiloxLanes128.MultiplyLower(a.GetUpper(), b.GetUpper()));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Upper(Vector256<ulong> a) => a >> 32;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Reversed(Vector256<ulong> a) => Vector256.Shuffle(
        a.AsUInt32(), Vector256.Create(3u, 2, 1, 0, 7, 6, 5, 4)).AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreUniform(Vector256<ulong> words, float* destination) =>
        (Vector256.ConvertToSingle((words.AsUInt32() >> 8).AsInt32())
            * Vector256.Create(RandomStream.ToUnit)).Store(destination);
}

/// <summary>One block in 128 bits.</summary>
internal readonly unsafe struct PhiloxLanes128 : IPhiloxLanes<Vector128<ulong>>
{
    /// <inheritdoc/>
    public static int Blocks
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    /// <inheritdoc/>
    public static Vector128<ulong> BlockNumbers
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Vector128<ulong>.Zero;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Create(ulong first, ulong second) =>
        Vector128.Create(first, second);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Add(Vector128<ulong> a, Vector128<ulong> b) => a + b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> AddWords(Vector128<ulong> a, Vector128<ulong> b) =>
        (a.AsUInt32() + b.AsUInt32()).AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Xor(Vector128<ulong> a, Vector128<ulong> b) => a ^ b;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> MultiplyLower(Vector128<ulong> a, Vector128<ulong> b)
    {
        if (Sse2.IsSupported)
        {
            return Sse2.Multiply(a.AsUInt32(), b.AsUInt32());
        }

        Vector128<ulong> lower = Vector128.Create((ulong)uint.MaxValue);
        return (a & lower) * (b & lower);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Upper(Vector128<ulong> a) => a >> 32;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Reversed(Vector128<ulong> a) => Vector128.Shuffle(
        a.AsUInt32(), Vector128.Create(3u, 2, 1, 0)).AsUInt64();

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreUniform(Vector128<ulong> words, float* destination) =>
        (Vector128.ConvertToSingle((words.AsUInt32() >> 8).AsInt32())
            * Vector128.Create(RandomStream.ToUnit)).Store(destination);
}
