using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Backprop.Data.Formats;
using Backprop.Data.Tokenizers;

namespace Backprop.Data.Tests.Formats;

/// <summary>A <c>tokenizer.json</c> encodes as in the library that it was written for. The
/// fixture is Hugging Face's own results: tools/fixtures/Tokenizers.cs.</summary>
public sealed class TokenizerTests : IDisposable
{
    private static readonly Lazy<JsonArray> s_cases = new(
        () => JsonNode.Parse(File.ReadAllText(TableSyntaxTests.Fixture("tokenizers.json")))!
            .AsArray());

    private readonly DataFolder _folder = new();

    public static TheoryData<string> Kinds =>
        [.. s_cases.Value.Select(one => (string)one!["name"]!)];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void TextsAreTakenApartAndPutTogetherAsInHuggingFacesLibrary(string kind)
    {
        (ITextTokenizer read, JsonArray samples) = Read(kind);
        ITextTokenizer restored = TextFormat.Tokenizer(
            TextTokens.BytePairs, read.Tokens, read.Definition);
        foreach (ITextTokenizer tokenizer in new[] { read, restored })
        {
            foreach (JsonNode? sample in samples)
            {
                string text = (string)sample!["text"]!;
                int[] expected = [.. sample["tokens"]!.AsArray().Select(token => (int)token!)];
                Assert.Equal(Shown(text, expected), Shown(text, tokenizer.Encode(text)));
                string withoutSpecial = tokenizer.Decode(
                    expected.Where(token => !IsSpecial(tokenizer, token)));
                Assert.Equal((text, (string)sample["decoded"]!), (text, withoutSpecial));
            }
        }
    }

    [Fact]
    public void WhatGoesOnKeepsTheBlankThatATextWouldLose()
    {
        (ITextTokenizer tokenizer, _) = Read("llama-2");
        ImmutableArray<int> tokens = tokenizer.Encode("low new");
        ImmutableArray<int> prompt = tokenizer.Encode("low");
        Assert.Equal(" new", tokenizer.Decode(tokens.Skip(prompt.Length), isStart: false));
        Assert.Equal("low new", tokenizer.Decode(tokens));
    }

    [Fact]
    public void ATextIsEncodedByTheDefinitionOfItsTrainingText()
    {
        string file = _folder.Write(
            "tokenizer.json", CaseOf("llama-2")["tokenizer"]!.ToJsonString());
        var options = new TextOptions
        {
            Path = _folder.Write("text.txt", "lowest newest lower widest"),
            Tokens = TextTokens.BytePairs,
            Length = 4,
            BytePairs = new BytePairSource.File(file),
        };
        using IDataset train = TextFormat.Open(options);
        var target = Assert.IsType<TargetSchema.Class>(train.Target);
        File.Delete(file);
        using IDataset following = TextFormat.Open(options with
        {
            Path = _folder.Write("other.txt", "newest lowest 日 lower"),
            Vocabulary = target.Classes,
            Tokenizer = target.Tokenizer,
        });
        DatasetSchema.RequireEqual(train, following);
        Assert.Equal("▁newest", target.Classes[(int)following.Features(0)[0]]);
    }

    [Theory]
    [InlineData("""{"type":"Lowercase"}""", null, "its normalizer Lowercase is not read")]
    [InlineData("""{"type":"NFKC"}""", null, "its normalizer NFKC is not read")]
    [InlineData(null, """{"type":"BertPreTokenizer"}""",
        "its pre_tokenizer BertPreTokenizer is not read")]
    [InlineData(null, """{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Isolated"}""",
        "its regular expression '\\w+' has \\w, which is not read")]
    [InlineData(null, """{"type":"Split","pattern":{"Regex":"[a[b]]"},"behavior":"Isolated"}""",
        "has a set within a set, which is not read")]
    [InlineData(null, """{"type":"Split","pattern":{"Regex":"a++"},"behavior":"Isolated"}""",
        "its regular expression is not read: ")]
    [InlineData(null, """{"type":"Split","pattern":{"Regex":"a"},"behavior":"Nowhere"}""",
        "its pre_tokenizer splits with behavior Nowhere")]
    public void StepsThatAreNotKnownAreRefusedByName(
        string? normalizer, string? words, string expected)
    {
        JsonNode tokenizer = CaseOf("llama-3")["tokenizer"]!.DeepClone();
        tokenizer["normalizer"] = normalizer is null ? null : JsonNode.Parse(normalizer);
        tokenizer["pre_tokenizer"] = words is null ? null : JsonNode.Parse(words);
        Refuses(expected, tokenizer);
    }

