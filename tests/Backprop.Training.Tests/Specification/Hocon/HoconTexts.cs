using System.Text;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification.Hocon;

/// <summary>Values as one line of JSON-like text, and texts that include one another.</summary>
internal static class HoconTexts
{
    public static string Flat(string text) => Flat(HoconReader.Read(text, "test.conf"));

    public static string Flat(HoconValue value)
    {
        var line = new StringBuilder();
        Append(value, line);
        return line.ToString();
    }

    private static void Append(HoconValue value, StringBuilder line)
    {
        switch (value)
        {
            case HoconObject fields:
                line.Append('{');
                foreach (HoconField field in fields.Fields)
                {
                    line.Append(field.Key).Append(':');
                    Append(field.Value, line);
                    line.Append(' ');
                }

                line.Append('}');
                break;
            case HoconArray array:
                line.Append('[');
                foreach (HoconValue item in array.Items)
                {
                    Append(item, line);
                    line.Append(' ');
                }

                line.Append(']');
                break;
            case HoconScalar scalar:
                line.Append('<').Append(scalar.Text).Append('>');
                break;
            case HoconNull:
                line.Append("null");
                break;
        }
    }
}

internal sealed class TextsByName(params (string File, string Text)[] texts) : IIncludeSource
{
    public IncludedText? Find(string includingFile, string name) =>
        texts.Where(t => t.File == name).Select(t => new IncludedText(t.File, t.Text))
            .FirstOrDefault();
}
