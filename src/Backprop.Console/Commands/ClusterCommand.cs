using System.CommandLine;
using Backprop.Console.Client;
using Backprop.Console.Hosting;
using Backprop.Console.Rendering;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Commands;

/// <summary><c>backprop cluster</c>: a cluster of processes of this machine.</summary>
internal static class ClusterCommand
{
    private const int MostNodes = 64;

    private static readonly string[] s_head =
        ["node", "roles", "status", "version", "threads", "runs"];

    public static Command Create(CommandEnvironment environment) => new(
        "cluster", "Start, end and look at a cluster of processes of this machine")
    {
        Up(environment), Down(environment), Status(environment),
    };

    private static Option<string> State() => new("--state")
    {
        Description = "The directory for state and logs",
        HelpName = "DIR",
        DefaultValueFactory = _ => Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".backprop",
            "cluster"),
    };

    private static Command Up(CommandEnvironment environment)
    {
        Option<int> workers = Count("--workers", "Workers", 2);
        Option<int> servers = Count("--parameter-servers", "Parameter servers", 1);
        Option<int?> threads = SharedOptions.Threads(
            "Threads that compute in each worker [default: its share of the cores]");
        Option<string> state = State();
        var apiPort = new Option<int?>("--api-port")
        {
            Description = "Where the API and the page are served; 0: any free port"
                + $" [default: {ServerAddress.DefaultPort}, where it is free]",
            HelpName = "PORT",
        };
        var command = new Command("up", "Start a cluster, and wait until it is ready")
        {
            workers, servers, threads, state, apiPort,
        };
        command.SetAction(result =>
        {
            if (OperatingSystem.IsWindows())
            {
                throw new MistakeException(
                    "'cluster up' needs Unix; on Windows, start each node by 'backprop node', or"
                    + " train with --workers");
            }

            ClusterRecord record = Of(result.GetRequiredValue(state), environment).Up(
                result.GetValue(workers), result.GetValue(servers), result.GetValue(threads),
                result.GetValue(apiPort));
            environment.For(result).Answer(record,
            [
                .. record.Processes.Select(
                    process => $"{process.Name,-20} ready  process {process.Process}"),
                $"the cluster takes runs at {record.Api}",
                "'backprop submit SPEC --watch' hands one in",
            ]);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Down(CommandEnvironment environment)
    {
        Option<string> state = State();
        var command = new Command("down", "End the cluster; its state stays") { state };
        command.SetAction(result =>
        {
            string directory = result.GetRequiredValue(state);
            int ended = Of(directory, environment).Down();
            environment.For(result).Answer(
                new { ended },
                [
                    ended == 0
                        ? $"no cluster is running in '{directory}'"
                        : $"{ended} processes ended; runs go on with the next 'cluster up'",
                ]);
            return ExitCode.Done;
        });
        return command;
    }

    private static Command Status(CommandEnvironment environment)
    {
        Option<string> state = State();
        Option<string?> server = ClientOptions.Server();
        var command = new Command("status", "Show a cluster's nodes, and which have ended")
        {
            state, server,
        };
        command.SetAction(result =>
        {
            ClusterRecord? record = Of(result.GetRequiredValue(state), environment).Find();
            EndedProcess[] ended =
            [
                .. (record?.Processes ?? [])
                    .Where(process => !DevelopmentCluster.IsRunning(process))
                    .Select(process => new EndedProcess(
                        process.Name, DevelopmentCluster.LastLine(process))),
            ];
            return ClientOptions.Ask(
                result, server, environment, (api, wanted, interrupted) =>
                    ShowAsync(api, ended, wanted, interrupted));
        });
        return command;
    }

    private static async Task<int> ShowAsync(
        ApiClient api, EndedProcess[] ended, CommandEnvironment environment,
        CancellationToken interrupted)
    {
        // Why nobody may answer.
        if (!environment.IsJson)
        {
            foreach (EndedProcess gone in ended)
            {
                environment.Output.WriteLine($"{gone.Name} has ended: {gone.LastLine}");
            }
        }

        ClusterView cluster = await api.ClusterAsync(interrupted);
        environment.Answer(new { cluster, ended },
        [
            $"cluster {cluster.Name}, coordinated by {RunWatchText.Name(cluster.Coordinator)}",
            .. TextTable.Write(s_head, [.. cluster.Nodes.Select(Row)], environment.Width),
            .. NodeText.Versions(cluster) is { } versions ? (string[])[versions] : [],
            .. cluster.Warnings.Select(warning => $"warning: {RunWatchText.Plain(warning)}"),
        ]);
        return ExitCode.Done;
    }

    private static string[] Row(NodeView node) =>
    [
        node.Address, NodeText.Roles(node), node.Status,
        RunWatchText.Plain(node.Description.SoftwareVersion),
        NumberText.Count(node.Description.Threads), NodeText.Runs(node),
    ];

    private static DevelopmentCluster Of(string directory, CommandEnvironment environment) =>
        new(Path.GetFullPath(directory), environment);

    private static Option<int> Count(string name, string description, int usual)
    {
        var option = new Option<int>(name)
        {
            Description = description,
            HelpName = "N",
            DefaultValueFactory = _ => usual,
        };
        option.Validators.Add(result =>
        {
            if (result.GetValue(option) is < 1 or > MostNodes)
            {
                result.AddError(
                    $"{name} is {result.GetValue(option)}, where 1 to {MostNodes} may be");
            }
        });
        return option;
    }

    private sealed record EndedProcess(string Name, string LastLine);
}
