using System.CommandLine;
using System.Globalization;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Rendering;
using Backprop.Console.Sweeps;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Commands;

/// <summary><c>backprop sweeps</c>: the sweeps that a cluster trains by itself.</summary>
internal static class SweepsCommand
{
    private static readonly string[] s_head =
        ["sweep", "standing", "round", "of", "over", "trials", "best", "metric", "submitted"];

    public static Command Create(CommandEnvironment environment) =>
        new("sweeps", "List, show and end the sweeps of a cluster")
        {
            List(environment),
            About(
                environment, "show", "Show how far a sweep is, and compare its trials", ShowAsync),
            About(environment, "stop", "End a sweep and its runs", StopAsync),
        };

    private static Command List(CommandEnvironment environment)
    {
        Option<string?> server = ClientOptions.Server();
        var command = new Command("list", "List a cluster's sweeps, newest first") { server };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                SweepList list = await api.SweepsAsync(interrupted);
                wanted.Answer(list, list.Sweeps.IsEmpty
                    ? ["no sweeps yet; 'backprop sweep SWEEP --server URL' hands one in"]
                    : TextTable.Write(s_head, [.. list.Sweeps.Select(Row)], wanted.Width));
                return ExitCode.Done;
            }));
        return command;
    }

    private static string[] Row(SweepSummaryView sweep) =>
    [
        sweep.Id.Value, NameOf(sweep.Standing), $"{sweep.Round}", $"{sweep.Rounds}",
        $"{sweep.Over}", $"{sweep.Trials}", sweep.Best is { } best ? $"{best}" : "-",
        sweep.Metric is { } metric ? NumberText.Short(metric) : "-",
        sweep.Submitted.ToLocalTime().ToString("MM-dd HH:mm", CultureInfo.InvariantCulture),
    ];

    private static string NameOf(SweepStanding standing) => standing.ToString().ToLowerInvariant();

    private static Command About(
        CommandEnvironment environment, string name, string description,
        Func<ApiClient, SweepId, CommandEnvironment, CancellationToken, Task<int>> ask)
    {
        Argument<string> sweep = SharedOptions.FileArgument(
            "SWEEP", "A sweep's name, how it begins, or 'latest'");
        Option<string?> server = ClientOptions.Server();
        var command = new Command(name, description) { sweep, server };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) => await ask(
                api,
                await api.FindSweepAsync(result.GetRequiredValue(sweep), interrupted),
                wanted, interrupted)));
        return command;
    }

    private static async Task<int> ShowAsync(
        ApiClient api, SweepId id, CommandEnvironment wanted, CancellationToken interrupted)
    {
        SweepDetail detail = await api.SweepAsync(id, interrupted);
        IEnumerable<string> table = detail.Ranked.IsEmpty
            ? []
            : SweepTable.Write(
                detail.Metric,
                [.. detail.Ranked.Select(trial => (trial.ToOutcome(), trial.Values))],
                wanted.Width);
        wanted.Answer(
            detail,
            [$"{id}: {NameOf(detail.Summary.Standing)}: {detail.Summary.Reason}", .. table]);
        return ExitCode.Done;
    }

    private static async Task<int> StopAsync(
        ApiClient api, SweepId id, CommandEnvironment wanted, CancellationToken interrupted)
    {
        await api.StopSweepAsync(id, interrupted);
        wanted.Answer(new { id }, [$"{id} is stopped, and its runs with it"]);
        return ExitCode.Done;
    }
}
