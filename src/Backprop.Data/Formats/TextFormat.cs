using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Backprop.Data.Storage;
using Backprop.Data.Tokenizers;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>What a text is taken apart into.</summary>
public enum TextTokens
{
    /// <summary>Unicode scalar values, numbered as they are found in the training part.</summary>
    Characters,

    /// <summary>Bytes, numbered as they are.</summary>
    Bytes,

    /// <summary>Bytes that occur together: <see cref="BytePairVocabulary"/>.</summary>
    BytePairs,
}

/// <summary>Where a vocabulary of byte pairs comes from.</summary>
public abstract record BytePairSource
{
    private BytePairSource()
    {
    }

    /// <summary>From a file.</summary>
    /// <param name="Path">A <c>tokenizer.json</c>, or a <c>vocab.json</c>.</param>
    /// <param name="Merges">The <c>merges.txt</c> of a <c>vocab.json</c>; else null.</param>
    public sealed record File(string Path, string? Merges = null) : BytePairSource;

    /// <summary>From the training part: its most frequent pairs.</summary>
    /// <param name="Size">Tokens, the 256 bytes among them.</param>
    public sealed record Found(int Size) : BytePairSource;
}

/// <summary>A text, and the windows that are cut of it.</summary>
public sealed record TextOptions
{
    /// <summary>The file: UTF-8, or of whatever kind where tokens are bytes.</summary>
    public required string Path { get; init; }

    /// <summary>What the text is taken apart into.</summary>
    public TextTokens Tokens { get; init; } = TextTokens.Characters;

    /// <summary>Where the vocabulary comes from, where tokens are byte pairs; else null.</summary>
    public BytePairSource? BytePairs { get; init; }

    /// <summary>Tokens of a window.</summary>
    public int Length { get; init; } = 128;

    /// <summary>Tokens from a window's first to the next's; null: as many as a window has.
    /// </summary>
    public int? Stride { get; init; }

    /// <summary>Where the part begins that is read, as a fraction of the text's tokens; of its
    /// characters, where tokens are byte pairs.</summary>
    public double From { get; init; }

    /// <summary>Where the part ends that is read.</summary>
    public double To { get; init; } = 1;

    /// <summary>The vocabulary, by token number; null: that of the part. Give a validation part
    /// that of its training part.</summary>
    public ImmutableArray<string>? Vocabulary { get; init; }

    /// <summary>What else says how a text is encoded by <see cref="Vocabulary"/>; null: nothing.
    /// </summary>
    public string? Tokenizer { get; init; }

    /// <summary>With a vocabulary that was found before, where they give none themselves.</summary>
    /// <param name="vocabulary">See <see cref="Vocabulary"/>.</param>
    /// <param name="tokenizer">See <see cref="Tokenizer"/>.</param>
    public TextOptions WithDefaultVocabulary(
        ImmutableArray<string>? vocabulary, string? tokenizer) =>
        Vocabulary is null ? this with { Vocabulary = vocabulary, Tokenizer = tokenizer } : this;
}

/// <summary>
/// Reads texts: a sample is a window of tokens, and its targets are the tokens that follow each of
/// them. Windows do not reach past the part that is read.
/// </summary>
public static class TextFormat
{
    /// <summary>The token that stands for all characters that the vocabulary does not have: number
    /// 0 of every vocabulary of characters, U+FFFD.</summary>
    public const string Unknown = "\uFFFD";

    private const int ByteValues = 256;
    private const string StoredVocabulary = "the stored vocabulary";

    /// <summary>The vocabulary of bytes: <c>0x00</c> to <c>0xFF</c>.</summary>
    public static ImmutableArray<string> ByteVocabulary { get; } =
    [
        .. Enumerable.Range(0, ByteValues)
            .Select(value => string.Create(CultureInfo.InvariantCulture, $"0x{value:X2}")),
    ];

