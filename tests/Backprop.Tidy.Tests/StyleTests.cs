using System.Text.RegularExpressions;

namespace Backprop.Tidy.Tests;

/// <summary>Style that a reviewer should not have to point out.</summary>
public sealed partial class StyleTests
{
    private const int MaxLineLength = 100;

    // This file alone may spell out what it bans.
    private const string Self = "tests/Backprop.Tidy.Tests/StyleTests.cs";

    private static readonly string[] TextEndings =
    [
        ".cs", ".csproj", ".props", ".md", ".conf", ".sh", ".py", ".yml", ".proto", ".txt", ".js",
        ".mjs", ".css", ".html",
    ];

    [Fact]
    public void No_type_or_file_has_a_name_that_says_nothing()
    {
        var wrong = new List<string>();
        foreach (string file in Sources())
        {
            if (EmptyName().IsMatch(Path.GetFileNameWithoutExtension(file)))
            {
                wrong.Add(file);
            }

            wrong.AddRange(
                from Match declaration in TypeDeclaration().Matches(Repository.Read(file))
                where EmptyName().IsMatch(declaration.Groups[1].Value)
                select $"{file}: {declaration.Value}");
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void Nothing_is_left_to_do() =>
        Assert.Empty(LinesMatching(LeftOver(), Written(TextEndings)));

    [Fact]
    public void Lines_of_code_fit_the_page()
    {
        IEnumerable<string> wrong =
            from file in Sources().Concat(Written(".js", ".mjs", ".css", ".html"))
            from line in Repository.Read(file).Split('\n').Select((text, index) => (text, index))
            where line.text.Length > MaxLineLength
            select $"{file}:{line.index + 1} has {line.text.Length} columns";
        Assert.Empty(wrong);
    }

    [Fact]
    public void Text_files_end_their_lines_with_a_line_feed_and_their_last_line_too()
    {
        IEnumerable<string> wrong =
            from file in Written(TextEndings)
            let text = Repository.Read(file)
            where text.Contains('\r') || (text.Length > 0 && !text.EndsWith('\n'))
            select file;
        Assert.Empty(wrong);
    }

    [Fact]
    public void Public_members_are_documented_not_silenced() =>
        Assert.Empty(LinesMatching(Silenced(), Sources()));

    private static IEnumerable<string> Sources() =>
        Repository.FilesEnding(".cs").Where(file => !file.EndsWith(".g.cs"));

    // What others have written is kept as it came.
    private static IEnumerable<string> Written(params string[] endings) =>
        Repository.FilesEnding(endings).Where(file => !file.Contains("/vendor/"));

    private static IEnumerable<string> LinesMatching(Regex pattern, IEnumerable<string> files) =>
        from file in files
        where file != Self
        from line in Repository.Read(file).Split('\n').Select((text, index) => (text, index))
        where pattern.IsMatch(line.text)
        select $"{file}:{line.index + 1}: {line.text.Trim()}";

    [GeneratedRegex(@"(Manager|Helpers?|Utils?|Utilities|Utility|Common|Misc)$")]
    private static partial Regex EmptyName();

    [GeneratedRegex(@"\b(?:class|struct|record|interface|enum)\s+(?:struct\s+|class\s+)?(\w+)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX|NotImplementedException)\b")]
    private static partial Regex LeftOver();

    [GeneratedRegex(@"pragma warning disable (CS1591|RS0030)|NoWarn>")]
    private static partial Regex Silenced();
}
