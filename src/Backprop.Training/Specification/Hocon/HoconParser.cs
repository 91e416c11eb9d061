using System.Collections.Immutable;

namespace Backprop.Training.Specification.Hocon;

/// <summary>Recursive descent over one text. After a mistake it goes on at the next line, so that
/// several are found at once.</summary>
internal sealed class HoconParser
{
    private readonly ReadingContext _context;
    private readonly TextCursor _cursor;
    private readonly ScalarParser _scalars;
    private readonly ImmutableArray<string> _including;
    private readonly ImmutableArray<string> _includedUnder;

    public HoconParser(string text, string file, ReadingContext context)
        : this(text, file, context, [file], [])
    {
    }

    private HoconParser(
        string text, string file, ReadingContext context,
        ImmutableArray<string> including, ImmutableArray<string> includedUnder)
    {
        context.ChargeText(text, file);
        _context = context;
        _cursor = new TextCursor(text, file);
        _scalars = new ScalarParser(_cursor);
        _including = including;
        _includedUnder = includedUnder;
    }

    public UnresolvedObject ParseRoot()
    {
        var root = new UnresolvedObject(_cursor.Position);
        _cursor.SkipBlanksAndLines();
        SourcePosition open = _cursor.Position;
        if (_cursor.Current == '[')
        {
            _context.Report(open, "the file must hold keys with values, not an array");
            return root;
        }

        bool isBraced = _cursor.Current == '{';
        if (isBraced)
        {
            _cursor.Skip();
        }

        ParseFields(root, isBraced ? open : null, _includedUnder, depth: 1);
        _cursor.SkipBlanksAndLines();
        if (!_cursor.AtEnd)
        {
            _context.Report(_cursor.Position, "nothing may follow the '}' that ends the file");
        }

        return root;
    }

    /// <summary>Parses fields up to the closing brace, or to the end where
    /// <paramref name="open"/> is null.</summary>
    /// <param name="target">Where the fields go.</param>
    /// <param name="open">Where the opening brace stands.</param>
    /// <param name="path">The keys that lead to the object; default inside an array.</param>
    /// <param name="depth">Nesting so far.</param>
    private void ParseFields(
        UnresolvedObject target, SourcePosition? open, ImmutableArray<string> path, int depth)
    {
        _context.CheckDepth(depth, _cursor.Position);
        while (true)
        {
            _cursor.SkipBlanksAndLines();
            if (_cursor.AtEnd)
            {
                if (open is { } position)
                {
                    _context.Report(position, "'{' is never closed: a '}' is missing");
                }

                return;
            }

            if (_cursor.Current == '}' && open is not null)
            {
                _cursor.Skip();
                return;
            }

            try
            {
                ParseField(target, path, depth);
                EndElement('}');
            }
            catch (HoconSyntaxException mistake)
            {
                Recover(mistake);
            }
        }
    }

    private void ParseField(UnresolvedObject target, ImmutableArray<string> path, int depth)
    {
        if (AtInclude())
        {
            ParseInclude(target, path, depth);
            return;
        }

        SourcePosition keyPosition = _cursor.Position;
        ImmutableArray<string> keys = _scalars.ParsePath("a key");
        _context.CheckDepth(depth + keys.Length, keyPosition);
        UnresolvedObject holder = target;
        foreach (string key in keys.AsSpan()[..^1])
        {
            var next = new UnresolvedObject(keyPosition);
            _context.ChargeNodes(1, keyPosition);
            Slot between = holder.SlotOf(key, keyPosition);
            between.Assign(next);
            holder = (UnresolvedObject)between.Assignments[^1];
        }

        ImmutableArray<string> valuePath = path.IsDefault ? path : path.AddRange(keys);
        bool appends = ParseSeparator(keys[^1]);
        UnresolvedValue value = ParseValue(keys[^1], valuePath, depth + keys.Length);
        Slot slot = holder.SlotOf(keys[^1], keyPosition);
        slot.Assign(appends ? Appended(slot, valuePath, value) : value);
    }

