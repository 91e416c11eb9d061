using System.Globalization;
using Backprop.Training.Specification.Hocon;
using Backprop.Training.Specification.Reading;
using Backprop.Training.Specification.Schema;

namespace Backprop.Training.Specification;

/// <summary>Reads the specification of a run.</summary>
public static class RunSpecificationReader
{
    // What a run comes to does not depend on these.
    private static readonly string[] KeysWithoutEffect =
        ["checkpoint", "workers", "digests", "verify"];

    /// <summary>Reads and checks a specification, as far as that goes without its data.</summary>
    /// <param name="text">HOCON.</param>
    /// <param name="file">Its name, for messages and for relative includes.</param>
    /// <param name="includes">Where included texts come from; null: includes are refused.</param>
    /// <param name="fileRefusal">Why a file of data may not be named, or null, if it may;
    /// null: any may.</param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    /// <exception cref="SpecificationException">It has mistakes: all of them, each with its place,
    /// its key and what would be right.</exception>
    public static RunSpecification Read(
        string text, string file, IIncludeSource? includes = null,
        Func<string, string?>? fileRefusal = null, LayerPlugins? plugins = null)
    {
        return Read(HoconReader.Read(text, file, includes), fileRefusal, plugins);
    }

    /// <summary>Checks a specification that is read already.</summary>
    internal static RunSpecification Read(
        HoconObject root, Func<string, string?>? fileRefusal = null, LayerPlugins? plugins = null)
    {
        var errors = new List<SpecificationError>();
        var cursor = new ValueCursor(root, "", errors)
        {
            FileRefusal = fileRefusal,
            Plugins = plugins ?? LayerPlugins.None,
        };
        if (!RunSchema.Run.TryRead(cursor, out RunSpecification run))
        {
            throw new SpecificationException(errors);
        }

        return run with
        {
            CanonicalText = Canonical(root),
            ResolvedText = HoconWriter.Write(root),
        };
    }

    /// <summary>One line a key, by path, numbers in one spelling.</summary>
    private static string Canonical(HoconObject root)
    {
        List<string> lines = [];
        foreach (HoconField field in root.Fields.Where(
            field => !KeysWithoutEffect.Contains(field.Key)))
        {
            AddLines(field.Key, field.Value, lines);
        }

        lines.Sort(StringComparer.Ordinal);
        return string.Join('\n', lines);
    }

    private static void AddLines(string path, HoconValue value, List<string> lines)
    {
        switch (value)
        {
            case HoconObject { Fields.IsEmpty: false } fields:
                foreach (HoconField field in fields.Fields)
                {
                    AddLines($"{path}.{field.Key}", field.Value, lines);
                }

                break;
            case HoconArray array when array.Items.Any(item => item is not HoconScalar):
                for (int i = 0; i < array.Items.Length; i++)
                {
                    AddLines($"{path}[{i}]", array.Items[i], lines);
                }

                break;
            case HoconArray array:
                lines.Add($"{path} = [{string.Join(", ", array.Items.Select(Text))}]");
                break;
            case HoconNull:
                break;
            default:
                lines.Add($"{path} = {Text(value)}");
                break;
        }
    }

    private static string Text(HoconValue value)
    {
        if (value is not HoconScalar scalar)
        {
            return "{}";
        }

        bool isFraction = scalar.Text.AsSpan().ContainsAny('.', 'e', 'E')
            && double.TryParse(
                scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
        return isFraction
            ? double.Parse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture)
                .ToString("R", CultureInfo.InvariantCulture)
            : scalar.Text;
    }
}
