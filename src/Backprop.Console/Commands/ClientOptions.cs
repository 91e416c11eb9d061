using System.CommandLine;
using Backprop.Console.Client;

namespace Backprop.Console.Commands;

/// <summary>What the commands have in common that ask a cluster.</summary>
internal static class ClientOptions
{
    /// <summary>Where the cluster is.</summary>
    public static Option<string?> Server() => new("--server")
    {
        Description = "The cluster's API [default: the last 'cluster up', or"
            + $" ${ServerAddress.Variable}]",
        HelpName = "URL",
    };

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
        using var api = new ApiClient(
            ServerAddress.Find(result.GetValue(server), environment.Variables));
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