    /// <summary><c>a += b</c> is short for <c>a = ${?a} [b]</c>.</summary>
    private Concatenation Appended(
        Slot slot, ImmutableArray<string> path, UnresolvedValue value)
    {
        if (path.IsDefault)
        {
            throw new HoconSyntaxException(
                slot.KeyPosition, "'+=' cannot be used inside an array; use '='");
        }

        var addition = new UnresolvedArray(value.Position);
        addition.Items.Add(value);
        var earlier = new Substitution(value.Position, path, isOptional: true, includedUnder: []);
        return new Concatenation(value.Position, [("", earlier), ("", addition)]);
    }

    /// <summary>Parses <c>=</c>, <c>:</c> or <c>+=</c>, or nothing where an object follows.
    /// </summary>
    /// <returns>Whether it was <c>+=</c>.</returns>
    private bool ParseSeparator(string key)
    {
        _cursor.TakeWhile(TextCursor.IsBlank);
        if (_cursor.Current is '=' or ':')
        {
            _cursor.Skip();
        }
        else if (_cursor.Sees("+="))
        {
            _cursor.Skip(2);
            _cursor.SkipBlanksAndLines();
            return true;
        }
        else if (_cursor.Current != '{')
        {
            throw new HoconSyntaxException(
                _cursor.Position, $"'=', ':' or '{{' must follow the key '{key}'");
        }

        _cursor.SkipBlanksAndLines();
        return false;
    }

    private UnresolvedValue ParseValue(string what, ImmutableArray<string> path, int depth)
    {
        SourcePosition start = _cursor.Position;
        List<(string SpaceBefore, UnresolvedValue Value)> pieces = [];
        string space = "";
        while (!AtValueEnd())
        {
            UnresolvedValue piece = ParsePiece(path, depth);
            _context.ChargeNodes(1, piece.Position);
            pieces.Add((space, piece));
            space = _cursor.TakeWhile(TextCursor.IsBlank);
        }

        return pieces.Count switch
        {
            0 => throw new HoconSyntaxException(start, $"a value is missing for '{what}'"),
            1 => pieces[0].Value,
            _ => new Concatenation(start, pieces),
        };
    }

    private bool AtValueEnd() =>
        _cursor.AtEnd || _cursor.Current is '\n' or ',' or '}' or ']' || _cursor.AtComment;

    private UnresolvedValue ParsePiece(ImmutableArray<string> path, int depth)
    {
        SourcePosition start = _cursor.Position;
        switch (_cursor.Current)
        {
            case '{':
                _cursor.Skip();
                var fields = new UnresolvedObject(start);
                ParseFields(fields, start, path, depth + 1);
                return fields;
            case '[':
                _cursor.Skip();
                return ParseArray(start, depth + 1);
            case '$' when _cursor.Sees("${"):
                return ParseSubstitution();
            default:
                return new UnresolvedLeaf(_scalars.ParseScalarOrNull());
        }
    }

    private UnresolvedArray ParseArray(SourcePosition open, int depth)
    {
        _context.CheckDepth(depth, open);
        var array = new UnresolvedArray(open);
        while (true)
        {
            _cursor.SkipBlanksAndLines();
            if (_cursor.AtEnd)
            {
                _context.Report(open, "'[' is never closed: a ']' is missing");
                return array;
            }

            if (_cursor.Current == ']')
            {
                _cursor.Skip();
                return array;
            }

            try
            {
                array.Items.Add(ParseValue("an element of the array", default, depth));
                EndElement(']');
            }
            catch (HoconSyntaxException mistake)
            {
                Recover(mistake);
            }
        }
    }

    private Substitution ParseSubstitution()
    {
        SourcePosition start = _cursor.Position;
        _cursor.Skip(2);
        bool isOptional = _cursor.Current == '?';
        _cursor.Skip(isOptional ? 1 : 0);
        _cursor.TakeWhile(TextCursor.IsBlank);
        ImmutableArray<string> path = _scalars.ParsePath("a path");
        _cursor.TakeWhile(TextCursor.IsBlank);
        if (_cursor.Current != '}')
        {
            throw new HoconSyntaxException(start, "a '}' must end the substitution '${...'");
        }

        _cursor.Skip();
        return new Substitution(start, path, isOptional, _includedUnder);
    }

