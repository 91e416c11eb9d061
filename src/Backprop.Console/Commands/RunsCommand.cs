using System.CommandLine;
using System.Globalization;
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
            result, server, environment, async (api, interrupted) =>
            {
                RunSummaryView[] runs = await api.RunsAsync(interrupted);
                if (runs.Length == 0)
                {
                    environment.Output.WriteLine(
                        "no runs yet; 'backprop submit SPEC' hands one in");
                    return ExitCode.Done;
                }

                foreach (string line in TextTable.Write(
                    s_head, [.. runs.Select(Row)], environment.Width))
                {
                    environment.Output.WriteLine(line);
                }

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
