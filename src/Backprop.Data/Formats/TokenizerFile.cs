using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Backprop.Data.Storage;
using Backprop.Data.Tokenizers;

namespace Backprop.Data.Formats;

/// <summary>
/// Reads vocabularies of byte pairs as Hugging Face's libraries keep them: a <c>tokenizer.json</c>,
/// or a <c>vocab.json</c> with its <c>merges.txt</c>. Where tokens are numbered in the order of
/// their merges, and texts are cut into words as GPT-2 does, the tokens alone say how a text is
/// encoded; of others the rest of the file is kept as well.
/// </summary>
internal static class TokenizerFile
{
    private const int MaxBytes = 64 << 20;
    private const int MaxTokens = 1 << 20;

    /// <summary>Reads a vocabulary.</summary>
    /// <param name="path">A <c>tokenizer.json</c> or <c>vocab.json</c>.</param>
    /// <param name="mergesPath">The merges of a <c>vocab.json</c>; else null.</param>
    /// <exception cref="InvalidDatasetException">It is none, or not of this kind.</exception>
    public static ITextTokenizer Read(string path, string? mergesPath)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(ReadAll(path));
            JsonElement root = document.RootElement;
            bool isWhole = root.ValueKind == JsonValueKind.Object
                && root.TryGetProperty("model", out JsonElement model)
                && model.ValueKind == JsonValueKind.Object;
            return isWhole
                ? ReadTokenizer(path, root, mergesPath)
                : ReadPair(path, root, mergesPath);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException
            or KeyNotFoundException or FormatException)
        {
            throw new InvalidDatasetException(
                path, $"it is no tokenizer: {e.Message}", TokenizerDefinition.Remedy, cause: e);
        }
    }

    private static ITextTokenizer ReadTokenizer(
        string path, JsonElement root, string? mergesPath)
    {
        if (mergesPath is not null)
        {
            throw Refused(path, "it has merges of its own, and others are named as well");
        }

        JsonElement model = root.GetProperty("model");
        Dictionary<string, int> tokens = TokensOf(path, model.GetProperty("vocab"));
        bool isOfGpt2 = IsOfGpt2(root, model)
            && OrderMistake(
                tokens,
                model.GetProperty("merges").EnumerateArray().Select(TokenizerDefinition.MergeOf))
                is null;
        if (root.TryGetProperty("added_tokens", out JsonElement added))
        {
            foreach (JsonElement token in added.EnumerateArray())
            {
                string content = token.GetProperty("content").GetString()!;
                tokens[isOfGpt2 ? ByteAlphabet.TextOf(Encoding.UTF8.GetBytes(content)) : content] =
                    token.GetProperty("id").GetInt32();
            }
        }

        ImmutableArray<string> numbered = Numbered(path, tokens);
        return isOfGpt2
            ? BytePairVocabulary.Of(path, numbered)
            : TokenizerDefinition.Read(path, root, numbered);
    }

    private static BytePairVocabulary ReadPair(
        string path, JsonElement root, string? mergesPath)
    {
        if (mergesPath is null)
        {
            throw Refused(path, "a vocabulary without 'model' needs its merges");
        }

        Dictionary<string, int> tokens = TokensOf(path, root);
        string[] lines = Encoding.UTF8.GetString(ReadAll(mergesPath)).Split('\n');
        IEnumerable<(string, string)> merges =
            from line in lines.Select(line => line.TrimEnd('\r'))
            where line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)
            select TokenizerDefinition.MergeOf(line);
        if (OrderMistake(tokens, merges) is { } mistake)
        {
            throw Refused(mergesPath, mistake);
        }

        return BytePairVocabulary.Of(path, Numbered(path, tokens));
    }

    private static bool IsOfGpt2(JsonElement root, JsonElement model)
    {
        bool isPlain = !root.TryGetProperty("normalizer", out JsonElement normalizer)
            || normalizer.ValueKind == JsonValueKind.Null;
        return isPlain && model.TryGetProperty("type", out JsonElement type)
            && type.GetString() == "BPE"
            && root.TryGetProperty("pre_tokenizer", out JsonElement words)
            && words.ValueKind == JsonValueKind.Object
            && words.GetProperty("type").GetString() == "ByteLevel"
            && !IsTrue(words, "add_prefix_space", false) && IsTrue(words, "use_regex", true)
            && !IsTrue(model, "ignore_merges", false) && !IsTrue(model, "byte_fallback", false);
    }

    private static bool IsTrue(JsonElement section, string key, bool otherwise) =>
        section.TryGetProperty(key, out JsonElement value) ? value.GetBoolean() : otherwise;

    private static Dictionary<string, int> TokensOf(string path, JsonElement vocabulary)
    {
        var tokens = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (JsonProperty token in vocabulary.EnumerateObject())
        {
            if (!tokens.TryAdd(token.Name, token.Value.GetInt32()))
            {
                throw Refused(path, $"the token {Quotation.Of(token.Name)} stands there twice");
            }
        }

        return tokens;
    }

    private static ImmutableArray<string> Numbered(string path, Dictionary<string, int> tokens)
    {
        var byNumber = new string?[tokens.Count];
        foreach ((string token, int number) in tokens)
        {
            if (number < 0 || number >= byNumber.Length || byNumber[number] is not null
                || tokens.Count > MaxTokens)
            {
                throw Refused(
                    path, $"its {tokens.Count:N0} tokens are not numbered from 0 on, or are too "
                    + "many");
            }

            byNumber[number] = token;
        }

        return [.. byNumber!];
    }

    // Null: tokens are numbered in the order in which they are merged.
    private static string? OrderMistake(
        Dictionary<string, int> tokens, IEnumerable<(string Left, string Right)> merges)
    {
        int last = -1;
        foreach ((string left, string right) in merges)
        {
            if (!tokens.TryGetValue(left + right, out int number))
            {
                return $"the merge {Quotation.Of(left + right)} is not in the vocabulary";
            }

            if (number <= last)
            {
                return $"the token {Quotation.Of(left + right)} has a lower number than one that "
                    + "is merged before it";
            }

            last = number;
        }

        return null;
    }

    private static byte[] ReadAll(string path)
    {
        using FileStream stream = DataFile.Open(path);
        if (stream.Length > MaxBytes)
        {
            throw Refused(path, $"it has {stream.Length:N0} bytes, more than {MaxBytes:N0}");
        }

        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    private static InvalidDatasetException Refused(string path, string problem) =>
        new(path, problem, TokenizerDefinition.Remedy);
}