    [Theory]
    [InlineData("dropout", "0.1", "its model has dropout")]
    [InlineData("end_of_word_suffix", "\"</w>\"", "its model has end_of_word_suffix")]
    [InlineData("unk_token", "\"?what?\"", "its unk_token '?what?' is no token")]
    [InlineData("type", "\"WordPiece\"", "its model is not BPE")]
    [InlineData("merges", "[\"q q\"]", "the merge 'qq' is not in the vocabulary")]
    [InlineData("merges", "7", "it is no tokenizer")]
    public void ModelsThatAreNotKnownAreRefusedByName(string key, string value, string expected)
    {
        JsonNode tokenizer = CaseOf("llama-2")["tokenizer"]!.DeepClone();
        tokenizer["model"]![key] = JsonNode.Parse(value);
        Refuses(expected, tokenizer);
    }

    [Theory]
    [InlineData("single_word")]
    [InlineData("lstrip")]
    [InlineData("rstrip")]
    public void AddedTokensThatTakeWhatIsBesideThemAreRefused(string flag)
    {
        JsonNode tokenizer = CaseOf("llama-2")["tokenizer"]!.DeepClone();
        tokenizer["added_tokens"]![0]![flag] = true;
        Refuses($"the added token '<unk>' has {flag} = true", tokenizer);
    }

    // Exponential in the letters: every way to part them is tried.
    [Fact]
    public void AnExpressionWithoutEndIsRefused()
    {
        JsonNode tokenizer = CaseOf("llama-3")["tokenizer"]!.DeepClone();
        tokenizer["pre_tokenizer"] = JsonNode.Parse(
            """{"type":"Split","pattern":{"Regex":"(aa|a)*\\P{L}"},"behavior":"Isolated"}""");
        ITextTokenizer read = ReadFile(tokenizer);
        var refused = Assert.Throws<InvalidDatasetException>(
            () => read.Encode(new string('a', 60)));
        Assert.Contains("takes more than 2 s", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatNoTokenStandsForIsRefused()
    {
        JsonNode tokenizer = CaseOf("llama-2")["tokenizer"]!.DeepClone();
        tokenizer["model"]!["byte_fallback"] = false;
        tokenizer["model"]!["unk_token"] = null;
        var refused = Assert.Throws<InvalidDatasetException>(
            () => ReadFile(tokenizer).Encode("low é"));
        Assert.Contains(
            "the text has 'é', for which there is no token", refused.Message,
            StringComparison.Ordinal);
    }

    // NFC of these is another text, by the Unicode Character Database; of the others it is not.
    [Theory]
    [InlineData("e\u0301", true)]
    [InlineData("\u212B", true)]
    [InlineData("\uAC00\u11A8", true)]
    [InlineData("grün é 日本 𝐀 ½", false)]
    public void ATextThatNfcMayChangeIsRefused(string text, bool isRefused)
    {
        JsonNode tokenizer = CaseOf("llama-3")["tokenizer"]!.DeepClone();
        tokenizer["normalizer"] = JsonNode.Parse("""{"type":"NFC"}""");
        ITextTokenizer read = ReadFile(tokenizer);
        if (isRefused)
        {
            Assert.Contains(
                "its normalizer is NFC",
                Assert.Throws<InvalidDatasetException>(() => read.Encode(text)).Message,
                StringComparison.Ordinal);
        }
        else
        {
            Assert.Equal(text, read.Decode(read.Encode(text)));
        }
    }

    [Fact]
    public void DamagedTokenizersAreReadOrRefused()
    {
        byte[] valid = Encoding.UTF8.GetBytes(
            CaseOf("llama-3")["tokenizer"]!.ToJsonString());
        var random = new Random(20_261_130);
        int refused = 0;
        const int Mutants = 300;
        for (int i = 0; i < Mutants; i++)
        {
            string path = _folder.Write("mutant.json", Mutations.Of(valid, random));
            try
            {
                TokenizerFile.Read(path, null).Encode("The lowest 123");
            }
            catch (InvalidDatasetException e)
            {
                Assert.NotEmpty(e.Message);
                refused++;
            }
        }

        Assert.InRange(refused, Mutants / 4, Mutants);
    }

    private static string Shown(string text, IEnumerable<int> tokens) =>
        $"{text}: {string.Join(' ', tokens)}";

    private static bool IsSpecial(ITextTokenizer tokenizer, int token) =>
        tokenizer.Tokens[token] is "<unk>" or "<s>" or "</s>" or "<|end|>";

    private static JsonNode CaseOf(string kind) =>
        s_cases.Value.Single(one => (string)one!["name"]! == kind)!;

    private (ITextTokenizer Tokenizer, JsonArray Samples) Read(string kind)
    {
        JsonNode one = CaseOf(kind);
        return (ReadFile(one["tokenizer"]!), one["samples"]!.AsArray());
    }

    private ITextTokenizer ReadFile(JsonNode tokenizer) => TokenizerFile.Read(
        _folder.Write("tokenizer.json", tokenizer.ToJsonString()), null);

    private void Refuses(string expected, JsonNode tokenizer) => Assert.Contains(
        expected,
        Assert.Throws<InvalidDatasetException>(() => ReadFile(tokenizer)).Message,
        StringComparison.Ordinal);
}
