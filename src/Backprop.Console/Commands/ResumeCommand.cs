using System.CommandLine;

namespace Backprop.Console.Commands;

/// <summary>The command that takes an interrupted run up again.</summary>
internal static class ResumeCommand
{
    /// <summary>What was typed, with <c>--resume</c>.</summary>
    /// <param name="result">What was typed.</param>
    /// <param name="program">What the program is started by.</param>
    public static string Of(ParseResult result, IReadOnlyList<string> program)
    {
        IEnumerable<string> tokens = result.Tokens.Select(token => token.Value)
            .Where(token => token is not ("--resume" or "--restart"))
            .Append("--resume");
        return string.Join(' ', program.Concat(tokens).Select(Quoted));
    }

    private static string Quoted(string token) =>
        token.Length > 0 && token.All(c => char.IsLetterOrDigit(c) || "-_./=:,+@%".Contains(c))
            ? token
            : $"'{token.Replace("'", "'\\''")}'";
}