    /// <summary>Opens a text.</summary>
    /// <exception cref="InvalidDatasetException">There is no such file, it is no text, or it is too
    /// short; the message says where, and what would be right.</exception>
    public static IDataset Open(TextOptions options)
    {
        RequireOptions(options);
        byte[] bytes = ReadAll(options.Path);
        Tokenization text = options.Tokens switch
        {
            TextTokens.Bytes => new Tokenization(
                Part([.. bytes.Select(value => (int)value)], options), ByteVocabulary),
            TextTokens.BytePairs =>
                BytePairs(options, Part(Decode(options.Path, bytes), options)),
            _ => Characters(options, Part(Decode(options.Path, bytes), options)),
        };
        return new TextDataset(options, text);
    }

    /// <summary>What takes texts apart into the tokens of a vocabulary.</summary>
    /// <param name="kind">What they are taken apart into.</param>
    /// <param name="vocabulary">The vocabulary, by token number.</param>
    /// <param name="definition">What else says how, or null: <see
    /// cref="ITextTokenizer.Definition"/>.</param>
    public static ITextTokenizer Tokenizer(
        TextTokens kind, ImmutableArray<string> vocabulary, string? definition) =>
        (kind, definition) switch
        {
            (TextTokens.Bytes, _) => new ByteTokenizer(),
            (TextTokens.Characters, _) => new CharacterTokenizer(vocabulary),
            (_, null) => BytePairVocabulary.Of(StoredVocabulary, vocabulary),
            _ => TokenizerDefinition.Restore(StoredVocabulary, definition, vocabulary),
        };

    private static void RequireOptions(TextOptions options)
    {
        string? mistake = options switch
        {
            { Length: < 1 } => $"windows of {options.Length} tokens; 1 is the least",
            { Stride: < 1 } => $"windows {options.Stride} tokens apart; 1 is the least",
            { From: < 0 } or { To: > 1 } => "a part is between 0 and 1",
            { Tokens: TextTokens.BytePairs, BytePairs: null, Vocabulary: null } =>
                "byte pairs without a vocabulary",
            _ => options.From < options.To
                ? null
                : $"a part from {options.From} to {options.To} has nothing in it",
        };
        if (mistake is not null)
        {
            throw new ArgumentException(mistake, nameof(options));
        }
    }

    private static byte[] ReadAll(string path)
    {
        using FileStream stream = DataFile.Open(path);
        if (stream.Length > Array.MaxLength)
        {
            throw new InvalidDatasetException(
                path, $"{stream.Length:N0} bytes are too many for one text",
                "give a part of it as a file of its own");
        }

        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static int[] Decode(string path, byte[] bytes)
    {
        var characters = new List<int>(bytes.Length);
        ReadOnlySpan<byte> rest = bytes;
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(rest, out Rune rune, out int length)
                != System.Buffers.OperationStatus.Done)
            {
                throw new InvalidDatasetException(
                    path, "here it is no UTF-8",
                    "give a text in UTF-8, or read it with tokens = bytes",
                    new DataPosition { ByteOffset = bytes.Length - rest.Length });
            }

            characters.Add(rune.Value);
            rest = rest[length..];
        }

