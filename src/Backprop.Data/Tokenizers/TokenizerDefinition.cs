using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Backprop.Data.Formats;

namespace Backprop.Data.Tokenizers;

/// <summary>
/// What a <c>tokenizer.json</c> says of its tokens (huggingface/tokenizers). What is not understood
/// is refused by its name, since it would encode otherwise than the model expects that it was made
/// for.
/// </summary>
internal sealed class TokenizerDefinition
{
    /// <summary>What would be right instead of a file that is refused.</summary>
    public const string Remedy =
        "give a tokenizer.json of byte pairs, as those of GPT-2, Llama, Mistral, Gemma or Qwen";

    // What the definition is kept by; how texts are padded, cut, framed is a model's affair.
    private static readonly string[] s_kept =
        ["added_tokens", "normalizer", "pre_tokenizer", "decoder", "model"];

    private readonly string _source;
    private readonly JsonElement _root;

    private TokenizerDefinition(string source, JsonElement root)
    {
        _source = source;
        _root = root;
    }

    /// <summary>A tokenizer as a file says.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="root">Its content.</param>
    /// <param name="tokens">Its tokens by number.</param>
    /// <exception cref="InvalidDatasetException">It has what is not understood.</exception>
    public static TextTokenizer Read(string source, JsonElement root, ImmutableArray<string> tokens)
    {
        var kept = new JsonObject();
        foreach (string section in s_kept)
        {
            kept[section] = root.TryGetProperty(section, out JsonElement value)
                ? JsonNode.Parse(value.GetRawText())
                : null;
        }

        kept["model"]!.AsObject().Remove("vocab");
        return new TokenizerDefinition(source, root).Build(kept.ToJsonString(), tokens);
    }

