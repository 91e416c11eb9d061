using System.Collections.Immutable;
using System.Text;
using System.Text.RegularExpressions;

namespace Backprop.Data.Formats;

/// <summary>
/// Finds the tokens of a text: the 256 bytes, and then, one after the other, what the two tokens
/// that are neighbours most often make together. Of pairs that are as frequent, the one with the
/// lower numbers comes first, so that the same text gives the same tokens everywhere.
/// </summary>
internal static class BytePairTraining
{
    /// <summary>A vocabulary of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="size">Tokens to find, the bytes among them; fewer are found where no pair
    /// occurs twice any more.</param>
    public static ImmutableArray<string> Tokens(string text, int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, BytePairVocabulary.ByteTokens);
        List<Word> words = WordsOf(text);
        List<byte[]> tokens =
        [
            .. Enumerable.Range(0, BytePairVocabulary.ByteTokens)
                .Select(value => new[] { (byte)value }),
        ];
        var pairs = new PairCounts(words);
        while (tokens.Count < size && pairs.MostFrequent() is { } pair)
        {
            pairs.Join(pair, tokens.Count);
            tokens.Add([.. tokens[pair.Left], .. tokens[pair.Right]]);
        }

        return [.. tokens.Select(token => ByteAlphabet.TextOf(token))];
    }

    // In the order of their first occurrence, so that nothing depends on a dictionary's.
    private static List<Word> WordsOf(string text)
    {
        var words = new List<Word>();
        var known = new Dictionary<string, Word>(StringComparer.Ordinal);
        foreach (ValueMatch match in BytePairVocabulary.Words().EnumerateMatches(text))
        {
            string word = text.Substring(match.Index, match.Length);
            if (!known.TryGetValue(word, out Word? entry))
            {
                entry = new Word(
                    [.. Encoding.UTF8.GetBytes(word).Select(value => (int)value)]);
                known.Add(word, entry);
                words.Add(entry);
            }

            entry.Count++;
        }

        return words;
    }

    private readonly record struct Pair(int Left, int Right) : IComparable<Pair>
    {
        public int CompareTo(Pair other) =>
            Left != other.Left ? Left.CompareTo(other.Left) : Right.CompareTo(other.Right);
    }

    private sealed class Word(List<int> tokens)
    {
        public List<int> Tokens { get; } = tokens;

        public long Count { get; set; }
    }

    /// <summary>How often pairs occur, and in which words, kept up as pairs are joined.</summary>
    private sealed class PairCounts
    {
        private readonly List<Word> _words;
        private readonly Dictionary<Pair, long> _counts = [];
        private readonly Dictionary<Pair, HashSet<int>> _places = [];

        // Entries whose count is no longer so are passed over when they come up.
        private readonly PriorityQueue<Pair, (long MinusCount, Pair Pair)> _queue = new();

        public PairCounts(List<Word> words)
        {
            _words = words;
            var touched = new HashSet<Pair>();
            for (int word = 0; word < words.Count; word++)
            {
                Count(word, 1, touched);
            }

            Enqueue(touched);
        }

        public Pair? MostFrequent()
        {
            while (_queue.TryDequeue(out Pair pair, out (long MinusCount, Pair Pair) order))
            {
                if (_counts.GetValueOrDefault(pair) != -order.MinusCount)
                {
                    continue;
                }

                const int Least = 2;
                return -order.MinusCount >= Least ? pair : null;
            }

            return null;
        }

        public void Join(Pair pair, int token)
        {
            var touched = new HashSet<Pair>();
            foreach (int word in _places[pair].ToArray())
            {
                Count(word, -1, touched);
                Join(_words[word].Tokens, pair, token);
                Count(word, 1, touched);
            }

            touched.Remove(pair);
            _counts.Remove(pair);
            _places.Remove(pair);
            Enqueue(touched);
        }

        private static void Join(List<int> tokens, Pair pair, int token)
        {
            int end = 0;
            for (int i = 0; i < tokens.Count; i++)
            {
                bool isPair = i + 1 < tokens.Count
                    && tokens[i] == pair.Left && tokens[i + 1] == pair.Right;
                tokens[end++] = isPair ? token : tokens[i];
                i += isPair ? 1 : 0;
            }

            tokens.RemoveRange(end, tokens.Count - end);
        }

        private void Count(int word, int sign, HashSet<Pair> touched)
        {
            List<int> tokens = _words[word].Tokens;
            for (int i = 0; i + 1 < tokens.Count; i++)
            {
                var pair = new Pair(tokens[i], tokens[i + 1]);
                _counts[pair] = _counts.GetValueOrDefault(pair) + (sign * _words[word].Count);
                touched.Add(pair);
                if (!_places.TryGetValue(pair, out HashSet<int>? places))
                {
                    places = [];
                    _places.Add(pair, places);
                }

                // A word that no longer has the pair is looked at in vain, and no more.
                places.Add(word);
            }
        }

        private void Enqueue(HashSet<Pair> touched)
        {
            foreach (Pair pair in touched)
            {
                if (_counts[pair] > 0)
                {
                    _queue.Enqueue(pair, (-_counts[pair], pair));
                }
            }
        }
    }
}
