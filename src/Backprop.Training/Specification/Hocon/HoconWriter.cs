using System.Collections.Immutable;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Backprop.Training.Specification.Hocon;

/// <summary>Writes a tree as HOCON that <see cref="HoconReader"/> reads back as the same tree.
/// </summary>
public static partial class HoconWriter
{
    private const int Indentation = 2;

    private static readonly JsonSerializerOptions s_quotes = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The text of a root object: a field a line, without the outer braces.</summary>
    public static string Write(HoconObject root)
    {
        var text = new StringBuilder();
        AppendFields(root.Fields, 0, text);
        return text.ToString();
    }

    private static void AppendFields(
        ImmutableArray<HoconField> fields, int indent, StringBuilder text)
    {
        foreach (HoconField field in fields)
        {
            text.Append(' ', indent)
                .Append(Key().IsMatch(field.Key) ? field.Key : Quoted(field.Key));
            text.Append(" = ");
            Append(field.Value, indent, text);
            text.Append('\n');
        }
    }

    private static void Append(HoconValue value, int indent, StringBuilder text)
    {
        switch (value)
        {
            case HoconObject { Fields: var fields }:
                text.Append("{\n");
                AppendFields(fields, indent + Indentation, text);
                text.Append(' ', indent).Append('}');
                break;
            case HoconArray { Items: var items }:
                text.Append('[');
                for (int i = 0; i < items.Length; i++)
                {
                    text.Append(i == 0 ? "" : ", ");
                    Append(items[i], indent, text);
                }

                text.Append(']');
                break;
            case HoconScalar scalar:
                text.Append(Plain().IsMatch(scalar.Text) ? scalar.Text : Quoted(scalar.Text));
                break;
            default:
                text.Append("null");
                break;
        }
    }

    private static string Quoted(string text) => JsonSerializer.Serialize(text, s_quotes);

    // What is read back as it stands, whatever is before or after it.
    [GeneratedRegex(@"^(?!null$)-?[a-zA-Z0-9][a-zA-Z0-9._-]*\z")]
    private static partial Regex Plain();

    // A dot would make a path of it, and "include" a statement.
    [GeneratedRegex(@"^(?!include$)[a-zA-Z][a-zA-Z0-9_-]*\z")]
    private static partial Regex Key();
}