    /// <summary>After an element: a comma, a line end, or what closes the container.</summary>
    private void EndElement(char closing)
    {
        _cursor.SkipBlanks();
        if (_cursor.AtEnd || _cursor.Current == '\n' || _cursor.Current == closing)
        {
            SkipCommaOnNextLine();
            return;
        }

        if (_cursor.Current != ',')
        {
            throw new HoconSyntaxException(
                _cursor.Position,
                $"expected a comma, a new line or '{closing}', found '{_cursor.Current}'");
        }

        _cursor.Skip();
        RefuseSecondComma();
    }

    private void SkipCommaOnNextLine()
    {
        _cursor.SkipBlanksAndLines();
        if (_cursor.Current == ',')
        {
            _cursor.Skip();
            RefuseSecondComma();
        }
    }

    private void RefuseSecondComma()
    {
        _cursor.SkipBlanksAndLines();
        if (_cursor.Current == ',')
        {
            throw new HoconSyntaxException(_cursor.Position, "a comma too many");
        }
    }

    /// <summary>Goes on after a mistake: past the rest of the line, but not past what closes the
    /// container, unless that is what was wrong.</summary>
    private void Recover(HoconSyntaxException mistake)
    {
        _context.Report(mistake.Position, mistake.Message);
        SourcePosition before = _cursor.Position;
        _cursor.TakeWhile(c => c is not ('\n' or '}' or ']'));
        if (_cursor.Position == before)
        {
            _cursor.Skip();
        }
    }

    private bool AtInclude()
    {
        const string Word = "include";
        if (!_cursor.Sees(Word) || !TextCursor.IsBlank(_cursor.Ahead(Word.Length)))
        {
            return false;
        }

        int distance = Word.Length;
        while (TextCursor.IsBlank(_cursor.Ahead(distance)))
        {
            distance++;
        }

        // "include = 3" is a key like any other; so is "include this = 3", which nobody means.
        return _cursor.Ahead(distance) is not ('=' or ':' or '{' or '+');
    }

    private void ParseInclude(UnresolvedObject target, ImmutableArray<string> path, int depth)
    {
        SourcePosition start = _cursor.Position;
        _cursor.Skip("include".Length);
        _cursor.TakeWhile(TextCursor.IsBlank);
        int parentheses = 0;
        foreach (string wrapper in (string[])["required(", "file("])
        {
            if (_cursor.Sees(wrapper))
            {
                _cursor.Skip(wrapper.Length);
                _cursor.TakeWhile(TextCursor.IsBlank);
                parentheses++;
            }
        }

        if (_cursor.Current != '"')
        {
            throw new HoconSyntaxException(
                start, "'include' must be followed by a file's name in quotes");
        }

        string name = ((HoconScalar)_scalars.ParseScalarOrNull()).Text;
        for (; parentheses > 0; parentheses--)
        {
            _cursor.TakeWhile(TextCursor.IsBlank);
            if (_cursor.Current != ')')
            {
                throw new HoconSyntaxException(_cursor.Position, "a ')' is missing");
            }

            _cursor.Skip();
        }

        target.Absorb(Include(start, name, path, depth));
    }

    private UnresolvedObject Include(
        SourcePosition start, string name, ImmutableArray<string> path, int depth)
    {
        if (_context.Includes is not { } source)
        {
            throw new HoconSyntaxException(start, "'include' cannot be used here");
        }

        IncludedText included = source.Find(_cursor.File, name)
            ?? throw new HoconSyntaxException(start, $"there is no file '{name}' to include");
        if (_including.Contains(included.File, StringComparer.Ordinal))
        {
            throw new HoconSyntaxException(
                start, $"'{name}' includes itself: {string.Join(" -> ", _including)}");
        }

        _context.CheckDepth(depth, start);
        if (_including.Length >= _context.Limits.MaxIncludeDepth)
        {
            throw new HoconSyntaxException(
                start, $"more than {_context.Limits.MaxIncludeDepth} files include one another");
        }

        return new HoconParser(
            included.Text, included.File, _context, _including.Add(included.File),
            path.IsDefault ? [] : path).ParseRoot();
    }
}
