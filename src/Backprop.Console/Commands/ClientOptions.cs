using System.CommandLine;
using Backprop.Console.Client;

namespace Backprop.Console.Commands;

/// <summary>What the commands have in common that ask a cluster.</summary>
internal static class ClientOptions
{
    private const string Token = "--token";

    /// <summary>Where the cluster is.</summary>
    public static Option<string?> Server() => new("--server")
    {
        Description = "The cluster's API [default: the last 'cluster up', or"
            + $" ${ServerAddress.Variable}]",
        HelpName = "URL",
    };

    /// <summary>Gives every command that asks a cluster the option of a token.</summary>
    public static void AddToken(Command command)
    {
        if (command.Options.Any(option => option.Name == "--server")
            && command.Options.All(option => option.Name != Token))
        {
            command.Add(new Option<string?>(Token)
            {
                Description = "The token that the cluster wants; better in"
                    + $" ${ClientToken.Variable}, where others do not see it",
                HelpName = "TOKEN",
            });
        }

        foreach (Command inner in command.Subcommands)
        {
            AddToken(inner);
        }
    }

    /// <summary>The run.</summary>
    public static Argument<string> Run() => SharedOptions.FileArgument(
        "RUN", "A run's name, how it begins, or 'latest'");

    /// <summary>Runs what a command does with the cluster, until it is done or interrupted.
    /// </summary>
    public static int Ask(
        ParseResult result, Option<string?> server, CommandEnvironment environment,
        Func<ApiClient, CancellationToken, Task<int>> ask)
    {
        using Interruption interruption = environment.ListenForInterruption();
        Uri address = ServerAddress.Find(result.GetValue(server), environment.Variables);
        using var api = new ApiClient(address, ClientToken.Find(
            result.GetValue<string?>(Token), address, environment.Variables,
            ClientToken.FileBeside(ServerAddress.File)));
        try
        {
            return ask(api, interruption.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }
}
