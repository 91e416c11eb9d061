using System.CommandLine;
using Backprop.Console.Client;
using Backprop.Training.Protocol;

namespace Backprop.Console.Commands;

/// <summary>What the commands have in common that ask a cluster.</summary>
internal static class ClientOptions
{
    /// <summary>The option that says where the cluster is.</summary>
    public const string ServerName = "--server";

    private const string Token = "--token";
    private const string AuthorityName = "--authority";

    /// <summary>Where the cluster is.</summary>
    public static Option<string?> Server() => new(ServerName)
    {
        Description = "The cluster's API [default: the last 'cluster up', or"
            + $" ${ServerAddress.Variable}]",
        HelpName = "URL",
    };

    /// <summary>Whose word it is that the cluster is the one that it says it is.</summary>
    public static Option<string?> Authority() => new(AuthorityName)
    {
        Description = "The certificate of the cluster's authority, in PEM [default:"
            + $" ${TrustedAuthority.Variable}, or those that this machine knows]",
        HelpName = "FILE",
    };

    /// <summary>Gives every command that asks a cluster the options of a token and of an authority.
    /// </summary>
    public static void AddAccess(Command command)
    {
        if (command.Options.Any(option => option.Name == ServerName)
            && command.Options.All(option => option.Name != Token))
        {
            command.Add(new Option<string?>(Token)
            {
                Description = "The token that the cluster wants; better in"
                    + $" ${ClientToken.Variable}, where others do not see it",
                HelpName = "TOKEN",
            });
            command.Add(Authority());
        }

        foreach (Command inner in command.Subcommands)
        {
            AddAccess(inner);
        }
    }

    /// <summary>The run.</summary>
    public static Argument<string> Run(CommandEnvironment environment)
    {
        Argument<string> run = SharedOptions.FileArgument(
            "RUN", "A run's name, how it begins, or 'latest'");
        run.CompletionSources.Add(context => RunNames.Complete(context, environment));
        return run;
    }

    /// <summary>A client of the cluster that a command line means.</summary>
    public static ApiClient Connect(ParseResult result, CommandEnvironment environment)
    {
        Uri address = ServerAddress.Find(
            result.GetValue<string?>(ServerName), environment.Variables);
        return new ApiClient(address, ClientToken.Find(
            result.GetValue<string?>(Token), address, environment.Variables,
            ClientToken.FileBeside(ServerAddress.File)), HandlerOf(result, environment));
    }

    /// <summary>Makes the connections of a command that has the options.</summary>
    public static HttpMessageHandler HandlerOf(
        ParseResult result, CommandEnvironment environment) => TrustedAuthority.Handler(
            result.GetValue<string?>(AuthorityName), environment.Variables);

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
        using ApiClient api = Connect(result, environment);
        try
        {
            return ask(api, wanted, interruption.Token).GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            return ExitCode.Interrupted;
        }
    }

    /// <summary>A command that asks a cluster about one run.</summary>
    /// <param name="environment">What the command works with.</param>
    /// <param name="name">What it is called.</param>
    /// <param name="description">What it does, for its help.</param>
    /// <param name="ask">What it does.</param>
    /// <param name="options">Its own options.</param>
    public static Command AboutRun(
        CommandEnvironment environment, string name, string description,
        Func<AskedRun, Task<int>> ask, params ReadOnlySpan<Option> options)
    {
        Argument<string> run = Run(environment);
        Option<string?> server = Server();
        var command = new Command(name, description) { run };
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.Add(server);
        command.SetAction(result => Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                return await ask(new AskedRun(api, id, result, wanted, interrupted));
            }));
        return command;
    }
}

/// <summary>What a command about one run is handed.</summary>
/// <param name="Api">The cluster.</param>
/// <param name="Run">The run.</param>
/// <param name="CommandLine">The command line.</param>
/// <param name="Wanted">The environment as the command line wants it.</param>
/// <param name="Interrupted">The user has had enough.</param>
internal sealed record AskedRun(
    ApiClient Api, RunId Run, ParseResult CommandLine, CommandEnvironment Wanted,
    CancellationToken Interrupted);
