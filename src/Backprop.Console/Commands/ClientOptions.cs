using System.CommandLine;
using Backprop.Console.Client;

namespace Backprop.Console.Commands;

/// <summary>What the commands have in common that ask a cluster.</summary>
internal static class ClientOptions
{
    /// <summary>The option that says where the cluster is.</summary>
    public const string ServerName = "--server";

    /// <summary>Where the cluster is.</summary>
    public static Option<string?> Server() => new(ServerName)
    {
        Description = "The cluster's API [default: the last 'cluster up', or"
            + $" ${ServerAddress.Variable}]",
        HelpName = "URL",
    };

    /// <summary>The run.</summary>
    public static Argument<string> Run(CommandEnvironment environment)
    {
        Argument<string> run = SharedOptions.FileArgument(
            "RUN", "A run's name, how it begins, or 'latest'");
        run.CompletionSources.Add(context => RunNames.Complete(context, environment));
        return run;
    }

    /// <summary>Runs what a command does with the cluster, until it is done or interrupted.
    /// </summary>
    /// <param name="result">The command line.</param>
    /// <param name="server">The option that says where the cluster is.</param>
    /// <param name="environment">What the command works with.</param>
    /// <param name="ask">What it does; it is handed the environment as the command line wants it.
    /// </param>
    public static int Ask(
        ParseResult result, Option<string?> server, CommandEnvironment environment,
        Func<ApiClient, CommandEnvironment, CancellationToken, Task<int>> ask)
    {
        CommandEnvironment wanted = environment.For(result);
        using Interruption interruption = wanted.ListenForInterruption();
        using var api = new ApiClient(
            ServerAddress.Find(result.GetValue(server), environment.Variables));
        try
        {
            return ask(api, wanted, interruption.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }
}
