using System.CommandLine;

namespace Backprop.Console.Commands;

/// <summary>The command that takes an interrupted run up again.</summary>
internal static class ResumeCommand
{
    /// <summary>What was typed, with <c>--resume</c>.</summary>
    public static string Of(ParseResult result)
    {
        IEnumerable<string> tokens = result.Tokens.Select(token => token.Value)
            .Where(token => token is not ("--resume" or "--restart"))
            .Append("--resume");
        return "backprop " + string.Join(' ', tokens.Select(Quoted));
    }

    private static string Quoted(string token) =>
        token.Length > 0 && token.All(c => char.IsLetterOrDigit(c) || "-_./=:,+@%".Contains(c))
            ? token
            : $"'{token.Replace("'", "'\\''")}'";
}
