using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Engine.Randomness;

namespace Backprop.Engine.Plugins;

/// <summary>The randomness of a row: numbers by their index, the same wherever and as often as they
/// are asked for, others in each step.</summary>
/// <param name="stream">The layer's, in a step.</param>
/// <param name="sample">The row's sample.</param>
public readonly struct RowRandomness(RandomStream stream, ulong sample)
{
    private readonly RandomStream _stream = stream;
    private readonly ulong _sample = sample;

    /// <summary>A number, uniform in [0, 1), of 24 bits.</summary>
    public float Uniform(int element)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(element);
        return _stream.Uniform(_sample, (ulong)element);
    }
}

/// <summary>A layer's parameters in the flat vector.</summary>
internal readonly ref struct RowParameters<T>(
    ReadOnlySpan<T> flat, ReadOnlySpan<int> offsets,
    ImmutableArray<ParameterDeclaration> declarations)
    where T : unmanaged
{
    private readonly ReadOnlySpan<T> _flat = flat;
    private readonly ReadOnlySpan<int> _offsets = offsets;

    public ReadOnlySpan<T> this[int index] =>
        _flat.Slice(_offsets[index], declarations[index].Shape.Count);
}

/// <summary>The sums of a micro-batch's gradients, one parameter after the other.</summary>
internal readonly ref struct RowAccumulators<T>(
    Span<T> sums, ImmutableArray<int> offsets, ImmutableArray<ParameterDeclaration> declarations)
    where T : unmanaged
{
    private readonly Span<T> _sums = sums;

    public Span<T> this[int index] =>
        _sums.Slice(offsets[index], declarations[index].Shape.Count);
}
