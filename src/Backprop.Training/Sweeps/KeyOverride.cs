using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Sweeps;

/// <summary>Gives a key of a specification another value.</summary>
internal static partial class KeyOverride
{
    /// <summary>The specification with another value; the value stands where the key was named, for
    /// messages.</summary>
    /// <param name="root">The specification.</param>
    /// <param name="key">The key's path: keys with dots between them, and places of arrays, from 0,
    /// in brackets. The last key may be one that is not there yet.</param>
    /// <param name="value">The value, as it would be written.</param>
    /// <exception cref="SpecificationException">There is no such key.</exception>
    public static HoconObject Apply(HoconObject root, Placed<string> key, string value)
    {
        Match path = Path().Match(key.Value);
        if (!path.Success)
        {
            throw new SpecificationException([key.Place.Error(
                $"'{key.Value}' is no path of a key: keys have dots between them, and places of "
                + "arrays stand in brackets, such as model[0].dense.units")]);
        }

        string[] steps = [.. path.Groups["step"].Captures.Select(capture => capture.Value)];
        return (HoconObject)Replace(
            root, steps, new HoconScalar(key.Place.Position, value, isQuoted: false), key);
    }

    private static HoconValue Replace(
        HoconValue at, ReadOnlySpan<string> steps, HoconScalar value, Placed<string> key)
    {
        if (steps.IsEmpty)
        {
            return at is HoconScalar or HoconNull
                ? value
                : throw Missing(key, $"it is {at.Describe()}, and has keys of its own");
        }

        string step = steps[0];
        switch (at)
        {
            case HoconObject fields when fields.TryGet(step, out HoconField? field):
                HoconValue inner = Replace(field.Value, steps[1..], value, key);
                return new HoconObject(
                    fields.Position,
                    fields.Fields.Replace(field, field with { Value = inner }));

            // One that has its default until now.
            case HoconObject fields when steps.Length == 1:
                return new HoconObject(
                    fields.Position,
                    fields.Fields.Add(new HoconField(step, value.Position, value)));
            case HoconObject fields:
                throw Missing(
                    key, $"it has no '{step}' there; "
                    + Spelling.Suggest(step, fields.Fields.Select(field => field.Key)));
            case HoconArray array when int.TryParse(
                step, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                && index < array.Items.Length:
                HoconValue item = Replace(array.Items[index], steps[1..], value, key);
                return new HoconArray(array.Position, array.Items.SetItem(index, item));
            case HoconArray array:
                throw Missing(
                    key, $"'{step}' is no place of its array of {array.Items.Length}, from 0");
            default:
                throw Missing(key, $"{at.Describe()} has no '{step}'");
        }
    }

    private static SpecificationException Missing(Placed<string> key, string why) =>
        new([key.Place.Error($"the run has no key '{key.Value}' to give a value: {why}")]);

    [GeneratedRegex(@"^(?<step>[\w-]+)((\.(?<step>[\w-]+))|(\[(?<step>[0-9]{1,9})\]))*\z")]
    private static partial Regex Path();
}
