using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Backprop.Data.Formats;

namespace Backprop.Data.Tokenizers;

/// <summary>
/// What a tokenizer looks for in texts: a text as it is, or a regular expression of Oniguruma's
/// kind (kkos/oniguruma, doc/RE), of which is taken what .NET reads the same way. Expressions come
/// from files, so their time is bounded.
/// </summary>
internal sealed class TokenPattern
{
    private const int MaxLength = 10_000;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    // What stands for a character beyond U+FFFF, which is two units to .NET's expressions and one
    // of its category to others: a character of the category that no expression names.
    private static readonly Dictionary<UnicodeCategory, char> s_substitutes = new()
    {
        [UnicodeCategory.UppercaseLetter] = '\u0531',
        [UnicodeCategory.LowercaseLetter] = '\u0561',
        [UnicodeCategory.TitlecaseLetter] = '\u1F88',
        [UnicodeCategory.ModifierLetter] = '\u10FC',
        [UnicodeCategory.OtherLetter] = '\uA000',
        [UnicodeCategory.NonSpacingMark] = '\u0591',
        [UnicodeCategory.SpacingCombiningMark] = '\u0903',
        [UnicodeCategory.EnclosingMark] = '\u20DD',
        [UnicodeCategory.DecimalDigitNumber] = '\u07C0',
        [UnicodeCategory.LetterNumber] = '\u16EE',
        [UnicodeCategory.OtherNumber] = '\u0BF0',
        [UnicodeCategory.OtherPunctuation] = '\u0964',
        [UnicodeCategory.MathSymbol] = '\u2200',
        [UnicodeCategory.OtherSymbol] = '\u2800',
        [UnicodeCategory.ModifierSymbol] = '\uA700',
        [UnicodeCategory.Format] = '\u200B',
        [UnicodeCategory.PrivateUse] = '\uE000',
    };

    private const char Unassigned = '\u0378';

    private readonly string _source;
    private readonly string _text;
    private readonly Regex? _expression;

    private TokenPattern(string source, string text, Regex? expression)
    {
        _source = source;
        _text = text;
        _expression = expression;
    }

    /// <summary>A text, found as it is.</summary>
    public static TokenPattern Literal(string source, string text) => new(source, text, null);

    /// <summary>A regular expression.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="expression">The expression.</param>
    /// <exception cref="InvalidDatasetException">It is none, or has what .NET reads otherwise.
    /// </exception>
    public static TokenPattern Expression(string source, string expression)
    {
        if (UnreadPart(expression) is { } part)
        {
            throw Refused(
                source, $"its regular expression {Quotation.Of(expression)} has {part}, which is "
                + "not read");
        }

        try
        {
            const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.Multiline;
            return new TokenPattern(
                source, expression, new Regex(expression, Options, s_patience));
        }
        catch (ArgumentException e)
        {
            throw Refused(source, $"its regular expression is not read: {e.Message}");
        }
    }

    /// <summary>Where it is found, from the left; nothing overlaps.</summary>
    /// <exception cref="InvalidDatasetException">It takes too long to look.</exception>
    public List<Range> Matches(string text)
    {
        var matches = new List<Range>();
        if (_expression is null)
        {
            for (int at = 0; _text.Length > 0; at += _text.Length)
            {
                at = text.IndexOf(_text, at, StringComparison.Ordinal);
                if (at < 0)
                {
                    break;
                }

                matches.Add(at..(at + _text.Length));
            }

            return matches;
        }

        bool isShort = !text.AsSpan().ContainsAnyInRange('\uD800', '\uDFFF');
        int[] places = [];
        string searched = isShort ? text : Shortened(text, out places);
        try
        {
            foreach (ValueMatch match in _expression.EnumerateMatches(searched))
            {
                int end = match.Index + match.Length;
                matches.Add(isShort ? match.Index..end : places[match.Index]..places[end]);
            }
        }
        catch (RegexMatchTimeoutException)
        {
            throw Refused(
                _source, $"its regular expression {Quotation.Of(_text)} takes more than "
                + $"{s_patience.TotalSeconds:0} s at one place of the text");
        }

        return matches;
    }

    /// <summary>A text with every match replaced.</summary>
    public string Replace(string text, string replacement)
    {
        var result = new StringBuilder(text.Length);
        int end = 0;
        foreach (Range match in Matches(text))
        {
            result.Append(text, end, match.Start.Value - end).Append(replacement);
            end = match.End.Value;
        }

        return result.Append(text, end, text.Length - end).ToString();
    }

    // A unit for each character; where its units begin in the text.
    private static string Shortened(string text, out int[] places)
    {
        var units = new StringBuilder(text.Length);
        var starts = new List<int>(text.Length + 1);
        int at = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            starts.Add(at);
            units.Append(rune.IsBmp
                ? (char)rune.Value
                : s_substitutes.GetValueOrDefault(Rune.GetUnicodeCategory(rune), Unassigned));
            at += rune.Utf16SequenceLength;
        }

        starts.Add(at);
        places = [.. starts];
        return units.ToString();
    }

    // The two kinds differ in what these mean: words and their ends, hexadecimal digits, sets
    // within sets.
    private static string? UnreadPart(string expression)
    {
        if (expression.Length > MaxLength)
        {
            return $"{expression.Length:N0} characters, more than {MaxLength:N0}";
        }

        bool isInSet = false;
        for (int i = 0; i < expression.Length; i++)
        {
            char next = i + 1 < expression.Length ? expression[i + 1] : '\0';
            switch (expression[i])
            {
                case '\\' when char.IsAsciiLetterOrDigit(next) && !"pPsSdDrnt".Contains(next):
                    return $"\\{next}";
                case '\\':
                    i++;
                    break;
                case '[' when isInSet:
                    return "a set within a set";
                case '&' when isInSet && next == '&':
                    return "an intersection of sets";
                case '[':
                    isInSet = true;
                    break;
                case ']':
                    isInSet = false;
                    break;
            }
        }

        return null;
    }

    private static InvalidDatasetException Refused(string source, string problem) => new(
        source, problem, "give a tokenizer with a simpler expression");
}
