using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Backprop.Console.Completion;

/// <summary>The directive <c>[suggest:POSITION]</c>: writes how a line may go on at the cursor, a
/// word each. Options are suggested where one is begun, so that a shell is left to suggest files
/// elsewhere.</summary>
internal sealed class SuggestAction(SuggestDirective directive, TextWriter output)
    : SynchronousCommandLineAction
{
    // --help says the same.
    private static readonly string[] s_otherHelp = ["-?", "-h", "/?", "/h"];

    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        string line = parseResult.Tokens
            .LastOrDefault(token => token.Type != TokenType.Directive)?.Value ?? "";
        string? position = parseResult.GetResult(directive)?.Values.SingleOrDefault();
        if (int.TryParse(
            position, NumberStyles.None, CultureInfo.InvariantCulture, out int cursor)
            && cursor < line.Length)
        {
            line = line[..cursor];
        }

        foreach (string word in Words(parseResult.RootCommandResult.Command, line))
        {
            output.WriteLine(word);
        }

        return ExitCode.Done;
    }

    private static IEnumerable<string> Words(Command root, string line)
    {
        string begun = line.Split(' ')[^1];
        bool isOption = begun.StartsWith('-');
        return root.Parse(line).GetCompletions(line.Length)
            .Select(completion => completion.InsertText ?? completion.Label)
            .Where(word => word.StartsWith(begun, StringComparison.Ordinal)
                && word.StartsWith('-') == isOption && !s_otherHelp.Contains(word))
            .Distinct();
    }
}
