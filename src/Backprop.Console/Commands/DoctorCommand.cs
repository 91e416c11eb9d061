using System.Collections.Immutable;
using System.CommandLine;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Diagnosis;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Commands;

/// <summary><c>backprop doctor</c>.</summary>
internal static class DoctorCommand
{
    private const int VerdictWidth = 9;
    private const int CheckWidth = 19;

    private static readonly JsonSerializerOptions s_json =
        new(ApiJson.Options) { WriteIndented = true };

    public static Command Create(CommandEnvironment environment)
    {
        Option<bool> json = new("--json") { Description = "Write the findings as JSON" };
        var command = new Command(
            "doctor", "Look at all that a node needs on this machine, and say what to do;"
                + " exit code 1 if it would not work")
        {
            json,
        };
        Func<ParseResult, NodeConfiguration> read =
            NodeCommand.AddOptions(command, environment);
        command.SetAction(result =>
        {
            using Interruption interruption = environment.ListenForInterruption();
            try
            {
                ImmutableArray<Finding> found =
                    ExamineAsync(() => read(result), interruption.Token).GetAwaiter().GetResult();
                return Write(found, result.GetValue(json), environment.Output);
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

    private static int Write(
        ImmutableArray<Finding> found, bool writesJson, TextWriter output)
    {
        int problems = found.Count(finding => finding.Verdict == Verdict.Problem);
        int warnings = found.Count(finding => finding.Verdict == Verdict.Warning);
        if (writesJson)
        {
            output.WriteLine(JsonSerializer.Serialize(
                new { Problems = problems, Warnings = warnings, Findings = found }, s_json));
        }
        else
        {
            foreach (Finding finding in found)
            {
                WriteLines(finding, output);
            }

            output.WriteLine($"{problems} problems, {warnings} warnings");
        }

        return problems > 0 ? ExitCode.Failure : ExitCode.Done;
    }

    private static void WriteLines(Finding finding, TextWriter output)
    {
        string verdict = finding.Verdict.ToString().ToLowerInvariant();
        output.WriteLine($"{verdict.PadRight(VerdictWidth)}{finding.Check.PadRight(CheckWidth)}"
            + finding.Text);
        if (finding.Advice is { } advice)
        {
            output.WriteLine($"{new string(' ', VerdictWidth)}what to do: {advice}");
        }
    }
}