    /// <summary>A tokenizer as it was stored.</summary>
    /// <param name="source">What it was stored with, for messages.</param>
    /// <param name="definition">See <see cref="ITextTokenizer.Definition"/>.</param>
    /// <param name="tokens">Its tokens by number.</param>
    /// <exception cref="InvalidDatasetException">It is none.</exception>
    public static TextTokenizer Restore(
        string source, string definition, ImmutableArray<string> tokens)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(definition);
            return new TokenizerDefinition(source, document.RootElement).Build(definition, tokens);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException
            or KeyNotFoundException or FormatException)
        {
            throw new InvalidDatasetException(
                source, $"it is no tokenizer: {e.Message}", Remedy, cause: e);
        }
    }

    /// <summary>The two tokens that a merge joins: <c>"Ġt he"</c>, or an array of them.</summary>
    public static (string Left, string Right) MergeOf(JsonElement merge) => merge switch
    {
        { ValueKind: JsonValueKind.String } => MergeOf(TextOf(merge)),
        { ValueKind: JsonValueKind.Array } when merge.GetArrayLength() == 2 =>
            (TextOf(merge[0]), TextOf(merge[1])),
        _ => throw new FormatException("a merge is not of two tokens"),
    };

    /// <summary>The two tokens that a merge joins.</summary>
    public static (string Left, string Right) MergeOf(string line) => line.Split(' ') is
        [string left, string right]
        ? (left, right)
        : throw new FormatException($"'{line}' is no merge of two tokens");

    private TextTokenizer Build(string definition, ImmutableArray<string> tokens)
    {
        var numbers = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int token = 0; token < tokens.Length; token++)
        {
            numbers[tokens[token]] = token;
        }

        JsonElement model = _root.GetProperty("model");
        return new TextTokenizer(
            _source, definition, tokens, [.. Added()],
            new TokenizerSteps(
                [.. Steps("normalizer", "normalizers", Normalizer)],
                [.. Steps("pre_tokenizer", "pretokenizers", Words)],
                [.. Decoders()]),
            new TokenMerges(numbers, Merges(model, numbers), Options(model, numbers)));
    }

    private IEnumerable<AddedToken> Added()
    {
        if (!_root.TryGetProperty("added_tokens", out JsonElement added)
            || added.ValueKind == JsonValueKind.Null)
        {
            yield break;
        }

        foreach (JsonElement token in added.EnumerateArray())
        {
            string content = TextOf(token.GetProperty("content"));
            string? flag = new[] { "single_word", "lstrip", "rstrip" }
                .FirstOrDefault(key => Flag(token, key, false));
            if (flag is not null || content.Length == 0)
            {
                throw Refused(
                    flag is null
                        ? "an added token is empty"
                        : $"the added token {Quotation.Of(content)} has {flag} = true");
            }

            bool isSpecial = Flag(token, "special", false);
            yield return new AddedToken(
                content, token.GetProperty("id").GetInt32(),
                Flag(token, "normalized", !isSpecial));
        }
    }

    // A section, or those of a sequence one after the other.
    private IEnumerable<T> Steps<T>(string section, string members, Func<JsonElement, T> read) =>
        _root.TryGetProperty(section, out JsonElement value)
            ? Steps(value, members, read)
            : [];

    private static IEnumerable<T> Steps<T>(
        JsonElement section, string members, Func<JsonElement, T> read)
    {
        if (section.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        return TypeOf(section) == "Sequence"
            ? section.GetProperty(members).EnumerateArray()
                .SelectMany(member => Steps(member, members, read))
            : [read(section)];
    }

    private Func<string, string> Normalizer(JsonElement section)
    {
        switch (TypeOf(section))
        {
            case "Prepend":
                return TextSteps.Prepend(TextOf(section.GetProperty("prepend")));
            case "Replace":
                TokenPattern pattern = Pattern(section);
                string content = TextOf(section.GetProperty("content"));
                return text => pattern.Replace(text, content);
            case "NFC":
                return TextSteps.RequireFormC(_source);
            default:
                throw Unknown("normalizer", section);
        }
    }

    private Func<TextPiece, IEnumerable<TextPiece>> Words(JsonElement section)
    {
        switch (TypeOf(section))
        {
            case "ByteLevel":
                return TextSteps.ByteLevel(
                    Flag(section, "add_prefix_space", true), Flag(section, "use_regex", true));
            case "Metaspace":
                return TextSteps.Metaspace(
                    ReplacementOf(section), PrependScheme(section), Flag(section, "split", true));
            case "Digits":
                return TextSteps.Digits(_source, Flag(section, "individual_digits", false));
            case "Split":
                string behaviour = TextOf(section.GetProperty("behavior"));
                return TextSteps.Cut(
                    Pattern(section),
                    Enum.TryParse(behaviour, out CutBehaviour cut) && Enum.IsDefined(cut)
                        ? cut
                        : throw Refused($"its pre_tokenizer splits with behavior {behaviour}"),
                    Flag(section, "invert", false));
            default:
                throw Unknown("pre_tokenizer", section);
        }
    }

    private IEnumerable<DecoderStep> Decoders() =>
        !_root.TryGetProperty("decoder", out JsonElement decoder)
        || decoder.ValueKind == JsonValueKind.Null
            ? [DecoderSteps.Spaced]
            : Steps(decoder, "decoders", Decoder);

    private DecoderStep Decoder(JsonElement section)
    {
        switch (TypeOf(section))
        {
            case "ByteLevel":
                return DecoderSteps.ByteLevel;
            case "ByteFallback":
                return DecoderSteps.ByteFallback;
            case "Fuse":
                return DecoderSteps.Fuse;
            case "Metaspace":
                return DecoderSteps.Metaspace(
                    ReplacementOf(section), PrependScheme(section) != "never");
            case "Replace":
                return DecoderSteps.Replace(
                    Pattern(section), TextOf(section.GetProperty("content")));
            case "Strip" when section.GetProperty("content").GetString() is [char content]:
                return DecoderSteps.Strip(
                    content, section.GetProperty("start").GetInt32(),
                    section.GetProperty("stop").GetInt32());
            default:
                throw Unknown("decoder", section);
        }
    }

    private Dictionary<(int Left, int Right), (int Rank, int Token)> Merges(
        JsonElement model, Dictionary<string, int> numbers)
    {
        JsonElement list = model.GetProperty("merges");
        var merges = new Dictionary<(int, int), (int, int)>(list.GetArrayLength());
        int rank = 0;
        foreach (JsonElement merge in list.EnumerateArray())
        {
            (string left, string right) = MergeOf(merge);
            string? stranger = new[] { left, right, left + right }
                .FirstOrDefault(token => !numbers.ContainsKey(token));
            if (stranger is not null)
            {
                throw Refused(
                    $"the merge {Quotation.Of(left + right)} is not in the vocabulary, or "
                    + $"{Quotation.Of(stranger)} is not");
            }

            merges[(numbers[left], numbers[right])] = (rank++, numbers[left + right]);
        }

        return merges;
    }

    private MergeOptions Options(JsonElement model, Dictionary<string, int> numbers)
    {
        if (TypeOf(model) is not ("BPE" or null))
        {
            throw Refused("its model is not BPE");
        }

        string[] others = ["dropout", "continuing_subword_prefix", "end_of_word_suffix"];
        string? other = others.FirstOrDefault(
            key => model.TryGetProperty(key, out JsonElement value)
                && value.ValueKind != JsonValueKind.Null
                && !(value.ValueKind == JsonValueKind.String && TextOf(value).Length == 0));
        if (other is not null)
        {
            throw Refused($"its model has {other}");
        }

        int? unknown = null;
        if (model.TryGetProperty("unk_token", out JsonElement name)
            && name.ValueKind != JsonValueKind.Null)
        {
            unknown = numbers.TryGetValue(TextOf(name), out int number)
                ? number
                : throw Refused($"its unk_token {Quotation.Of(TextOf(name))} is no token");
        }

        return new MergeOptions
        {
            IgnoresMerges = Flag(model, "ignore_merges", false),
            FallsBackToBytes = Flag(model, "byte_fallback", false),
            JoinsUnknown = Flag(model, "fuse_unk", false),
            Unknown = unknown,
        };
    }

    private TokenPattern Pattern(JsonElement section)
    {
        JsonElement pattern = section.GetProperty("pattern");
        if (pattern.TryGetProperty("String", out JsonElement text))
        {
            return TokenPattern.Literal(_source, TextOf(text));
        }

        return TokenPattern.Expression(_source, TextOf(pattern.GetProperty("Regex")));
    }

    private static string TextOf(JsonElement value) =>
        value.GetString() ?? throw new FormatException("a text is null");

    private static string ReplacementOf(JsonElement section) =>
        TextOf(section.GetProperty("replacement"));

    // Earlier versions had a flag in its place.
    private static string PrependScheme(JsonElement section) =>
        section.TryGetProperty("prepend_scheme", out JsonElement scheme)
            ? TextOf(scheme)
            : Flag(section, "add_prefix_space", true) ? "always" : "never";

    private static bool Flag(JsonElement section, string key, bool otherwise) =>
        section.TryGetProperty(key, out JsonElement value)
        && value.ValueKind != JsonValueKind.Null
            ? value.GetBoolean()
            : otherwise;

    private static string? TypeOf(JsonElement section) =>
        section.TryGetProperty("type", out JsonElement type) ? type.GetString() : null;

    private InvalidDatasetException Unknown(string kind, JsonElement section) =>
        Refused($"its {kind} {TypeOf(section)} is not read");

    private InvalidDatasetException Refused(string problem) => new(_source, problem, Remedy);
}
