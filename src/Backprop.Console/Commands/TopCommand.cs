using System.CommandLine;
using System.Text.Json;
using Backprop.Console.Client;
using Backprop.Console.Rendering.Top;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Commands;

/// <summary><c>backprop top</c>.</summary>
internal static class TopCommand
{
    private const int MostRuns = 100;
    private const int CurvePoints = 256;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    public static Command Create(CommandEnvironment environment)
    {
        Option<string?> server = ClientOptions.Server();
        var command = new Command(
            "top", "Look at cluster and runs, live; redirected, as they are now")
        {
            server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                if (wanted.IsJson)
                {
                    await TellAsync(api, wanted, interrupted);
                }
                else if (TopView.CanShow(wanted))
                {
                    TopState now = await NowAsync(api, interrupted);
                    await new TopView(api, now, wanted, wanted.Terminal!).ShowAsync(interrupted);
                }
                else
                {
                    await WriteAsync(api, wanted, interrupted);
                }

                return ExitCode.Done;
            }));
        return command;
    }

    private static async Task TellAsync(
        ApiClient api, CommandEnvironment environment, CancellationToken interrupted)
    {
        var follower = new EventFollower(api, environment.Time, s_patience);
        await foreach (ServerEvent told in follower.FollowAsync(
            ApiClient.ClusterEvents, interrupted))
        {
            using JsonDocument data = JsonDocument.Parse(told.Data);
            environment.Tell(told.Kind, data.RootElement, told.Id);
        }
    }

    private static async Task<TopState> NowAsync(
        ApiClient api, CancellationToken interrupted)
    {
        ClusterView cluster = await api.ClusterAsync(interrupted);
        RunSummaryView[] runs = await api.RunsAsync(interrupted);
        return TopState.Of(api.Server, cluster, runs.Take(MostRuns));
    }

    private static async Task WriteAsync(
        ApiClient api, CommandEnvironment environment, CancellationToken interrupted)
    {
        TopState state = await NowAsync(api, interrupted);
        foreach (RunId run in state.Wanted())
        {
            FollowedRun known = FollowedRun.Of(
                await api.RunAsync(run, interrupted),
                await api.CurvesAsync(run, CurvePoints, interrupted));
            state = state with { Followed = state.Followed.SetItem(run, known) };
        }

        foreach (string line in TopScreen.Snapshot(
            state, environment.Width + 1, environment.Time.GetUtcNow()))
        {
            environment.Output.WriteLine(line);
        }
    }
}
