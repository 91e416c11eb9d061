using System.Collections.Immutable;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>An object whose keys are the user's own names, each with a value of one kind.</summary>
internal sealed class MapKind<T>(ValueKind<T> value, string description)
    : ValueKind<ImmutableArray<KeyValuePair<string, T>>>
{
    public override string Description => description;

    public override IEnumerable<IValueKind> Parts => [value];

    public override bool TryRead(
        ValueCursor at, out ImmutableArray<KeyValuePair<string, T>> result)
    {
        result = [];
        if (at.Value is not HoconObject fields)
        {
            return at.Fail($"expected {Description}, found {at.Value.Describe()}");
        }

        var entries = ImmutableArray.CreateBuilder<KeyValuePair<string, T>>();
        foreach (HoconField field in fields.Fields)
        {
            if (value.TryRead(at.At(field), out T read))
            {
                entries.Add(new(field.Key, read));
            }
        }

        result = entries.ToImmutable();
        return result.Length == fields.Fields.Length;
    }
}
