using System.CommandLine;
using Backprop.Console.Completion;

namespace Backprop.Console.Commands;

/// <summary><c>backprop completion</c>.</summary>
internal static class CompletionCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> shell = new("SHELL")
        {
            Description = "bash, fish, pwsh or zsh",
        };
        shell.AcceptOnlyFromAmong([.. CompletionScripts.ByShell.Keys]);
        var command = new Command(
            "completion", "Print a script that has a shell complete what is typed")
        {
            shell,
        };
        command.SetAction(result =>
        {
            string name = result.GetRequiredValue(shell);
            string script = CompletionScripts.ByShell[name];
            environment.For(result).Answer(new { shell = name, script }, [script]);
        });
        return command;
    }
}
