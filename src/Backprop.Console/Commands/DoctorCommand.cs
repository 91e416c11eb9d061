using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Diagnosis;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Commands;

/// <summary><c>backprop doctor</c>.</summary>
internal static class DoctorCommand
{
    private const int VerdictWidth = 9;
    private const int CheckWidth = 19;

    public static Command Create(CommandEnvironment environment)
    {
        var command = new Command(
            "doctor", "Look at all that a node needs on this machine, and say what to do;"
                + " exit code 1 if it would not work");
        Func<ParseResult, NodeConfiguration> read =
            NodeCommand.AddOptions(command, environment);
        command.SetAction(result =>
        {
            using Interruption interruption = environment.ListenForInterruption();
            try
            {
                ImmutableArray<Finding> found =
                    ExamineAsync(() => read(result), interruption.Token).GetAwaiter().GetResult();
                return Write(found, environment.For(result));
            }
            catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
            {
                return ExitCode.Interrupted;
            }
        });
        return command;
    }

    // Where the configuration is wrong, nothing else can be said.
    private static async Task<ImmutableArray<Finding>> ExamineAsync(
        Func<NodeConfiguration> read, CancellationToken cancellation)
    {
        NodeConfiguration node;
        try
        {
            node = read();
        }
        catch (NodeConfigurationException wrong)
        {
            return
            [
                .. wrong.Mistakes.Select(mistake => Finding.Problem(
                    "configuration", mistake, "hocon/reference.conf documents every key")),
            ];
        }

        return
        [
            Finding.Ok("configuration", "no mistakes"),
            .. await NodeExamination.ExamineAsync(node, cancellation),
        ];
    }

    private static int Write(ImmutableArray<Finding> found, CommandEnvironment environment)
    {
        int problems = found.Count(finding => finding.Verdict == Verdict.Problem);
        int warnings = found.Count(finding => finding.Verdict == Verdict.Warning);
        environment.Answer(
            new { Problems = problems, Warnings = warnings, Findings = found },
            found.SelectMany(Lines).Append($"{problems} problems, {warnings} warnings"));
        return problems > 0 ? ExitCode.Failure : ExitCode.Done;
    }

    private static IEnumerable<string> Lines(Finding finding)
    {
        string verdict = finding.Verdict.ToString().ToLowerInvariant();
        yield return $"{verdict.PadRight(VerdictWidth)}{finding.Check.PadRight(CheckWidth)}"
            + finding.Text;
        if (finding.Advice is { } advice)
        {
            yield return $"{new string(' ', VerdictWidth)}what to do: {advice}";
        }
    }
}
