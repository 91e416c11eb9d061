using System.CommandLine;
using System.Text.RegularExpressions;

namespace Backprop.Console.Tests.Commands;

/// <summary>docs/cli.md has every command and every option, and no others.</summary>
public sealed partial class CommandDocumentationTests
{
    private static readonly string s_page =
        File.ReadAllText(Path.Combine(CommandRun.Root, "docs", "cli.md"));

    [Fact]
    public void Every_command_is_documented_with_its_arguments_and_options()
    {
        string[] real = [.. Leaves(Root(), "").Select(Described).Order(StringComparer.Ordinal)];
        string[] documented = [.. Sections().Order(StringComparer.Ordinal)];

        Assert.Equal(real, documented);
    }

    [Fact]
    public void Every_exit_code_is_documented()
    {
        foreach (var code in typeof(ExitCode).GetFields())
        {
            Assert.Contains($"| {code.GetRawConstantValue()} |", s_page);
        }
    }

    [Fact]
    public void Every_command_says_what_its_JSON_is()
    {
        string table = s_page[s_page.IndexOf("| command | document |", StringComparison.Ordinal)..];
        foreach ((string path, _) in Leaves(Root(), ""))
        {
            Assert.Contains($"`{path}`", table);
        }
    }

    private static RootCommand Root() =>
        BackpropCommandLine.Create(CommandEnvironment.OfProcess());

    private static IEnumerable<(string Path, Command Command)> Leaves(
        Command command, string path) => command.Subcommands.Count == 0
        ? [(path, command)]
        : command.Subcommands.SelectMany(
            below => Leaves(below, path.Length == 0 ? below.Name : $"{path} {below.Name}"));

    private static string Described((string Path, Command Command) leaf) => Write(
        string.Join(' ', leaf.Command.Arguments.Select(argument => argument.Name)
            .Prepend(leaf.Path)),
        leaf.Command.Options.Select(option =>
            option.ValueType == typeof(bool) ? option.Name : $"{option.Name} {option.HelpName}"));

    private static IEnumerable<string> Sections() =>
        from Match section in Section().Matches(s_page)
        select Write(
            section.Groups[1].Value,
            from Match option in Option().Matches(section.Groups[2].Value)
            select option.Groups[1].Value.Replace(@"\|", "|"));

    private static string Write(string usage, IEnumerable<string> options) =>
        $"{usage}: {string.Join(", ", options.Order(StringComparer.Ordinal))}";

    [GeneratedRegex(@"^### `([^`]+)`\n(.*?)(?=^###? |\z)",
        RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Section();

    [GeneratedRegex(@"^\| `(--[^`]+)` \|", RegexOptions.Multiline)]
    private static partial Regex Option();
}
