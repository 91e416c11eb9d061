using System.Collections.Immutable;
using System.Text;
using Backprop.Data.Batches;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Data.Tokenizers;
using Backprop.Engine;
using Backprop.Engine.Networks;

namespace Backprop.Data.Tests.Formats;

/// <summary>Texts become windows of tokens, by a vocabulary of the training part.</summary>
public sealed class TextFormatTests : IDisposable
{
    private readonly string _folder =
        Directory.CreateTempSubdirectory("backprop-text-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Windows_follow_each_other_and_targets_are_the_tokens_that_follow()
    {
        using IDataset text = Open("abcabcab", new() { Path = "", Length = 3 });
        Assert.Equal(Shape.Of(3), text.FeatureShape);
        var target = Assert.IsType<TargetSchema.Class>(text.Target);
        Assert.Equal([TextFormat.Unknown, "a", "b", "c"], target.Classes.ToArray());
        Assert.Equal((3, 3), (target.Positions, target.Width));
        Assert.Equal(2, text.Count);
        AssertSample([1, 2, 3], [2, 3, 1], text, 0);
        AssertSample([1, 2, 3], [2, 3, 1], text, 1);
    }

    [Theory]
    [InlineData(3, null, 2)]
    [InlineData(3, 1, 5)]
    [InlineData(3, 2, 3)]
    [InlineData(7, null, 1)]
    public void Windows_end_where_the_last_token_has_none_after_it(
        int length, int? stride, long count)
    {
        using IDataset text = Open(
            "abcabcab", new() { Path = "", Length = length, Stride = stride });
        Assert.Equal(count, text.Count);
        Assert.All(text.Targets(count - 1), token => Assert.InRange(token, 1, 3));
    }

    [Fact]
    public void A_validation_part_is_read_by_the_vocabulary_of_the_training_part()
    {
        string path = Write("xyxyxyxyZy");
        var opener = new DataSourceOpener();
        using IDataset train = opener.Open(
            new DataSource.Text(new() { Path = path, Length = 2, To = 0.8 }), train: null);
        using IDataset validation = opener.Open(
            new DataSource.Text(new() { Path = path, Length = 1, From = 0.8 }), train);
        Assert.Equal(
            [TextFormat.Unknown, "x", "y"],
            validation.Classes());
        AssertSample([0], [2], validation, 0);
    }

    [Fact]
    public void Characters_are_scalar_values_and_bytes_are_bytes()
    {
        using IDataset characters = Open("a—🐳a", new() { Path = "", Length = 3 });
        Assert.Equal(
            [TextFormat.Unknown, "a", "—", "🐳"],
            characters.Classes());
        AssertSample([1, 2, 3], [2, 3, 1], characters, 0);
        using IDataset bytes =
            Open("a—", new() { Path = "", Length = 3, Tokens = TextTokens.Bytes });
        Assert.Equal(256, Assert.IsType<TargetSchema.Class>(bytes.Target).Classes.Length);
        AssertSample([0x61, 0xE2, 0x80], [0xE2, 0x80, 0x94], bytes, 0);
    }

    [Theory]
    [InlineData("hello — whale", TextTokens.Bytes)]
    [InlineData("hello — whale", TextTokens.Characters)]
    public void Tokens_are_read_back_as_the_text(string text, TextTokens tokens)
    {
        using IDataset dataset = Open(text, new() { Path = "", Length = 3, Tokens = tokens });
        ImmutableArray<string> vocabulary =
            Assert.IsType<TargetSchema.Class>(dataset.Target).Classes;
        ITextTokenizer tokenizer = TextFormat.Tokenizer(tokens, vocabulary, null);
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.Equal(
            tokens == TextTokens.Characters ? 0 : 'Z', tokenizer.Encode("Z")[0]);
    }

    [Fact]
    public void What_is_no_text_or_too_short_is_refused_with_its_place()
    {
        string path = Path.Combine(_folder, "bytes");
        File.WriteAllBytes(path, [.. "abc"u8, 0xFF, .. "def"u8]);
        InvalidDatasetException error = Assert.Throws<InvalidDatasetException>(
            () => TextFormat.Open(new() { Path = path, Length = 2 }));
        Assert.Contains("byte 3: here it is no UTF-8", error.Message);
        error = Assert.Throws<InvalidDatasetException>(() => Open("abcd", new() { Path = "" }));
        Assert.Contains("has 4 tokens, too few for one window of 128", error.Message);
        Assert.Throws<ArgumentException>(
            () => Open("abcd", new() { Path = "", From = 0.5, To = 0.5 }));
        Assert.Throws<ArgumentException>(() => Open("abcd", new() { Path = "", Length = 0 }));
    }

    [Fact]
    public void Batches_have_a_class_at_every_position()
    {
        using IDataset text = Open("abcabcabcabc", new() { Path = "", Length = 3 });
        var loader = BatchLoader.Sequential(text, 2, TargetEncoding.ClassIndex);
        using Batch batch = loader.NewBatch(2);
        loader.Load(0, 0, 2, batch);
        Assert.Equal((3, 3), (batch.FeatureWidth, batch.TargetWidth));
        Assert.Equal([2, 3, 1, 2, 3, 1], batch.Targets.Span.ToArray());
        Assert.Equal<long>([0, 3, 3, 3], [.. ClassCounts.Of(text)]);
        Assert.Throws<InvalidDatasetException>(
            () => BatchLoader.Sequential(text, 2, TargetEncoding.OneHot));
        Assert.Throws<InvalidDatasetException>(
            () => ValidationSplit.Of(text, 1, 0.5, stratified: true));
    }

    private static void AssertSample(
        float[] features, float[] targets, IDataset dataset, long sample)
    {
        Assert.Equal(features, dataset.Features(sample));
        Assert.Equal(targets, dataset.Targets(sample));
    }

    private IDataset Open(string text, TextOptions options) =>
        TextFormat.Open(options with { Path = Write(text) });

    private string Write(string text)
    {
        string path = Path.Combine(_folder, "text");
        File.WriteAllText(path, text, new UTF8Encoding(false));
        return path;
    }
}
