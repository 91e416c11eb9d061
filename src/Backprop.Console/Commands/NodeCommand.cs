using System.CommandLine;
using Akka.Event;
using Backprop.Console.Hosting;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Commands;

/// <summary><c>backprop node</c>.</summary>
internal static class NodeCommand
{
    // An option says what its key would say; the key's own checks hold for it.
    private static readonly (string Option, string Variable, string Name, string Description)[]
        s_options =
    [
        ("--roles", "BACKPROP__NODE__ROLES", "LIST",
            "One or more of coordinator,parameter-server,worker,console [default: all but the last,"
                + " which coordinators are as well]"),
        ("--join", "BACKPROP__CLUSTER__JOIN", "HOST:PORT",
            "A node of the cluster to join; without it this one founds a cluster"),
        ("--name", "BACKPROP__CLUSTER__NAME", "NAME", "The cluster's name [default: backprop]"),
        ("--host", "BACKPROP__NODE__HOST", "HOST",
            "Where other nodes reach this one [default: 127.0.0.1]"),
        ("--port", "BACKPROP__NODE__PORT", "N", "For control messages [default: 8471]"),
        ("--links-port", "BACKPROP__LINKS__PORT", "N", "For tensor links [default: 8472]"),
        ("--api-port", "BACKPROP__API__PORT", "N", "For users' requests [default: 8470]"),
        ("--state", "BACKPROP__PERSISTENCE__DIRECTORY", "DIR",
            "The state database's directory [default: ~/.backprop]"),
    ];

    public static Command Create(CommandEnvironment environment)
    {
        var command = new Command("node", "Be a node of a cluster, until it is told to end");
        Func<ParseResult, NodeConfiguration> read = AddOptions(command, environment);
        command.SetAction(result =>
        {
            NodeConfiguration node = read(result);
            LogFormat format = SharedOptions.IsJson(result)
                ? LogFormat.Json
                : node.Log.Format ?? FormatFor(environment);
            return RunAsync(node with { Log = node.Log with { Format = format } }, environment)
                .GetAwaiter().GetResult();
        });
        return command;
    }

    /// <summary>Gives a command the options of a node.</summary>
    /// <returns>Reads what they come to, with file and environment.</returns>
    public static Func<ParseResult, NodeConfiguration> AddOptions(
        Command command, CommandEnvironment environment)
    {
        Option<string?>[] options =
        [
            .. s_options.Select(option => new Option<string?>(option.Option)
            {
                Description = option.Description,
                HelpName = option.Name,
            }),
        ];
        foreach (Option<string?> option in options)
        {
            command.Add(option);
        }

        Option<bool> insecure = new("--insecure")
        {
            Description = "Start although other machines reach the node without TLS",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        command.Add(insecure);
        command.Add(threads);
        command.Add(configuration);
        return result =>
        {
            var variables = environment.Variables.ToDictionary();
            foreach ((Option<string?> option, var known) in options.Zip(s_options))
            {
                if (result.GetValue(option) is { } value)
                {
                    variables[known.Variable] = value;
                }
            }

            if (result.GetValue(insecure))
            {
                variables["BACKPROP__INSECURE"] = "true";
            }

            return SharedOptions.ReadNode(
                result.GetValue(configuration), result.GetValue(threads),
                environment with { Variables = variables });
        };
    }

    private static async Task<int> RunAsync(NodeConfiguration node, CommandEnvironment environment)
    {
        using Interruption interruption = environment.ListenForInterruption();
        try
        {
            TimeSpan deadline = node.Cluster.JoinDeadline;
            long began = TimeProvider.System.GetTimestamp();
            NodeConfiguration staying = node;
            while (await StayAsync(staying, deadline, began, environment, interruption.Token)
                is { } ending)
            {
                if (!ending.MayReturn)
                {
                    throw new IOException(ending.Reason);
                }

                Write(
                    environment, node,
                    $"{(ending.HadJoined ? "returning" : "starting over")}: {ending.Reason}");
                if (ending.HadJoined)
                {
                    deadline = node.Cluster.RejoinDeadline;
                    began = TimeProvider.System.GetTimestamp();
                }

                staying = ending.Founds
                    ? node with
                    {
                        Cluster = Founding.By(node.Member.ResolveAddress(), node.Cluster),
                    }
                    : node;
            }
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            // It was told to end before it had joined.
        }
        catch (Exception failure) when (node.Log.Format == LogFormat.Json)
        {
            // Whoever gathers the log misses what goes to the standard error otherwise.
            Write(environment, node, failure.Message, LogLevel.ErrorLevel);
            throw;
        }

        Write(environment, node, "ended");
        return ExitCode.Done;
    }

    // From joining to leaving, or to the end that is returned.
    private static async Task<NodeEnding?> StayAsync(
        NodeConfiguration node, TimeSpan deadline, long began, CommandEnvironment environment,
        CancellationToken interrupted)
    {
        var ended = new TaskCompletionSource();
        await using NodeHost host = await NodeHost.StartAsync(
            node, interrupted, line => Write(environment, node, line));
        foreach (string line in host.Description)
        {
            Write(environment, node, line);
        }

        if (await host.JoinAsync(deadline, began, interrupted) is { } notIn)
        {
            return notIn;
        }

        Write(environment, node, "ready");
        await using CancellationTokenRegistration asked = interrupted.Register(ended.SetResult);
        await Task.WhenAny(host.MustEnd, ended.Task);
        if (!ended.Task.IsCompleted)
        {
            return await host.MustEnd;
        }

        Write(environment, node, "leaving");
        await host.HandOverAsync();
        return null;
    }

    // As .NET's own images say that they are containers.
    private static LogFormat FormatFor(CommandEnvironment environment) =>
        environment.Variables.GetValueOrDefault("DOTNET_RUNNING_IN_CONTAINER") is "true" or "1"
            ? LogFormat.Json
            : LogFormat.Text;

    private static void Write(
        CommandEnvironment environment, NodeConfiguration node, string line,
        LogLevel level = LogLevel.InfoLevel)
    {
        bool isJson = node.Log.Format == LogFormat.Json;
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        environment.Output.WriteLine(isJson
            ? new LogLine(environment.Time.GetUtcNow().UtcDateTime, level, string.Join(' ', words))
                .Write(LogFormat.Json)
            : line);
        environment.Output.Flush();
    }
}
