using System.Collections.Immutable;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>What the reference says of a section.</summary>
internal interface ISection : IValueKind
{
    /// <summary>The word of the specification.</summary>
    string Name { get; }

    string Meaning { get; }

    ImmutableArray<Key> Keys { get; }

    /// <summary>The key whose value may stand in the place of the whole section; null: none.
    /// </summary>
    Key? MainKey { get; }
}

/// <summary>An object with known keys; an unknown one is a mistake.</summary>
/// <param name="name">The word of the specification.</param>
/// <param name="meaning">What it is.</param>
/// <param name="keys">The keys.</param>
/// <param name="bind">Makes the value; called only where every key is valid by itself. It may
/// refuse what does not go together.</param>
/// <param name="mainKey">The key whose value may stand in the place of the whole section; one
/// without a name always does.</param>
internal sealed class Section<T>(
    string name, string meaning, ImmutableArray<Key> keys, Func<KeyValues, T> bind,
    Key? mainKey = null) : ValueKind<T>, ISection
{
    public string Name => name;

    public string Meaning => meaning;

    public ImmutableArray<Key> Keys => keys;

    public Key? MainKey => mainKey;

    public Func<KeyValues, T> Bind => bind;

    public override string Description => $"{name} {{ ... }}";

    public override IEnumerable<IValueKind> Parts => keys.Select(key => key.Kind);

    public override bool TryRead(ValueCursor at, out T value)
    {
        value = default!;
        if (at.Value is not HoconObject fields || mainKey is { Name: "" })
        {
            if (mainKey is null)
            {
                return at.Fail($"expected an object with keys, found {at.Value.Describe()}");
            }

            var main = new HoconField(mainKey.Name, at.Value.Position, at.Value);
            fields = new HoconObject(at.Value.Position, [main]);
        }

        return TryReadFields(at with { Value = fields }, fields, out value);
    }

    /// <summary>Reads the section as a bare word writes it: without any key.</summary>
    public bool TryReadEmpty(ValueCursor at, out T value)
    {
        var empty = new HoconObject(at.Value.Position, []);
        return TryReadFields(at with { Value = empty }, empty, out value);
    }

    private bool TryReadFields(ValueCursor at, HoconObject fields, out T value)
    {
        int errors = at.Errors.Count;
        foreach (HoconField field in fields.Fields)
        {
            if (!keys.Any(key => key.Name == field.Key))
            {
                at.FailAt(
                    field.KeyPosition, at.PathOf(field.Key),
                    "unknown key; " + Spelling.Suggest(field.Key, keys.Select(key => key.Name)));
            }
        }

        var values = new Dictionary<Key, object?>();
        foreach (Key key in keys)
        {
            // As everywhere in HOCON, null takes an earlier value away: the default holds.
            bool isGiven = fields.TryGet(key.Name, out HoconField? field)
                && field.Value is not HoconNull;
            key.TryRead(at, isGiven ? field : null, values);
        }

        value = values.Count == keys.Length ? bind(new KeyValues(at, values)) : default!;
        return at.Errors.Count == errors;
    }
}

/// <summary>What the reference says of a choice.</summary>
internal interface IChoice : IValueKind
{
    /// <summary>What is chosen: <c>optimizer</c>.</summary>
    string Name { get; }

    IEnumerable<ISection> Alternatives { get; }
}

/// <summary>Exactly one of several sections: <c>{ adam { learning-rate = 1e-3 } }</c>, or its word
/// alone where no key is needed.</summary>
internal sealed class Choice<T>(string name, params Section<T>[] alternatives)
    : ValueKind<T>, IChoice
{
    public string Name => name;

    public IEnumerable<ISection> Alternatives => alternatives;

    /// <summary>The alternatives, for choices that have them too.</summary>
    public ImmutableArray<Section<T>> Sections => [.. alternatives];

    public override string Description => $"one {name}";

    public override IEnumerable<IValueKind> Parts => alternatives;

    private IEnumerable<string> Words => alternatives.Select(a => a.Name);

    public override bool TryRead(ValueCursor at, out T value)
    {
        value = default!;
        switch (at.Value)
        {
            case HoconScalar word:
                Section<T>? bare = Find(word.Text);
                return bare is null
                    ? at.Fail($"unknown {name} {word.Describe()}; "
                        + Spelling.Suggest(word.Text, Words))
                    : bare.TryReadEmpty(at with { Path = at.PathOf(bare.Name) }, out value);
            case HoconObject { Fields: [HoconField field] }:
                Section<T>? chosen = Find(field.Key);
                return chosen is null
                    ? at.FailAt(
                        field.KeyPosition, at.PathOf(field.Key),
                        $"unknown {name}; {Spelling.Suggest(field.Key, Words)}")
                    : chosen.TryRead(at.At(field), out value);
            case HoconObject several when several.Fields.Length > 1:
                return RefuseSeveral(at, several);
            default:
                return at.Fail(
                    $"expected one {name} ({string.Join(", ", Words)}), "
                    + $"found {at.Value.Describe()}"
                    + (at.Value is HoconObject ? " without keys" : ""));
        }
    }

    private bool RefuseSeveral(ValueCursor at, HoconObject several)
    {
        string[] found = [.. several.Fields.Select(field => field.Key)];
        string[] unknown = [.. found.Where(key => Find(key) is null)];
        string hint = unknown.Length > 0 && found.FirstOrDefault(key => Find(key) is not null)
            is { } chosen
            ? $"; options of '{chosen}' stand inside its braces: {chosen} {{ {unknown[0]} = ... }}"
            : "";
        return at.FailAt(
            several.Fields[1].KeyPosition, at.Path,
            $"exactly one {name} can stand here, found {string.Join(" and ", found)}{hint}");
    }

    private Section<T>? Find(string word) => alternatives.FirstOrDefault(a => a.Name == word);
}
