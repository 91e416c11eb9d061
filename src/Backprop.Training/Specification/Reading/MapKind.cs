using System.Collections.Immutable;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>An object whose keys are the user's own names, each with a value of one kind.</summary>
/// <param name="value">The values' kind.</param>
/// <param name="description">In words.</param>
/// <param name="isName">Whether a key may be one of the user's names; null: any may.</param>
internal sealed class MapKind<T>(
    ValueKind<T> value, string description, Func<string, bool>? isName = null)
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

        // As everywhere in HOCON, null takes an earlier value away.
        HoconField[] given = [.. fields.Fields.Where(field => field.Value is not HoconNull)];
        foreach (HoconField field in given)
        {
            if (isName?.Invoke(field.Key) == false)
            {
                at.FailAt(
                    field.KeyPosition, at.PathOf(field.Key),
                    "is no name: up to 100 letters, digits, '-' and '_' make one");
            }
            else if (value.TryRead(at.At(field), out T read))
            {
                entries.Add(new(field.Key, read));
            }
        }

        result = entries.ToImmutable();
        return result.Length == given.Length;
    }
}
