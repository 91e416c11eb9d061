using System.CommandLine;
using System.Text.RegularExpressions;
using Backprop.Console;
using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Tidy.Tests;

/// <summary>What the documentation shows is what the program does.</summary>
public sealed partial class DocumentationTests
{
    private const string Program = "dotnet run -c Release --project src/Backprop.Console -- ";

    // A specification shown in full has a model; everything else shown is a fragment of one.
    private const string ModelKey = "model";

    public static TheoryData<string> Pages => [.. Repository.FilesEnding(".md")];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_specification_shown_can_be_read(string page)
    {
        foreach ((string text, int line) in Blocks(page, "hocon"))
        {
            string place = $"{page}:{line}";
            HoconObject fragment = HoconReader.Read(text, place);
            if (fragment.Fields.Any(field => field.Key == ModelKey))
            {
                RunSpecification run = RunSpecificationReader.Read(text, place);
                Assert.False(string.IsNullOrEmpty(run.CanonicalText));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_command_shown_is_one_that_the_program_has(string page)
    {
        RootCommand backprop = BackpropCommandLine.Create(CommandEnvironment.OfProcess());
        foreach ((string text, int line) in Blocks(page, "sh"))
        {
            foreach (string command in CommandsIn(text))
            {
                ParseResult parsed = backprop.Parse(command);
                Assert.True(
                    parsed.Errors.Count == 0,
                    $"{page}:{line}: '{command}': {string.Join("; ", parsed.Errors)}");
                Assert.NotSame(backprop, parsed.CommandResult.Command);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_file_named_in_a_command_or_a_link_is_there(string page)
    {
        string folder = Path.GetDirectoryName(page) ?? "";
        IEnumerable<string> commanded =
            from block in Blocks(page, "sh")
            from Match match in FileInCommand().Matches(block.Text)
            select match.Value;
        IEnumerable<string> linked =
            from Match match in Link().Matches(Repository.Read(page))
            select Path.Combine(folder, match.Groups[1].Value).Replace('\\', '/');
        IEnumerable<string> missing = commanded.Concat(linked)
            .Where(file => !Path.Exists(Path.Combine(Repository.Root, file)))
            .Select(file => $"{page} names {file}");
        Assert.Empty(missing);
    }

    [Fact]
    public void The_readme_shows_commands_and_a_specification()
    {
        // Without these the tests above would hold for an empty page.
        Assert.True(Blocks("README.md", "sh").SelectMany(b => CommandsIn(b.Text)).Count() >= 5);
        Assert.NotEmpty(Blocks("README.md", "hocon"));
    }

    [Fact]
    public void The_layer_that_is_shown_is_the_examples()
    {
        const string attribute = "[assembly: LayerPlugin]\n\n";
        string shown = Assert.Single(Blocks("docs/plugins.md", "csharp")).Text;
        Assert.StartsWith(attribute, shown);
        Assert.EndsWith(
            shown[attribute.Length..], Repository.Read("examples/Acme.Layers/Swish.cs"));
    }

    private static IEnumerable<string> CommandsIn(string block) =>
        from line in block.Replace("\\\n", " ").Split('\n')
        let start = line.IndexOf(Program, StringComparison.Ordinal)
        let bare = line.StartsWith("backprop ", StringComparison.Ordinal)
        where start >= 0 || bare
        let command = start >= 0 ? line[(start + Program.Length)..] : line["backprop ".Length..]
        select command.Split(" #")[0].Trim();

    private static IEnumerable<(string Text, int Line)> Blocks(string page, string language)
    {
        string text = Repository.Read(page);
        return from Match block in Fence().Matches(text)
               where block.Groups[1].Value == language
               select (block.Groups[2].Value, text[..block.Index].Count(c => c == '\n') + 1);
    }

    [GeneratedRegex(@"^```(\w+)\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(
        @"(?:deploy/|\b)(?:hocon|data|tools|benchmarks|src|tests|docs)/[\w./-]*"
        + @"\.(?:conf|sh|cs|py|gz|csv)\b")]
    private static partial Regex FileInCommand();

    [GeneratedRegex(@"\]\((?!https?:|#)([^)#]+)")]
    private static partial Regex Link();
}
