using System.Numerics;
using System.Runtime.CompilerServices;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Batches;

/// <summary>
/// The order in which an epoch takes its samples: a keyed permutation, computed position by
/// position, so that nobody keeps a table and every worker knows who comes when (rule 4).
/// </summary>
/// <remarks>
/// A Feistel network over the next even power of two; a position that lands outside walks its cycle
/// until it is inside again: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA
/// 2002. The rounds' keys are Philox words of the epoch; a round mixes key and half as SplitMix64
/// mixes its state (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA
/// 2014), since a Philox block for every round and sample would cost as much as loading the sample.
/// </remarks>
public readonly struct SampleOrder
{
    private const int Rounds = 8;

    private readonly RoundKeys _keys;
    private readonly bool _shuffled;
    private readonly int _halfBits;
    private readonly uint _halfMask;

    private SampleOrder(RandomStream random, bool shuffled, long count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
        for (int round = 0; round < Rounds; round++)
        {
            PhiloxBlock block = random.Block(0, (ulong)round);
            _keys[round] = block.X | ((ulong)block.Y << 32);
        }

        _shuffled = shuffled && count > 1;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)count - 1);
        _halfBits = Math.Max(1, (bits + 1) / 2);
        _halfMask = (uint)((1UL << _halfBits) - 1);
    }

    /// <summary>Samples in the epoch.</summary>
    public long Count { get; }

    /// <summary>The random order of one epoch.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="count">Samples, at least 1.</param>
    public static SampleOrder Shuffled(ulong seed, long epoch, long count) => new(
        new RandomStream(seed, RandomPurpose.SampleOrder, 0, (ulong)epoch), true, count);

    /// <summary>The order of the dataset itself.</summary>
    public static SampleOrder Sequential(long count) => new(default, false, count);

    /// <summary>A permutation drawn from a stream of the caller's: the same construction for
    /// another purpose.</summary>
    internal static SampleOrder Of(RandomStream random, long count) => new(random, true, count);

    /// <summary>The sample at a position of the epoch.</summary>
    /// <param name="position">In [0, <see cref="Count"/>); each is another sample.</param>
    public long this[long position]
    {
        get
        {
            if ((ulong)position >= (ulong)Count)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(position), position, $"positions run from 0 to {Count - 1}");
            }

            if (!_shuffled)
            {
                return position;
            }

            ulong value = (ulong)position;
            do
            {
                value = Permute(value);
            }
            while (value >= (ulong)Count);
            return (long)value;
        }
    }

    private ulong Permute(ulong value)
    {
        uint left = (uint)(value >> _halfBits);
        uint right = (uint)value & _halfMask;
        for (int round = 0; round < Rounds; round++)
        {
            uint mixed = (uint)Mix(_keys[round] + right) & _halfMask;
            (left, right) = (right, left ^ mixed);
        }

        return ((ulong)left << _halfBits) | right;
    }

    private static ulong Mix(ulong value)
    {
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    [InlineArray(Rounds)]
    private struct RoundKeys
    {
        private ulong _first;
    }
}
