using System.Collections.Immutable;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>An array of values of one kind.</summary>
/// <param name="item">The elements' kind.</param>
/// <param name="description">In words.</param>
/// <param name="minimum">The fewest elements.</param>
/// <param name="acceptsOne">Whether one value may stand without brackets.</param>
internal sealed class ListKind<T>(
    ValueKind<T> item, string description, int minimum = 1, bool acceptsOne = false)
    : ValueKind<ImmutableArray<T>>
{
    public override string Description => description;

    public override IEnumerable<IValueKind> Parts => [item];

    public override bool TryRead(ValueCursor at, out ImmutableArray<T> value)
    {
        value = [];
        if (at.Value is not HoconArray array)
        {
            if (acceptsOne)
            {
                bool isRead = item.TryRead(at, out T one);
                value = isRead ? [one] : [];
                return isRead;
            }

            return at.Fail($"expected {Description}, found {at.Value.Describe()}");
        }

        if (array.Items.Length < minimum)
        {
            return at.Fail(
                $"expected {Description}, at least {minimum} of them, "
                + $"found {array.Items.Length}");
        }

        var items = ImmutableArray.CreateBuilder<T>(array.Items.Length);
        for (int i = 0; i < array.Items.Length; i++)
        {
            if (item.TryRead(at.At(i, array.Items[i]), out T element))
            {
                items.Add(element);
            }
        }

        value = items.ToImmutable();
        return value.Length == array.Items.Length;
    }
}
