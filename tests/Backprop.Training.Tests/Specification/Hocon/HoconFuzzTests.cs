using Backprop.Engine.Randomness;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification.Hocon;

/// <summary>Whatever the text, the reader answers with a tree or with its own exception.</summary>
public sealed class HoconFuzzTests
{
    private const string Seed = """"
        # a run
        name = digits, seed = 42
        data { train { idx { images = "a/b.gz", labels = "c" } }, validation { fraction = 0.1 } }
        base { units = 128 }
        model = [ { flatten {} }, { dense = ${base} { activation = relu } } ]
        model = ${model} [ { dense { units = 10 } } ]
        optimizer.adam { learning-rate = 1e-3 }
        text = """three "quotes""" tail += ${?name}
        include "other.conf"
        list += 1, list += ${name}"/x"
        """";

    private static readonly string[] Pieces =
    [
        "{", "}", "[", "]", "=", ":", "+=", ",", "\n", " ", "#", "//", "\"", "\"\"\"", "${", "${?",
        "}", ".", "a", "b", "a.b", "\\u12", "\\", "null", "1e+", "-", "include ", "include \"a\"",
        "\r", "\t", "\uFEFF", "\0", "$", "?", "é", "\ud800", "${a}", "${b}", "${?a.b}",
    ];

    [Fact]
    public void Random_pieces_never_break_the_reader()
    {
        var random = new RandomStream(1, RandomPurpose.Generation);
        for (ulong sample = 0; sample < 4_000; sample++)
        {
            int length = (int)(random.Word(sample, 0) % 40);
            string text = string.Concat(
                Enumerable.Range(1, length)
                    .Select(i => Pieces[random.Word(sample, (ulong)i) % (uint)Pieces.Length]));
            ReadOrRefuse(text);
        }
    }

    [Fact]
    public void Mutations_of_a_run_never_break_the_reader()
    {
        var random = new RandomStream(2, RandomPurpose.Generation);
        for (ulong sample = 0; sample < 2_000; sample++)
        {
            string text = Seed;
            int edits = 1 + (int)(random.Word(sample, 0) % 4);
            for (int edit = 0; edit < edits; edit++)
            {
                int at = (int)(random.Word(sample, (ulong)(3 * edit) + 1) % (uint)text.Length);
                int cut = (int)(random.Word(sample, (ulong)(3 * edit) + 2) % 4);
                string piece =
                    Pieces[random.Word(sample, (ulong)(3 * edit) + 3) % (uint)Pieces.Length];
                text = text[..at] + piece + text[Math.Min(text.Length, at + cut)..];
            }

            ReadOrRefuse(text);
        }
    }

    [Fact]
    public void Every_prefix_of_a_run_is_read_or_refused()
    {
        for (int length = 0; length <= Seed.Length; length++)
        {
            ReadOrRefuse(Seed[..length]);
        }
    }

    private static void ReadOrRefuse(string text)
    {
        try
        {
            HoconReader.Read(
                text, "fuzz.conf",
                new TextsByName(("a", "b = ${?a}, include \"b\""), ("b", "a { b = 1 }")));
        }
        catch (SpecificationException refused)
        {
            Assert.NotEmpty(refused.Errors);
            Assert.All(refused.Errors, e => Assert.True(e.Position.Line >= 1, e.ToString()));
        }
    }
}
