using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Backprop.Training.Specification.Hocon;

/// <summary>A mistake of syntax, caught where parsing goes on.</summary>
internal sealed class HoconSyntaxException(SourcePosition position, string message)
    : Exception(message)
{
    public SourcePosition Position { get; } = position;
}

/// <summary>Parses keys, paths and scalars.</summary>
internal sealed class ScalarParser(TextCursor cursor)
{
    private const string Forbidden = "$\"{}[]:=,+#`^?!@*&\\";

    /// <summary>Parses a quoted, triple-quoted or unquoted piece.</summary>
    public HoconValue ParseScalarOrNull()
    {
        SourcePosition start = cursor.Position;
        if (cursor.Current == '"')
        {
            return new HoconScalar(start, ParseQuoted(), isQuoted: true);
        }

        string text = TakeUnquoted(isKey: false);
        if (text.Length == 0)
        {
            throw new HoconSyntaxException(
                start, $"{Found()} cannot stand here outside quotes");
        }

        return text == "null"
            ? new HoconNull(start)
            : new HoconScalar(start, text, isQuoted: false);
    }

    /// <summary>Parses keys joined by dots, each quoted or not.</summary>
    /// <param name="what">What is parsed, for messages.</param>
    public ImmutableArray<string> ParsePath(string what)
    {
        SourcePosition start = cursor.Position;
        var keys = ImmutableArray.CreateBuilder<string>();
        var key = new StringBuilder();
        bool hasKey = false;
        string space = "";
        while (true)
        {
            if (cursor.Current == '"')
            {
                key.Append(hasKey ? space : "").Append(ParseQuoted());
                hasKey = true;
            }
            else if (cursor.Current == '.')
            {
                AddKey();
                cursor.Skip();
            }
            else
            {
                string text = TakeUnquoted(isKey: true);
                if (text.Length == 0)
                {
                    break;
                }

                key.Append(hasKey ? space : "").Append(text);
                hasKey = true;
            }

            space = cursor.TakeWhile(TextCursor.IsBlank);
        }

        if (!hasKey && keys.Count == 0)
        {
            throw new HoconSyntaxException(
                start, $"{what} is expected, found {Found()}");
        }

        AddKey();
        return keys.ToImmutable();

        void AddKey()
        {
            if (!hasKey)
            {
                throw new HoconSyntaxException(
                    start, "a key between dots is empty (quote a key that holds a dot)");
            }

            keys.Add(key.ToString());
            key.Clear();
            hasKey = false;
        }
    }

    private string Found() => cursor.Current switch
    {
        _ when cursor.AtEnd => "the end",
        '\n' => "the end of the line",
        char c when char.IsControl(c) => $"the character \\u{(int)c:x4}",
        char c => $"'{c}'",
    };

    /// <summary>Characters of an unquoted piece: no blanks, nothing that HOCON reserves. The plus
    /// of a number's exponent belongs to it.</summary>
    private string TakeUnquoted(bool isKey)
    {
        char previous = ' ';
        bool isNumber = cursor.Current == '-' || char.IsAsciiDigit(cursor.Current);
        return cursor.TakeWhile(c =>
        {
            bool isExponentSign = c == '+' && isNumber && previous is 'e' or 'E';
            bool belongs = isExponentSign
                || !(Forbidden.Contains(c) || c == '\n' || TextCursor.IsBlank(c)
                    || (isKey && c == '.') || (c == '/' && cursor.Ahead(1) == '/'));
            isNumber &= char.IsAsciiDigit(c) || c is '-' or '.' or 'e' or 'E';
            previous = c;
            return belongs;
        });
    }

    private string ParseQuoted()
    {
        SourcePosition start = cursor.Position;
        if (cursor.Sees("\"\"\""))
        {
            return ParseTripleQuoted(start);
        }

        cursor.Skip();
        var text = new StringBuilder();
        while (cursor.Current != '"')
        {
            if (cursor.AtEnd || cursor.Current == '\n')
            {
                throw new HoconSyntaxException(start, "the closing quote is missing");
            }

            if (cursor.Current == '\\')
            {
                text.Append(ParseEscape());
                continue;
            }

            text.Append(cursor.Current);
            cursor.Skip();
        }

        cursor.Skip();
        return text.ToString();
    }

    /// <summary>Everything up to three quotes; of more in a row, the last three close.</summary>
    private string ParseTripleQuoted(SourcePosition start)
    {
        cursor.Skip(3);
        var text = new StringBuilder();
        while (!cursor.Sees("\"\"\"") || cursor.Ahead(3) == '"')
        {
            if (cursor.AtEnd)
            {
                throw new HoconSyntaxException(start, "the closing \"\"\" is missing");
            }

            text.Append(cursor.Current);
            cursor.Skip();
        }

        cursor.Skip(3);
        return text.ToString();
    }

    private char ParseEscape()
    {
        SourcePosition start = cursor.Position;
        char escape = cursor.Ahead(1);
        cursor.Skip(2);
        switch (escape)
        {
            case '"' or '\\' or '/':
                return escape;
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                int taken = 0;
                string digits = cursor.TakeWhile(c => char.IsAsciiHexDigit(c) && taken++ < 4);
                return digits.Length == 4
                    ? (char)ushort.Parse(
                        digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                    : throw new HoconSyntaxException(start, "four hex digits must follow '\\u'");
            default:
                throw new HoconSyntaxException(
                    start, "unknown escape; there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX");
        }
    }
}
