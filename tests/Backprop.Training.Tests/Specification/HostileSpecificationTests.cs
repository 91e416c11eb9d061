using System.Globalization;
using System.Text;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification;

/// <summary>Specifications of strangers: what they may name, and what they may not do.</summary>
public sealed class HostileSpecificationTests
{
    private const int UsualCases = 2_000;
    private const int Seed = 20261129;

    [Fact]
    public void A_file_that_may_not_be_named_is_refused_by_its_key_and_place()
    {
        const string text = """
            name = x
            data {
              train { idx { images = [a.gz, "/etc/shadow"], labels = [b.gz, ../c.gz] } }
              test { idx { images = d.gz, labels = "/etc/passwd" } }
            }
            model = [ { dense { units = 2 } } ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 0.01 } }
            epochs = 1
            """;
        var mistakes = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            text, "x.conf", fileRefusal: file =>
                file.StartsWith('/') || file.StartsWith("..") ? $"not {file}" : null));
        Assert.Equal(
            [
                "x.conf:3:33: data.train.idx.images[1]: not /etc/shadow",
                "x.conf:3:65: data.train.idx.labels[1]: not ../c.gz",
                "x.conf:4:40: data.test.idx.labels: not /etc/passwd",
            ],
            mistakes.Errors.Select(error => error.ToString()));
        Assert.Equal("x", RunSpecificationReader.Read(text, "x.conf").Name);
    }

    [Fact]
    public void Whatever_it_says_it_is_read_or_refused()
    {
        int cases = int.TryParse(
            Environment.GetEnvironmentVariable("BACKPROP_FUZZ_CASES"), NumberStyles.None,
            CultureInfo.InvariantCulture, out int asked) ? asked : UsualCases;
        byte[][] originals =
        [
            .. Directory.GetFiles(
                    Path.Combine(RepositoryPaths.Root, "hocon", "runs"), "*.conf",
                    SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal).Select(File.ReadAllBytes),
        ];
        var random = new Random(Seed);
        int read = 0;
        for (int i = 0; i < cases; i++)
        {
            string text = Encoding.UTF8.GetString(
                Mutations.Of(originals[random.Next(originals.Length)], random));
            try
            {
                RunSpecificationReader.Read(text, "fuzzed");
                read++;
            }
            catch (SpecificationException refusal)
            {
                Assert.NotEmpty(refusal.Errors);
            }
            catch (Exception crash)
            {
                Assert.Fail($"case {i}: {crash}\n{text}");
            }
        }

        // Both ends of the road are seen.
        Assert.InRange(read, 1, cases - 1);
    }

    [Theory]
    [InlineData("a = ", "[")]
    [InlineData("a = ", "{a:")]
    [InlineData("a = ", "${")]
    [InlineData("", "a{")]
    [InlineData("", "a.")]
    public void Nesting_ends_before_the_stack_does(string begin, string piece)
    {
        string text = begin + string.Concat(Enumerable.Repeat(piece, 100_000));
        Assert.Throws<SpecificationException>(() => HoconReader.Read(text, "deep"));
    }

    [Fact]
    public void Little_does_not_become_much()
    {
        var text = new StringBuilder("a0 = [x, x, x, x, x, x, x, x]\n");
        for (int i = 1; i < 40; i++)
        {
            text.Append($"a{i} = ${{a{i - 1}}} ${{a{i - 1}}} ${{a{i - 1}}} ${{a{i - 1}}}\n");
        }

        Assert.Throws<SpecificationException>(() => HoconReader.Read(text.ToString(), "bomb"));
    }
}
