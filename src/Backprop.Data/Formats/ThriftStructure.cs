using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Backprop.Data.Formats;

/// <summary>How a value is written in Thrift's compact protocol (apache/thrift,
/// thrift-compact-protocol).</summary>
internal enum ThriftKind
{
    /// <summary>The end of a structure.</summary>
    Stop = 0,

    /// <summary>A boolean that is true; the kind of all booleans in tables of fields.</summary>
    True = 1,

    /// <summary>A boolean that is false.</summary>
    False = 2,

    /// <summary>A byte.</summary>
    Byte = 3,

    /// <summary>An integer of 16 bits, zigzag and of variable length, as those below.</summary>
    I16 = 4,

    /// <summary>An integer of 32 bits.</summary>
    I32 = 5,

    /// <summary>An integer of 64 bits.</summary>
    I64 = 6,

    /// <summary>A double.</summary>
    Double = 7,

    /// <summary>Bytes or a text after their length.</summary>
    Binary = 8,

    /// <summary>Items of one kind.</summary>
    List = 9,

    /// <summary>Fields until a <see cref="Stop"/>.</summary>
    Struct = 12,
}

/// <summary>A field of a structure.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Items">What a list's items are.</param>
/// <param name="Structure">The structure that it is, or that its items are.</param>
internal sealed record ThriftField(
    ThriftKind Kind, ThriftKind Items = ThriftKind.Stop, ThriftStructure? Structure = null)
{
    public static implicit operator ThriftField(ThriftKind kind) => new(kind);

    public static implicit operator ThriftField(ThriftStructure structure) =>
        new(ThriftKind.Struct, Structure: structure);

    /// <summary>A list of structures.</summary>
    public static ThriftField ListOf(ThriftStructure structure) =>
        new(ThriftKind.List, ThriftKind.Struct, structure);

    /// <summary>A list of values.</summary>
    public static ThriftField ListOf(ThriftKind kind) => new(ThriftKind.List, kind);
}

/// <summary>The fields of a structure that are known.</summary>
/// <param name="fields">With their numbers, from 1.</param>
internal sealed class ThriftStructure(params (int Number, ThriftField Field)[] fields)
{
    private readonly Dictionary<int, ThriftField> _fields =
        fields.ToDictionary(field => field.Number, field => field.Field);

    /// <summary>Fields that are there in every structure.</summary>
    public ImmutableArray<int> Required { get; init; } = [];

    /// <summary>The field of a number; null: it is not known.</summary>
    public ThriftField? this[int number] => _fields.GetValueOrDefault(number);
}

/// <summary>The whole numbers and booleans of a structure that was read.</summary>
internal struct ThriftNumbers
{
    /// <summary>Above all numbers of fields that are known.</summary>
    public const int End = 32;

    private Values _values;
    private uint _present;

    /// <summary>A field's value; 0: it is not there, or no number.</summary>
    public readonly long this[int field] => _values[field];

    /// <summary>Whether a field is there.</summary>
    public readonly bool Has(int field) => (_present >> field & 1) != 0;

    /// <summary>Whether all these fields are there.</summary>
    public readonly bool HasAll(ImmutableArray<int> fields)
    {
        bool hasAll = true;
        foreach (int field in fields)
        {
            hasAll &= Has(field);
        }

        return hasAll;
    }

    /// <summary>Notes a field.</summary>
    public void Set(int field, long value)
    {
        _present |= 1u << field;
        _values[field] = value;
    }

    [InlineArray(End)]
    private struct Values
    {
        private long _first;
    }
}

/// <summary>Hears of every structure at its end; those within it were told before.</summary>
internal delegate void ThriftVisitor(ThriftStructure structure, in ThriftNumbers numbers);

