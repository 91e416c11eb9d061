using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification.Hocon;

/// <summary>The rules of HOCON.md, by its sections.</summary>
public sealed class HoconReaderTests
{
    [Theory]
    [InlineData("", "{}")]
    [InlineData("{}", "{}")]
    [InlineData("a = 1", "{a:<1> }")]
    [InlineData("{ a : 1 }", "{a:<1> }")]
    [InlineData("{ a : 1 }\n# the end", "{a:<1> }")]
    [InlineData("\uFEFFa = 1\r\nb = 2\r\n", "{a:<1> b:<2> }")]
    [InlineData("a = 1 # one\n// two\nb = 2 // three", "{a:<1> b:<2> }")]
    [InlineData("a {\n b = 1 }", "{a:{b:<1> } }")]
    [InlineData("a = \n 1", "{a:<1> }")]
    [InlineData("a = 1, b = 2,\n", "{a:<1> b:<2> }")]
    [InlineData("a = [1, 2\n 3,]", "{a:[<1> <2> <3> ] }")]
    [InlineData("a = [\n 1\n ,2\n]", "{a:[<1> <2> ] }")]
    [InlineData("a = []", "{a:[] }")]
    public void Structure_is_read_with_its_liberties(string text, string expected) =>
        Assert.Equal(expected, HoconTexts.Flat(text));

