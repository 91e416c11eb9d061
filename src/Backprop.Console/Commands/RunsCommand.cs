using System.CommandLine;
using System.Globalization;
using Backprop.Console.Api;
using Backprop.Console.Rendering;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Commands;

/// <summary><c>backprop runs</c>.</summary>
internal static class RunsCommand
{
    private static readonly string[] s_head =
        ["run", "standing", "step", "of", "workers", "metric", "submitted"];

    public static Command Create(CommandEnvironment environment)
    {
        Option<string?> server = ClientOptions.Server();
        var command = new Command("runs", "List a cluster's runs, newest first") { server };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunSummaryView[] runs = await api.RunsAsync(interrupted);
                wanted.Answer(new RunPage(runs, null), runs.Length == 0
                    ? ["no runs yet; 'backprop submit SPEC' hands one in"]
                    : TextTable.Write(s_head, [.. runs.Select(Row)], wanted.Width));
                return ExitCode.Done;
            }));
        return command;
    }

    private static string[] Row(RunSummaryView run) =>
    [
        run.Id.Value, RunWatchText.Standing(run.Standing), NumberText.Count(run.Version),
        NumberText.Count(run.TotalSteps), NumberText.Count(run.Workers),
        run.Metric is { } metric ? NumberText.Short(metric) : "-",
        run.Submitted.ToLocalTime().ToString("MM-dd HH:mm", CultureInfo.InvariantCulture),
    ];
}
