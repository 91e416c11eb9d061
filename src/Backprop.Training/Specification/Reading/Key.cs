using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>A key of a section: its name, its default and its meaning.</summary>
internal abstract class Key(string name, string? defaultText, string meaning)
{
    public string Name { get; } = name;

    /// <summary>What holds where the key is absent; null: it must be there.</summary>
    public string? DefaultText { get; } = defaultText;

    public string Meaning { get; } = meaning;

    public abstract IValueKind Kind { get; }

    /// <summary>Reads the key's value, or its default where <paramref name="field"/> is null.
    /// </summary>
    public abstract bool TryRead(
        ValueCursor section, HoconField? field, Dictionary<Key, object?> values);

    /// <summary>A key that must be there.</summary>
    public static Key<T> Required<T>(string name, ValueKind<T> kind, string meaning) =>
        new(name, kind, default!, null, meaning);

    /// <summary>A key that may be absent.</summary>
    /// <param name="name">The key.</param>
    /// <param name="kind">What its value may be.</param>
    /// <param name="defaultValue">What holds where it is absent.</param>
    /// <param name="defaultText">The default as a user would write it, or in words.</param>
    /// <param name="meaning">What it means.</param>
    public static Key<T> Optional<T>(
        string name, ValueKind<T> kind, T defaultValue, string defaultText, string meaning) =>
        new(name, kind, defaultValue, defaultText, meaning);
}

/// <summary>A key with a value of a type.</summary>
internal sealed class Key<T>(
    string name, ValueKind<T> kind, T defaultValue, string? defaultText, string meaning)
    : Key(name, defaultText, meaning)
{
    public override IValueKind Kind => kind;

    public override bool TryRead(
        ValueCursor section, HoconField? field, Dictionary<Key, object?> values)
    {
        T value = defaultValue;
        if (field is not null)
        {
            if (!kind.TryRead(section.At(field), out value))
            {
                return false;
            }
        }
        else if (DefaultText is null)
        {
            return section.FailAt(
                section.Value.Position, section.PathOf(Name),
                $"is missing: {kind.Description} must stand here ({Meaning})");
        }

        values[this] = value;
        return true;
    }
}

/// <summary>The values of a section's keys, all of them valid by themselves.</summary>
internal sealed class KeyValues(ValueCursor section, Dictionary<Key, object?> values)
{
    /// <summary>The key's value, or its default.</summary>
    public T Get<T>(Key<T> key) => (T)values[key]!;

    /// <summary>An integer key's value, whose range fits.</summary>
    public int GetInt(Key<long> key) => checked((int)Get(key));

    /// <summary>A number key's value in single precision.</summary>
    public float GetFloat(Key<double> key) => (float)Get(key);

    /// <summary>Whether the key is given.</summary>
    public bool Has(Key key) =>
        section.Value is HoconObject fields && fields.TryGet(key.Name, out HoconField? field)
        && field.Value is not HoconNull;

    /// <summary>Refuses a value for its relation to others.</summary>
    public void Refuse(Key key, string message)
    {
        SpecificationPlace place = PlaceOf(key);
        section.FailAt(place.Position, place.Path, message);
    }

    /// <summary>The place and path of the section itself.</summary>
    public SpecificationPlace Place => new(section.Value.Position, section.Path);

    /// <summary>The place and path of a key's value.</summary>
    public SpecificationPlace PlaceOf(Key key) =>
        section.Value is HoconObject fields && fields.TryGet(key.Name, out HoconField? field)
            ? new(field.Value.Position, section.PathOf(key.Name))
            : new(section.Value.Position, section.PathOf(key.Name));
}
