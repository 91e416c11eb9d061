using System.Text;

namespace Backprop.Data.Tokenizers;

/// <summary>How pieces become tokens.</summary>
internal sealed record MergeOptions
{
    /// <summary>Whether a piece that is a token is left whole, whatever the merges say.</summary>
    public bool IgnoresMerges { get; init; }

    /// <summary>Whether a character without a token is taken by its bytes, <c>&lt;0x0A&gt;</c>.
    /// </summary>
    public bool FallsBackToBytes { get; init; }

    /// <summary>The token of what has none; null: there is none.</summary>
    public int? Unknown { get; init; }

    /// <summary>Whether several of those in a row are one.</summary>
    public bool JoinsUnknown { get; init; }
}

/// <summary>
/// Joins neighbours, again and again, of all pairs in a piece the one that stands first in the list
/// of merges, and of equal ones the leftmost: Sennrich, Haddow, Birch, "Neural machine translation
/// of rare words with subword units", 2016; as huggingface/tokenizers,
/// tokenizers/src/models/bpe/word.rs.
/// </summary>
/// <param name="tokens">Token numbers by text.</param>
/// <param name="merges">Pairs of tokens in the order of the list, and the token that they make.
/// </param>
/// <param name="options">How pieces become tokens.</param>
internal sealed class TokenMerges(
    Dictionary<string, int> tokens, Dictionary<(int Left, int Right), (int Rank, int Token)> merges,
    MergeOptions options)
{
    // Words come again; whole lines do not.
    private const int MaxKept = 1 << 16;
    private const int MaxKeptLength = 64;
    private const int None = -1;

    private readonly Dictionary<string, int[]> _known = new(StringComparer.Ordinal);

    /// <summary>Adds a piece's tokens; false: a character has none, and nothing stands for it.
    /// </summary>
    /// <param name="piece">The piece.</param>
    /// <param name="destination">Takes the tokens.</param>
    /// <param name="stranger">The character that has none.</param>
    public bool TryEncode(string piece, List<int> destination, out Rune stranger)
    {
        stranger = default;
        if (options.IgnoresMerges && tokens.TryGetValue(piece, out int whole))
        {
            destination.Add(whole);
            return true;
        }

        if (!_known.TryGetValue(piece, out int[]? found))
        {
            var symbols = new List<int>(piece.Length);
            if (!TrySpell(piece, symbols, out stranger))
            {
                return false;
            }

            found = Join([.. symbols]);
            if (piece.Length <= MaxKeptLength && _known.Count < MaxKept)
            {
                _known.Add(piece, found);
            }
        }

        destination.AddRange(found);
        return true;
    }

    private bool TrySpell(string piece, List<int> symbols, out Rune stranger)
    {
        bool wasUnknown = false;
        stranger = default;
        foreach (Rune rune in piece.EnumerateRunes())
        {
            bool isKnown = tokens.TryGetValue(rune.ToString(), out int token);
            if (isKnown)
            {
                symbols.Add(token);
            }
            else if (!options.FallsBackToBytes || !TryAddBytes(rune, symbols))
            {
                if (options.Unknown is not { } unknown)
                {
                    stranger = rune;
                    return false;
                }

                if (!wasUnknown || !options.JoinsUnknown)
                {
                    symbols.Add(unknown);
                }

                wasUnknown = true;
                continue;
            }

            wasUnknown = false;
        }

        return true;
    }

    private bool TryAddBytes(Rune rune, List<int> symbols)
    {
        Span<byte> bytes = stackalloc byte[4];
        int length = rune.EncodeToUtf8(bytes);
        int before = symbols.Count;
        foreach (byte value in bytes[..length])
        {
            if (!tokens.TryGetValue($"<0x{value:X2}>", out int token))
            {
                symbols.RemoveRange(before, symbols.Count - before);
                return false;
            }

            symbols.Add(token);
        }

        return true;
    }

    // A symbol that was joined to the one before it is None; pairs that are no longer so are
    // passed over when they come up.
    private int[] Join(int[] symbols)
    {
        int count = symbols.Length;
        var next = new int[count];
        var previous = new int[count];
        var queue = new PriorityQueue<int, (int Rank, int At, int Token)>();
        for (int i = 0; i < count; i++)
        {
            next[i] = i + 1;
            previous[i] = i - 1;
            Enqueue(i);
        }

        while (queue.TryDequeue(out int at, out (int Rank, int At, int Token) merge))
        {
            if (symbols[at] == None || next[at] >= count
                || !merges.TryGetValue((symbols[at], symbols[next[at]]), out var made)
                || made.Token != merge.Token)
            {
                continue;
            }

            symbols[at] = made.Token;
            symbols[next[at]] = None;
            next[at] = next[next[at]];
            if (next[at] < count)
            {
                previous[next[at]] = at;
            }

            Enqueue(previous[at]);
            Enqueue(at);
        }

        return [.. symbols.Where(symbol => symbol != None)];

        void Enqueue(int at)
        {
            if (at >= 0 && next[at] < count
                && merges.TryGetValue((symbols[at], symbols[next[at]]), out var made))
            {
                queue.Enqueue(at, (made.Rank, at, made.Token));
            }
        }
    }
}