/// <summary>
/// Walks over a structure of Thrift's compact protocol without taking memory for it, and takes only
/// what Parquet.Net's reader, which looks at no field's kind, reads the same way: known fields of
/// their own kind, each once, and unknown ones that it passes over rightly.
/// </summary>
/// <param name="bytes">The structure, and what follows it.</param>
/// <param name="visitor">Hears of the structures.</param>
internal ref struct ThriftWalk(ReadOnlySpan<byte> bytes, ThriftVisitor visitor)
{
    private readonly int _length = bytes.Length;
    private ReadOnlySpan<byte> _rest = bytes;

    /// <summary>Bytes that were read.</summary>
    public readonly int Consumed => _length - _rest.Length;

    /// <summary>Whether a walk failed for want of more bytes.</summary>
    public bool EndsTooSoon { get; private set; }

    /// <summary>Reads a structure; false: it is damaged, or there are too few bytes.</summary>
    public bool TryRead(ThriftStructure structure)
    {
        var numbers = default(ThriftNumbers);
        int number = 0;
        while (TryReadByte(out byte head))
        {
            if (head == (byte)ThriftKind.Stop)
            {
                visitor(structure, numbers);
                return numbers.HasAll(structure.Required);
            }

            long own = 0;
            var kind = (ThriftKind)(head & 0x0F);
            if (head >> 4 == 0 && !TryReadInteger(ThriftKind.I16, out own))
            {
                return false;
            }

            number = head >> 4 == 0 ? (int)own : number + (head >> 4);
            if (number is < 1 or > short.MaxValue)
            {
                return false;
            }

            bool isRead = structure[number] is { } field
                ? TryReadField(field, kind, number, ref numbers)
                : TryPassOver(kind);
            if (!isRead)
            {
                return false;
            }
        }

        return false;
    }

    private bool TryReadField(
        ThriftField field, ThriftKind kind, int number, ref ThriftNumbers numbers)
    {
        bool isKind = kind == field.Kind
            || (kind == ThriftKind.False && field.Kind == ThriftKind.True);
        if (!isKind || numbers.Has(number))
        {
            return false;
        }

        long value = 0;
        bool isRead = kind == ThriftKind.List
            ? TryReadList(field)
            : TryReadValue(kind, field.Structure, out value);
        numbers.Set(number, value);
        return isRead;
    }

    private bool TryReadValue(ThriftKind kind, ThriftStructure? structure, out long value)
    {
        value = kind == ThriftKind.True ? 1 : 0;
        switch (kind)
        {
            case ThriftKind.True or ThriftKind.False:
                return true;
            case ThriftKind.Byte:
                bool isThere = TryReadByte(out byte one);
                value = (sbyte)one;
                return isThere;
            case ThriftKind.I16 or ThriftKind.I32 or ThriftKind.I64:
                return TryReadInteger(kind, out value);
            case ThriftKind.Double:
                return TryAdvance(sizeof(double));
            case ThriftKind.Binary:
                return TryReadVarint(out ulong length) && TryAdvance(length);
            case ThriftKind.Struct when structure is not null:
                return TryRead(structure);
            default:
                return false;
        }
    }

    // Every item takes a byte at least, so that the count bounds the work and readers' memory.
    private bool TryReadList(ThriftField field)
    {
        if (!TryReadListHead(out ThriftKind kind, out ulong count)
            || (count > 0 && kind != field.Items))
        {
            return false;
        }

        for (ulong i = 0; i < count; i++)
        {
            if (!TryReadValue(kind, field.Structure, out _))
            {
                return false;
            }
        }

        return true;
    }

    private bool TryReadListHead(out ThriftKind kind, out ulong count)
    {
        const int LongList = 15;
        bool isRead = TryReadByte(out byte head);
        kind = (ThriftKind)(head & 0x0F);
        count = (ulong)(head >> 4);
        if (isRead && count == LongList)
        {
            isRead = TryReadVarint(out count);
        }

        EndsTooSoon |= isRead && count > (ulong)_rest.Length;
        return isRead && count <= (ulong)_rest.Length;
    }

    // Of structures only empty ones, and of lists none of booleans: Parquet.Net passes over others
    // wrongly, and would read on in their middle.
    private bool TryPassOver(ThriftKind kind)
    {
        if (kind == ThriftKind.Struct)
        {
            return TryReadByte(out byte head) && head == (byte)ThriftKind.Stop;
        }

        if (kind != ThriftKind.List)
        {
            return TryReadValue(kind, null, out _);
        }

        bool isPassed = TryReadListHead(out ThriftKind items, out ulong count);
        for (ulong i = 0; i < count && isPassed; i++)
        {
            isPassed = items is not (ThriftKind.True or ThriftKind.False)
                && TryReadValue(items, null, out _);
        }

        return isPassed;
    }

    private bool TryReadInteger(ThriftKind kind, out long value)
    {
        bool isRead = TryReadVarint(out ulong zigzag);
        value = (long)(zigzag >> 1) ^ -(long)(zigzag & 1);
        return isRead && kind switch
        {
            ThriftKind.I16 => value == (short)value,
            ThriftKind.I32 => value == (int)value,
            _ => true,
        };
    }

    private bool TryReadVarint(out ulong value)
    {
        bool isRead = Varint.TryRead(ref _rest, out value);
        EndsTooSoon |= !isRead && _rest.Length < Varint.MaxBytes;
        return isRead;
    }

    private bool TryReadByte(out byte value)
    {
        value = _rest.IsEmpty ? (byte)0 : _rest[0];
        return TryAdvance(1);
    }

    private bool TryAdvance(ulong bytes)
    {
        if (bytes > (ulong)_rest.Length)
        {
            EndsTooSoon = true;
            return false;
        }

        _rest = _rest[(int)bytes..];
        return true;
    }
}
