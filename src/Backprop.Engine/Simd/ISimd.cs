namespace Backprop.Engine.Simd;

/// <summary>
/// The operations that kernels are written in, over a vector of <see cref="Lanes"/> floats. Only
/// operations that IEEE 754 defines to the last bit, lane by lane, are here: whatever is built from
/// them gives the same bits at every width.
/// </summary>
/// <typeparam name="TVector">The vector: <c>Vector512&lt;float&gt;</c> down to <c>float</c>.
/// </typeparam>
public unsafe interface ISimd<TVector>
    where TVector : struct
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Lanes { get; }

    /// <summary>All lanes +0.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Reads <see cref="Lanes"/> floats; no alignment is asked for.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Writes <see cref="Lanes"/> floats.</summary>
    static abstract void Store(TVector value, float* destination);

    /// <summary>Reads a whole vector where <paramref name="count"/> floats are that many; else the
    /// first <paramref name="count"/> lanes, with +0 in the others and no memory touched past them.
    /// </summary>
    static abstract TVector LoadUpTo(float* source, int count);

    /// <summary>Writes a whole vector where there is room for <paramref name="count"/> floats or
    /// more; else the first <paramref name="count"/> lanes.</summary>
    static abstract void StoreUpTo(TVector value, int count, float* destination);

    /// <summary>The first <paramref name="count"/> lanes of <paramref name="value"/>, the others of
    /// <paramref name="otherwise"/>; <paramref name="count"/> may exceed <see cref="Lanes"/>.
    /// </summary>
    static abstract TVector KeepFirst(TVector value, int count, TVector otherwise);

    /// <summary>All lanes <paramref name="value"/>.</summary>
    static abstract TVector Create(float value);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract TVector FusedMultiplyAdd(TVector a, TVector b, TVector c);

    /// <summary>a + b.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a − b.</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary>a·b.</summary>
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a / b, correctly rounded.</summary>
    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>√a, correctly rounded.</summary>
    static abstract TVector SquareRoot(TVector a);

    /// <summary>|a|: clears the sign bit.</summary>
    static abstract TVector Abs(TVector a);

    /// <summary>The magnitude of <paramref name="magnitude"/> with the sign bit of
    /// <paramref name="sign"/>.</summary>
    static abstract TVector CopySign(TVector magnitude, TVector sign);

    /// <summary><c>a &lt; b ? whenTrue : whenFalse</c>; a comparison with NaN is false.</summary>
    static abstract TVector SelectLess(TVector a, TVector b, TVector whenTrue, TVector whenFalse);

    /// <summary><c>a == b ? whenTrue : whenFalse</c>; a comparison with NaN is false.</summary>
    static abstract TVector SelectEqual(TVector a, TVector b, TVector whenTrue, TVector whenFalse);

    /// <summary>2^n for integral n in [−126, 127], by bits; rubbish elsewhere.</summary>
    static abstract TVector PowerOfTwo(TVector n);

    /// <summary>a·2^n, rounded once, for |a| in [½, 2) and integral n in [−252, 254]: denormal
    /// results and overflow are right.</summary>
    static abstract TVector Scale(TVector a, TVector n);

    /// <summary>The unbiased exponent of a positive normal float, as a float: floor(log2 a).
    /// </summary>
    static abstract TVector Exponent(TVector a);

    /// <summary>The significand of a positive normal float, in [1, 2).</summary>
    static abstract TVector Significand(TVector a);

    /// <summary>Writes <see cref="Lanes"/> bfloat16 numbers: each lane rounded to the nearest, ties
    /// to even, by integer operations alone; a NaN becomes a quiet NaN of the same sign, what is
    /// too large an infinity.</summary>
    static abstract void StoreBfloat16(TVector value, ushort* destination);

    /// <summary>Reads <see cref="Lanes"/> bfloat16 numbers: every one is a float.</summary>
    static abstract TVector LoadBfloat16(ushort* source);

    /// <summary>Asks for the cache line at <paramref name="address"/>; may do nothing.</summary>
    static abstract void Prefetch(float* address);
}
