using Akka.Configuration;
using Akka.Configuration.Hocon;
using Backprop.Training.Specification.Hocon;
using HoconObject = Backprop.Training.Specification.Hocon.HoconObject;
using HoconArray = Backprop.Training.Specification.Hocon.HoconArray;

namespace Backprop.Training.Tests.Specification.Hocon;

/// <summary>Akka's parser as the oracle: what both read, they read alike. Left out is where Akka
/// leaves HOCON.md: it trims triple-quoted strings, loses empty arrays and objects, replaces a
/// substituted object instead of merging into it, knows no keys that refer to their earlier value,
/// and makes a circle of an optional substitution of nothing.</summary>
public sealed class AkkaHoconTests
{
    public static TheoryData<string> Corpus => new(
    [
        "a = 1\nb = two words\nc = \"quoted # text\"",
        "a { b { c = 1 } }\na.b.d = 2\na.b.c = 3",
        "a = [1, 2, 3]\nb = [\n 1\n 2\n]",
        "a = [{ x = 1 }, { y = [2, 3] }]",
        "{ \"a\" : { \"b\" : [true, false] }, \"c\" : 1.5e-3 }",
        "a = x # comment\nb = y // comment\n// c = z",
        "a = \"\"\"raw \\n \"text\" x\"\"\"",
        "a = \"esc \\t \\n \\\\ \\\"q\\\"\"",
        "d = 5\na = ${d}\nc = [${d}, 6]",
        "base = data/digits\nimages = ${base}\"/images.gz\"",
        "a { x = 1 }\na { x = 2, y = 3 }",
        "a = 1\na = 2",
        "a { b = 1 }\na = 2",
        "time = 10s\nsize = 1 MiB\npath = /tmp/x.conf",
        "\"quoted key\" = 1",
    ]);

    [Theory]
    [MemberData(nameof(Corpus))]
    public void Snippets_read_alike(string text) => AssertAlike(text, null);

    [Fact]
    public void Run_files_read_alike()
    {
        string[] files = Directory.GetFiles(
            RepositoryPaths.Runs, "*.conf", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (string file in files)
        {
            AssertAlike(File.ReadAllText(file), file);
        }
    }

    private static void AssertAlike(string text, string? file)
    {
        HoconObject ours = HoconReader.Read(text, file ?? "test.conf", new IncludedFiles());
        HoconRoot theirs = Parser.Parse(text, Included);
        Assert.Equal(Flat(theirs.Value, depth: 0), Flat(ours));
    }

    private static HoconRoot Included(string name)
    {
        string path = Directory.GetFiles(
            RepositoryPaths.Runs, name, SearchOption.AllDirectories).Single();
        return Parser.Parse(File.ReadAllText(path), Included);
    }

    /// <summary>Keys sorted, since Akka's order is not part of a value.</summary>
    private static string Flat(Backprop.Training.Specification.Hocon.HoconValue value) =>
        value switch
        {
            HoconObject fields => Fields(fields.Fields
                .Where(f => f.Value is not HoconObject { Fields.IsEmpty: true })
                .Select(f => (f.Key, Flat(f.Value)))),
            HoconArray array => $"[{string.Join(' ', array.Items.Select(Flat))}]",
            HoconScalar scalar => $"<{scalar.Text}>",
            _ => "null",
        };

    /// <summary>Bounded in depth: some texts make a tree of Akka's contain itself.</summary>
    private static string Flat(Akka.Configuration.Hocon.HoconValue value, int depth)
    {
        Assert.InRange(depth, 0, 100);
        if (value.IsObject())
        {
            return Fields(value.GetObject().Items
                .Where(item => !item.Value.IsEmpty)
                .Select(item => (item.Key, Flat(item.Value, depth + 1))));
        }

        return value.IsArray()
            ? $"[{string.Join(' ', value.GetArray().Select(v => Flat(v, depth + 1)))}]"
            : $"<{value.GetString()}>";
    }

    private static string Fields(IEnumerable<(string Key, string Value)> fields) =>
        "{" + string.Join(' ', fields.OrderBy(f => f.Key, StringComparer.Ordinal)
            .Select(f => $"{f.Key}:{f.Value}")) + "}";
}
