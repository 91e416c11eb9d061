using System.Text.Json;
using Backprop.Data.Formats;
using Backprop.Data.Tokenizers;

namespace Backprop.Data.Tests.Formats;

/// <summary>Byte pair encoding, held to a case that is worked by hand.</summary>
public sealed class BytePairTests : IDisposable
{
    // The example of Sennrich et al., section 3.2, as words with the blank before them.
    private const string Text =
        "low low low low low lower lower newest newest newest newest newest newest "
        + "widest widest widest";

    // By hand: "es" and "st" occur 9 times, and "es" has the lower numbers; then "es"+"t", 9;
    // "l"+"o" before "o"+"w", 7; "lo"+"w", 7. Of those that occur 6 times the blank comes first,
    // with "n" before "low"; then "e"+"w", which leaves the blank's "n" and "ew", and at last
    // "est".
    private static readonly string[] s_found =
        ["es", "est", "lo", "low", "Ġn", "Ġlow", "ew", "Ġnew", "Ġnewest"];

    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PairsAreFoundAsWorkedByHand()
    {
        BytePairVocabulary vocabulary = Found(256 + s_found.Length);
        Assert.Equal(s_found, vocabulary.Tokens.Skip(256));
        Assert.Equal("Ġ", vocabulary.Tokens[' ']);
        Assert.Equal(["Ġlow", "est"], Encoded(vocabulary, " lowest"));
        Assert.Equal(["n", "ew", "est"], Encoded(vocabulary, "newest"));
        Assert.Equal(
            ["low", "Ġ", "w", "i", "d", "est", ".", "Ċ"], Encoded(vocabulary, "low widest.\n"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("low lower newest")]
    [InlineData("  don't   stop\r\n\n42 1st – grün, 日本 🙂\t\u0000\u00AD")]
    public void WhatIsEncodedIsDecodedAgain(string text)
    {
        BytePairVocabulary vocabulary = Found(265);
        Assert.Equal(text, vocabulary.Decode(vocabulary.Encode(text)));
    }

    [Fact]
    public void NoPairIsMadeOfWhatOccursOnce()
    {
        Assert.Equal(
            ["ab"], BytePairTraining.Tokens("ab ab xy", 300).AsEnumerable().Skip(256).Take(1));
        Assert.Equal(256, BytePairTraining.Tokens("abc", 300).Length);
        Assert.Equal(256, BytePairTraining.Tokens("", 300).Length);
    }

    // Five letters are two pairs and one; then "aa" with "a" is as frequent as with "aa", and
    // lower.
    [Fact]
    public void RepeatedLettersAreJoinedFromTheLeft()
    {
        var vocabulary = BytePairVocabulary.Of("test", BytePairTraining.Tokens("aaaaa aaaaa", 258));
        Assert.Equal(["aa", "aaa"], vocabulary.Tokens.Skip(256));
        Assert.Equal(["aa", "aa", "aaa"], Encoded(vocabulary, "aaaaaaa"));
    }

    [Fact]
    public void ATextIsWindowsOfTokensAndItsVocabularyThatOfTheTrainingPart()
    {
        string path = _folder.Write("text.txt", Text);
        var options = new TextOptions
        {
            Path = path, Tokens = TextTokens.BytePairs, Length = 3,
            BytePairs = new BytePairSource.Found(265),
        };
        using IDataset text = TextFormat.Open(options);
        string[] tokens = text.Classes();
        Assert.Equal(265, tokens.Length);
        Assert.Equal(["low", "Ġlow", "Ġlow"], text.Features(0).Select(t => tokens[(int)t]));
        Assert.Equal(["Ġlow", "Ġlow", "Ġlow"], text.Targets(0).Select(t => tokens[(int)t]));

        string other = _folder.Write("other.txt", "lowest newest xyz");
        using IDataset following = TextFormat.Open(
            options with { Path = other, Vocabulary = [.. tokens] });
        Assert.Equal(["low", "est", "Ġnewest"], following.Features(0).Select(t => tokens[(int)t]));
        ITextTokenizer stored = TextFormat.Tokenizer(TextTokens.BytePairs, [.. tokens], null);
        Assert.Equal("lowest new", stored.Decode(stored.Encode("lowest new")));
    }

    [Fact]
    public void TokenizersOfHuggingFaceAreRead()
    {
        (Dictionary<string, int> vocabulary, string[] merges) = Gpt2Like();
        string whole = _folder.Write("tokenizer.json", Tokenizer(vocabulary, merges));
        string pairs = _folder.Write("vocab.json", JsonSerializer.Serialize(vocabulary));
        string lines = _folder.Write(
            "merges.txt", "#version: 0.2\n" + string.Join('\n', merges) + "\n");
        foreach (ITextTokenizer read in
            new[] { TokenizerFile.Read(whole, null), TokenizerFile.Read(pairs, lines) })
        {
            Assert.Equal(["Ġlow", "est"], Encoded(read, " lowest"));
            Assert.Null(read.Definition);
            Assert.Equal(vocabulary["Ġlow"], read.Encode(" lowest")[0]);
            Assert.Equal("lowest ü", read.Decode(read.Encode("lowest ü")));
        }

        Assert.Equal("<|end of text|>", TokenizerFile.Read(whole, null).Decode([265]));
    }

    [Fact]
    public void TokenizersThatWouldEncodeOtherwiseAreRefused()
    {
        (Dictionary<string, int> vocabulary, string[] merges) = Gpt2Like();
        string whole = Tokenizer(vocabulary, merges);
        Refuses("its model is not BPE", whole.Replace("\"BPE\"", "\"Unigram\""));
        Refuses("its normalizer NFD is not read",
            whole.Replace("\"normalizer\":null", "\"normalizer\":{\"type\":\"NFD\"}"));
        Refuses("its pre_tokenizer Whitespace is not read",
            whole.Replace("\"ByteLevel\"", "\"Whitespace\""));
        Refuses("the merge 'xq' is not in the vocabulary",
            Tokenizer(vocabulary, [.. merges, "x q"]));
        Refuses("it is no tokenizer", Tokenizer(vocabulary, [.. merges, "x q z"]));
        Refuses("are not numbered from 0 on", whole.Replace("\"!\":0", "\"!\":25600"));
        Refuses("it is no tokenizer", whole[..^20]);
        Refuses("it is no tokenizer", whole.Replace("\"vocab\"", "\"words\""));
        Refuses("a vocabulary without 'model' needs its merges", "{}");
        vocabulary.Remove("!");
        vocabulary.Add("\u65E5", 0);
        Refuses("is not written in GPT-2's characters", Tokenizer(vocabulary, merges));
        vocabulary.Remove("\u65E5");
        vocabulary.Add("!!", 0);
        Refuses("the byte 0x21 has no token", Tokenizer(vocabulary, merges));
    }

    // The pair says nothing of words, and is taken for GPT-2's, whose numbers are in this order.
    [Fact]
    public void APairOfFilesInAnotherOrderIsRefused()
    {
        (Dictionary<string, int> vocabulary, string[] merges) = Gpt2Like();
        string pairs = _folder.Write("vocab.json", JsonSerializer.Serialize(vocabulary));
        string lines = _folder.Write(
            "merges.txt", string.Join('\n', merges[0], merges[1], merges[3], merges[2]));
        Assert.Contains(
            "the token 'lo' has a lower number",
            Assert.Throws<InvalidDatasetException>(() => TokenizerFile.Read(pairs, lines)).Message,
            StringComparison.Ordinal);
    }

    /// <summary>The tokens found, the bytes numbered as GPT-2 does: those that are seen first.
    /// </summary>
    private static (Dictionary<string, int> Vocabulary, string[] Merges) Gpt2Like()
    {
        string[] bytes =
        [
            .. Enumerable.Range(0, 256).Select(value => ByteAlphabet.TextOf([(byte)value]))
                .OrderBy(text => text[0] >= 0x100).ThenBy(text => text, StringComparer.Ordinal),
        ];
        string[] merges =
        [
            "e s", "es t", "l o", "lo w", "Ġ n", "Ġ low", "e w", "Ġn ew", "Ġnew est",
        ];
        return (
            bytes.Concat(s_found).Select((token, number) => (token, number))
                .ToDictionary(e => e.token, e => e.number),
            merges);
    }

    private static string Tokenizer(Dictionary<string, int> vocabulary, string[] merges) =>
        JsonSerializer.Serialize(new
        {
            version = "1.0",
            added_tokens = new[] { new { id = vocabulary.Count, content = "<|end of text|>" } },
            normalizer = (string?)null,
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            model = new { type = "BPE", vocab = vocabulary, merges },
        });

    private static BytePairVocabulary Found(int size) =>
        BytePairVocabulary.Of("test", BytePairTraining.Tokens(Text, size));

    private static string[] Encoded(ITextTokenizer vocabulary, string text) =>
        [.. vocabulary.Encode(text).Select(token => vocabulary.Tokens[token])];

    private void Refuses(string expected, string json)
    {
        string path = _folder.Write("bad.json", json);
        Assert.Contains(
            expected,
            Assert.Throws<InvalidDatasetException>(() => TokenizerFile.Read(path, null)).Message,
            StringComparison.Ordinal);
    }
}