        return [.. characters];
    }

    private static int[] Part(int[] all, TextOptions options) =>
        all[(int)Math.Floor(options.From * all.Length)..(int)Math.Floor(options.To * all.Length)];

    private static Tokenization Characters(TextOptions options, int[] characters)
    {
        ImmutableArray<string> vocabulary = options.Vocabulary
            ??
            [
                Unknown,
                .. characters.Distinct().Where(value => value != Unknown[0]).Order()
                    .Select(value => new Rune(value).ToString()),
            ];
        return new Tokenization(
            [.. new CharacterTokenizer(vocabulary).Numbered(characters)], vocabulary);
    }

    private static Tokenization BytePairs(TextOptions options, int[] characters)
    {
        var text = new StringBuilder(characters.Length);
        foreach (int character in characters)
        {
            text.Append(new Rune(character).ToString());
        }

        string part = text.ToString();
        ITextTokenizer tokenizer = (options.Vocabulary, options.BytePairs) switch
        {
            ({ } given, _) => Tokenizer(TextTokens.BytePairs, given, options.Tokenizer),
            (_, BytePairSource.File file) => TokenizerFile.Read(file.Path, file.Merges),
            (_, BytePairSource.Found found) => BytePairVocabulary.Of(
                options.Path, BytePairTraining.Tokens(part, found.Size)),
            _ => throw new InvalidOperationException("byte pairs without a vocabulary"),
        };
        return new Tokenization(
            [.. tokenizer.Encode(part)], tokenizer.Tokens, tokenizer.Definition);
    }

    private readonly record struct Tokenization(
        int[] Tokens, ImmutableArray<string> Vocabulary, string? Definition = null);

    private sealed class ByteTokenizer : ITextTokenizer
    {
        public ImmutableArray<string> Tokens => ByteVocabulary;

        public string? Definition => null;

        public ImmutableArray<int> Encode(string text) =>
            [.. Encoding.UTF8.GetBytes(text).Select(value => (int)value)];

        public string Decode(IEnumerable<int> tokens, bool isStart) =>
            Encoding.UTF8.GetString([.. tokens.Select(token => (byte)token)]);
    }

    private sealed class CharacterTokenizer : ITextTokenizer
    {
        private readonly Dictionary<int, int> _numbers;

        public CharacterTokenizer(ImmutableArray<string> vocabulary)
        {
            Tokens = vocabulary;
            _numbers = new Dictionary<int, int>(vocabulary.Length);
            for (int token = 0; token < vocabulary.Length; token++)
            {
                _numbers[Rune.GetRuneAt(vocabulary[token], 0).Value] = token;
            }
        }

        public ImmutableArray<string> Tokens { get; }

        public string? Definition => null;

        public IEnumerable<int> Numbered(IEnumerable<int> characters) =>
            characters.Select(value => _numbers.GetValueOrDefault(value));

        public ImmutableArray<int> Encode(string text) =>
            [.. Numbered(text.EnumerateRunes().Select(rune => rune.Value))];

        public string Decode(IEnumerable<int> tokens, bool isStart) =>
            string.Concat(tokens.Select(token => Tokens[token]));
    }

    private sealed class TextDataset : IDataset
    {
        private readonly int[] _tokens;
        private readonly int _length;
        private readonly int _stride;

        public TextDataset(TextOptions options, Tokenization text)
        {
            int[] tokens = text.Tokens;
            _tokens = tokens;
            _length = options.Length;
            _stride = options.Stride ?? options.Length;
            if (tokens.Length <= _length)
            {
                throw new InvalidDatasetException(
                    options.Path,
                    $"the part from {options.From} to {options.To} has {tokens.Length:N0} tokens, "
                    + $"too few for one window of {_length:N0} and the token after it",
                    "give more of the text, or a smaller length");
            }

            Source = options.Path;
            Count = ((tokens.Length - 1 - _length) / _stride) + 1;
            FeatureShape = Shape.Of(_length);
            Target = new TargetSchema.Class(text.Vocabulary)
            {
                Positions = _length,
                Tokenizer = text.Definition,
            };
        }

        public string Source { get; }

        public long Count { get; }

        public Shape FeatureShape { get; }

        public TargetSchema Target { get; }

        public ImmutableArray<string> FeatureNames => [];

        public void ReadFeatures(long sample, Span<float> destination) =>
            Read(checked((int)(sample * _stride)), destination);

        public void ReadTarget(long sample, Span<float> destination) =>
            Read(checked((int)(sample * _stride)) + 1, destination);

        public void Dispose()
        {
        }

        private void Read(int first, Span<float> destination)
        {
            ReadOnlySpan<int> window = _tokens.AsSpan(first, _length);
            for (int i = 0; i < window.Length; i++)
            {
                destination[i] = window[i];
            }
        }
    }
}
