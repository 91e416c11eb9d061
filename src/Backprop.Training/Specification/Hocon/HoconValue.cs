using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Backprop.Training.Specification.Hocon;

/// <summary>A value of a HOCON text, after substitutions, with the place where it stands.</summary>
public abstract class HoconValue
{
    private protected HoconValue(SourcePosition position, long weight, int depth)
    {
        Position = position;
        Weight = weight;
        Depth = depth;
    }

    /// <summary>Where the value begins; of a substituted value, where the original
    /// stands.</summary>
    public SourcePosition Position { get; }

    /// <summary>What the value is, for messages: <c>an object</c>, <c>the number 3</c>.</summary>
    public abstract string Describe();

    /// <summary>Nodes of the tree below and with this value; substituted parts count each time.
    /// </summary>
    internal long Weight { get; }

    /// <summary>Levels of the tree below and with this value.</summary>
    internal int Depth { get; }
}

/// <summary>A string, number or boolean: HOCON tells them apart only when they are read.</summary>
public sealed class HoconScalar : HoconValue
{
    private const int CharactersPerNode = 16;

    internal HoconScalar(SourcePosition position, string text, bool isQuoted)
        : base(position, 1 + text.Length / CharactersPerNode, depth: 1)
    {
        Text = text;
        IsQuoted = isQuoted;
    }

    /// <summary>The text, without quotes and with escapes resolved.</summary>
    public string Text { get; }

    /// <summary>Whether any part of it was quoted.</summary>
    public bool IsQuoted { get; }

    /// <inheritdoc/>
    public override string Describe() => $"'{Abbreviate(Text)}'";

    private static string Abbreviate(string text) =>
        text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "...");
}

/// <summary>The word <c>null</c>.</summary>
public sealed class HoconNull : HoconValue
{
    internal HoconNull(SourcePosition position)
        : base(position, weight: 1, depth: 1)
    {
    }

    /// <inheritdoc/>
    public override string Describe() => "null";
}

/// <summary>An array.</summary>
public sealed class HoconArray : HoconValue
{
    internal HoconArray(SourcePosition position, ImmutableArray<HoconValue> items)
        : base(
            position,
            1 + items.Sum(item => item.Weight),
            1 + (items.IsEmpty ? 0 : items.Max(item => item.Depth)))
    {
        Items = items;
    }

    /// <summary>The elements.</summary>
    public ImmutableArray<HoconValue> Items { get; }

    /// <inheritdoc/>
    public override string Describe() => "an array";
}

/// <summary>A key of an object and its value.</summary>
/// <param name="Key">The key.</param>
/// <param name="KeyPosition">Where the key stands; of a repeated key, the last place.</param>
/// <param name="Value">Its value.</param>
public sealed record HoconField(string Key, SourcePosition KeyPosition, HoconValue Value);

/// <summary>An object; its fields are in the order in which their keys first appear.</summary>
public sealed class HoconObject : HoconValue
{
    private readonly Dictionary<string, HoconField> _byKey;

    internal HoconObject(SourcePosition position, ImmutableArray<HoconField> fields)
        : base(
            position,
            1 + fields.Sum(field => field.Value.Weight),
            1 + (fields.IsEmpty ? 0 : fields.Max(field => field.Value.Depth)))
    {
        Fields = fields;
        _byKey = fields.ToDictionary(field => field.Key, StringComparer.Ordinal);
    }

    /// <summary>The fields; every key stands once.</summary>
    public ImmutableArray<HoconField> Fields { get; }

    /// <summary>Looks a key up (one key, not a path).</summary>
    public bool TryGet(string key, [NotNullWhen(true)] out HoconField? field) =>
        _byKey.TryGetValue(key, out field);

    /// <inheritdoc/>
    public override string Describe() => "an object";

    /// <summary>HOCON's merge: fields of <paramref name="over"/> win, and objects under the same
    /// key are merged in turn.</summary>
    internal HoconObject MergedWith(HoconObject over)
    {
        var fields = ImmutableArray.CreateBuilder<HoconField>(Fields.Length + over.Fields.Length);
        foreach (HoconField field in Fields)
        {
            HoconField winner = field;
            if (over.TryGet(field.Key, out HoconField? other))
            {
                winner = field.Value is HoconObject below && other.Value is HoconObject above
                    ? other with { Value = below.MergedWith(above) }
                    : other;
            }

            fields.Add(winner);
        }

        fields.AddRange(over.Fields.Where(field => !_byKey.ContainsKey(field.Key)));
        return new HoconObject(Position, fields.ToImmutable());
    }
}
