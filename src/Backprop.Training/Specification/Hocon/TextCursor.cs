namespace Backprop.Training.Specification.Hocon;

/// <summary>Walks over a text and knows line and column.</summary>
internal sealed class TextCursor(string text, string file)
{
    public const char End = '\0';

    private int _index;
    private int _line = 1;
    private int _lineStart;

    public string File { get; } = file;

    public SourcePosition Position => new(File, _line, _index - _lineStart + 1);

    public bool AtEnd => _index >= text.Length;

    /// <summary>The character at the cursor; <see cref="End"/> past the end. (A NUL inside the text
    /// is told apart by <see cref="AtEnd"/>.)</summary>
    public char Current => AtEnd ? End : text[_index];

    public bool Sees(string what) =>
        string.CompareOrdinal(text, _index, what, 0, what.Length) == 0;

    public char Ahead(int distance) =>
        _index + distance < text.Length ? text[_index + distance] : End;

    public void Skip(int count = 1)
    {
        for (; count > 0 && !AtEnd; count--)
        {
            if (text[_index++] == '\n')
            {
                _line++;
                _lineStart = _index;
            }
        }
    }

    /// <summary>Skips characters as long as the condition holds, and returns them.</summary>
    public string TakeWhile(Func<char, bool> condition)
    {
        int start = _index;
        while (!AtEnd && condition(text[_index]))
        {
            Skip();
        }

        return text[start.._index];
    }

    public bool AtComment => Current == '#' || Sees("//");

    /// <summary>Skips blanks within a line, and a comment that ends it; returns the blanks before
    /// the comment.</summary>
    public string SkipBlanks()
    {
        string blanks = TakeWhile(IsBlank);
        if (AtComment)
        {
            TakeWhile(c => c != '\n');
        }

        return blanks;
    }

    /// <summary>Skips blanks, comments and line ends.</summary>
    public void SkipBlanksAndLines()
    {
        SkipBlanks();
        while (!AtEnd && Current == '\n')
        {
            Skip();
            SkipBlanks();
        }
    }

    /// <summary>White space as HOCON has it, the line end apart: Unicode's, and the byte order
    /// mark.</summary>
    public static bool IsBlank(char c) =>
        c != '\n' && (char.IsWhiteSpace(c) || c is '\uFEFF' or (>= '\u001C' and <= '\u001F'));
}