    [Theory]
    [InlineData("a = null", "{a:null }")]
    [InlineData("a = true", "{a:<true> }")]
    [InlineData("a = -1.5e+3", "{a:<-1.5e+3> }")]
    [InlineData("a = 1e-3", "{a:<1e-3> }")]
    [InlineData("a = two words  here ", "{a:<two words  here> }")]
    [InlineData("a = half-squared-error", "{a:<half-squared-error> }")]
    [InlineData("a = data/digits/x.gz", "{a:<data/digits/x.gz> }")]
    [InlineData("a = \"q # // {\"", "{a:<q # // {> }")]
    [InlineData("a = \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"", "{a:<\"\\/\b\f\n\r\tA> }")]
    [InlineData("a = \"\"\"x\n\"y\" \\n\"\"\"", "{a:<x\n\"y\" \\n> }")]
    [InlineData("a = \"\"\"x\"\"\"\"", "{a:<x\"> }")]
    [InlineData("a = \"\"", "{a:<> }")]
    [InlineData("a = 10 \"s\" x", "{a:<10 s x> }")]
    public void Scalars_are_read(string text, string expected) =>
        Assert.Equal(expected, HoconTexts.Flat(text));

    [Theory]
    [InlineData("a.b.c = 1", "{a:{b:{c:<1> } } }")]
    [InlineData("a.b = 1, a.c = 2", "{a:{b:<1> c:<2> } }")]
    [InlineData("\"a.b\".c = 1", "{a.b:{c:<1> } }")]
    [InlineData("a b = 1", "{a b:<1> }")]
    [InlineData("1.5 = x", "{1:{5:<x> } }")]
    [InlineData("include = 3", "{include:<3> }")]
    public void Keys_are_paths(string text, string expected) =>
        Assert.Equal(expected, HoconTexts.Flat(text));

    [Theory]
    [InlineData("a { b = 1, c = 2 }, a { b = 3 }", "{a:{b:<3> c:<2> } }")]
    [InlineData("a { b = 1 }, a = 2", "{a:<2> }")]
    [InlineData("a { b = 1 }, a = null, a { c = 2 }", "{a:{c:<2> } }")]
    [InlineData("a = { b = 1 } { c = 2 }", "{a:{b:<1> c:<2> } }")]
    [InlineData("a = [1] [2, 3]", "{a:[<1> <2> <3> ] }")]
    [InlineData("a = 1\na = 2", "{a:<2> }")]
    [InlineData("a += 1, a += 2", "{a:[<1> <2> ] }")]
    [InlineData("a = [0], a += 1", "{a:[<0> <1> ] }")]
    public void Repeated_keys_merge_or_replace(string text, string expected) =>
        Assert.Equal(expected, HoconTexts.Flat(text));

    [Theory]
    [InlineData("a = ${b}, b = 1", "{a:<1> b:<1> }")]
    [InlineData("a = ${?b}", "{}")]
    [InlineData("a = 1, a = ${?b}", "{a:<1> }")]
    [InlineData("a = [${?b}, 1]", "{a:[<1> ] }")]
    [InlineData("a = x${?b}y", "{a:<xy> }")]
    [InlineData("d = x, a = ${d}/y", "{d:<x> a:<x/y> }")]
    [InlineData("b { x = 1, y = 2 }, a = ${b} { x = 3 }",
        "{b:{x:<1> y:<2> } a:{x:<3> y:<2> } }")]
    [InlineData("a = [1], a = ${a} [2]", "{a:[<1> <2> ] }")]
    [InlineData("p = x, p = ${p}:y", null)]
    [InlineData("p = x, p = ${p}\":y\"", "{p:<x:y> }")]
    [InlineData("bar : { foo : 42, baz : ${bar.foo} }, bar : { foo : 43 }",
        "{bar:{foo:<43> baz:<43> } }")]
    [InlineData(
        "bar : { a : ${foo.d}, b : 1 }\nbar.b = 3\nfoo : { c : ${bar.b}, d : 2 }\nfoo.d = 4",
        "{bar:{a:<4> b:<3> } foo:{c:<3> d:<4> } }")]
    [InlineData("foo : { a : { c : 1 } }\nfoo : ${foo.a}\nfoo : { a : 2 }",
        "{foo:{a:<2> c:<1> } }")]
    [InlineData("a : ${?a}foo", "{a:<foo> }")]
    [InlineData("l { rate = 1 }, a = [ ${l} { rate = 2 }, ${l} ]",
        "{l:{rate:<1> } a:[{rate:<2> } {rate:<1> } ] }")]
    public void Substitutions_see_the_finished_tree(string text, string? expected)
    {
        if (expected is null)
        {
            Assert.Throws<SpecificationException>(() => HoconTexts.Flat(text));
        }
        else
        {
            Assert.Equal(expected, HoconTexts.Flat(text));
        }
    }

    [Theory]
    [InlineData("a = 1\nb 2\nc = 3", "test.conf:2:4: '=', ':' or '{' must follow the key 'b 2'")]
    [InlineData("a = {\n b = 1\n", "test.conf:1:5: '{' is never closed: a '}' is missing")]
    [InlineData("a = [1, 2\n", "test.conf:1:5: '[' is never closed: a ']' is missing")]
    [InlineData("a = \"x\nb = 1", "test.conf:1:5: the closing quote is missing")]
    [InlineData("a =\n", "test.conf:2:1: a value is missing for 'a'")]
    [InlineData("a = 1,,b = 2", "test.conf:1:7: a comma too many")]
    [InlineData("a = }", "test.conf:1:5: a value is missing for 'a'")]
    [InlineData("a..b = 1", "test.conf:1:1: a key between dots is empty")]
    [InlineData("a = ${b}", "test.conf:1:5: ${b} is not defined (${?b} where it may be absent)")]
    [InlineData("a = ${b}, b = ${a}", "the substitution goes in a circle: a -> b -> a")]
    [InlineData("a = 1 { b = 2 }", "an object and '1' cannot be joined; is a comma or a line end")]
    [InlineData("a = \"\\q\"", "test.conf:1:6: unknown escape")]
    [InlineData("a = x * y", "test.conf:1:7: '*' cannot stand here outside quotes")]
    [InlineData("[1, 2]", "the file must hold keys with values, not an array")]
    [InlineData("include \"x\"", "'include' cannot be used here")]
    [InlineData("a = 1 }\nb = 2", "a key is expected, found '}'")]
    public void A_mistake_is_named_with_its_place(string text, string expected)
    {
        var refused = Assert.Throws<SpecificationException>(() => HoconTexts.Flat(text));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_mistakes_are_found_at_once()
    {
        var refused = Assert.Throws<SpecificationException>(
            () => HoconTexts.Flat("a = 0\nb 1\nc = [1, @]\nd = 4\ne = @\n"));
        Assert.Equal([2, 3, 5], refused.Errors.Select(e => e.Position.Line).Order());
    }

    [Fact]
    public void Values_know_where_they_stand()
    {
        HoconObject root = HoconReader.Read("a {\n  b = 1\n}\na.b = 2", "x.conf");
        Assert.True(root.TryGet("a", out HoconField? a));
        Assert.True(((HoconObject)a.Value).TryGet("b", out HoconField? b));
        Assert.Equal(new SourcePosition("x.conf", 4, 7), b.Value.Position);
        Assert.Equal(new SourcePosition("x.conf", 4, 1), b.KeyPosition);
    }

    [Fact]
    public void Included_files_are_merged_where_they_stand()
    {
        var source = new TextsByName(
            ("base.conf", "x = 1, y = ${x}, model { units = ${size} }"),
            ("inner.conf", "z = ${w}"));
        HoconObject root = HoconReader.Read(
            "size = 8, include \"base.conf\"\nx = 2\nm { w = 5, include file(\"inner.conf\") }",
            "test.conf", source);
        Assert.Equal(
            "{size:<8> x:<2> y:<2> model:{units:<8> } m:{w:<5> z:<5> } }", HoconTexts.Flat(root));
    }

    [Theory]
    [InlineData("include \"a.conf\"", "includes itself")]
    [InlineData("include \"none.conf\"", "there is no file 'none.conf' to include")]
    [InlineData("include none.conf", "must be followed by a file's name in quotes")]
    [InlineData("include \"broken.conf\"", "broken.conf:2:1: a value is missing for 'x'")]
    public void A_bad_include_is_refused(string text, string expected)
    {
        var source = new TextsByName(
            ("a.conf", "include \"b.conf\""), ("b.conf", "include \"a.conf\""),
            ("broken.conf", "x =\n"));
        var refused = Assert.Throws<SpecificationException>(
            () => HoconReader.Read(text, "test.conf", source));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_text_may_cost_is_bounded()
    {
        string nested = new string('[', 1000) + new string(']', 1000);
        string keys = string.Join('.', Enumerable.Repeat("a", 1000));
        string doubling = "a0 = [1, 2]\n" + string.Concat(
            Enumerable.Range(1, 40).Select(i => $"a{i} = ${{a{i - 1}}} ${{a{i - 1}}}\n"));
        string strings = "a0 = xxxxxxxxxxxxxxxx\n" + string.Concat(
            Enumerable.Range(1, 60).Select(i => $"a{i} = ${{a{i - 1}}}${{a{i - 1}}}\n"));
        string wrapped = "a0 = 1\n" + string.Concat(
            Enumerable.Range(1, 5000).Select(i => $"a{i} = [${{a{i - 1}}}]\n"));
        string chain = "a0 = 1\n" + string.Concat(
            Enumerable.Range(1, 5000).Reverse().Select(i => $"a{i} = ${{a{i - 1}}}\n"));
        foreach (string text in (string[])
            [$"x = {nested}", $"{keys} = 1", doubling, strings, wrapped, chain])
        {
            Assert.Throws<SpecificationException>(() => HoconTexts.Flat(text));
        }

        var small = new HoconLimits { MaxCharacters = 10, MaxNodes = 3 };
        Assert.Throws<SpecificationException>(
            () => HoconReader.Read("aaaaaaa = bbbbbbb", "test.conf", limits: small));
        Assert.Throws<SpecificationException>(
            () => HoconReader.Read("a=[1,2,3]", "test.conf", limits: small));
    }
}
