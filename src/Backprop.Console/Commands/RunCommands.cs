using System.CommandLine;
using System.Globalization;
using Backprop.Console.Rendering;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Console.Commands;

/// <summary>The commands about one run of a cluster: <c>watch</c>, <c>pause</c>, <c>resume</c>,
/// <c>stop</c>, <c>checkpoints</c>, <c>download</c>.</summary>
internal static class RunCommands
{
    private static readonly string[] s_checkpointHead =
        ["version", "epoch", "size", "best weights", "committed"];

    public static IEnumerable<Command> Create(CommandEnvironment environment) =>
    [
        Watch(environment),
        Control(environment, RunControl.Pause, "Save a checkpoint and let go of the workers",
            "is about to pause"),
        Control(environment, RunControl.Resume, "Let a paused run go on", "goes on"),
        Control(environment, RunControl.Stop, "End a run; its checkpoints stay", "is stopped"),
        Checkpoints(environment),
        Download(environment),
    ];

    private static Command Watch(CommandEnvironment environment)
    {
        Argument<string> run = ClientOptions.Run(environment);
        Option<string?> server = ClientOptions.Server();
        var command = new Command("watch", "Follow a run of a cluster until its end")
        {
            run, server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                return await new RunWatch(api, wanted).FollowAsync(id, interrupted);
            }));
        return command;
    }

    private static Command Control(
        CommandEnvironment environment, RunControl control, string description, string done)
    {
        Argument<string> run = ClientOptions.Run(environment);
        Option<string?> server = ClientOptions.Server();
        var command = new Command(control.ToString().ToLowerInvariant(), description)
        {
            run, server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                await api.ControlAsync(id, control, interrupted);
                wanted.Answer(new { id, control }, [$"{id} {done}"]);
                return ExitCode.Done;
            }));
        return command;
    }

    private static Command Checkpoints(CommandEnvironment environment)
    {
        Argument<string> run = ClientOptions.Run(environment);
        Option<string?> server = ClientOptions.Server();
        var command = new Command("checkpoints", "List a run's checkpoints, newest first")
        {
            run, server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                RunView view = await api.RunAsync(id, interrupted);
                wanted.Answer(view.Checkpoints, view.Checkpoints.IsEmpty
                    ? [$"{id} has no checkpoint yet"]
                    : TextTable.Write(
                        s_checkpointHead, [.. view.Checkpoints.Select(Row)], wanted.Width));
                return ExitCode.Done;
            }));
        return command;
    }

    private static string[] Row(CheckpointView checkpoint) =>
    [
        NumberText.Count(checkpoint.Version), NumberText.Count(checkpoint.Epoch + 1),
        NumberText.Bytes(checkpoint.Bytes), checkpoint.HasBest ? "yes" : "no",
        checkpoint.Committed.ToLocalTime()
            .ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
    ];

    private static Command Download(CommandEnvironment environment)
    {
        Argument<string> run = ClientOptions.Run(environment);
        Option<string?> server = ClientOptions.Server();
        var output = new Option<string?>("--output")
        {
            Description = "The file to write [default: <run>.bpm]",
            HelpName = "FILE",
        };
        var command = new Command("download", "Get the network that a run has trained")
        {
            run, output, server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                string file = result.GetValue(output) ?? $"{id}.bpm";
                string sha256 = await api.DownloadAsync(id, file, interrupted);
                wanted.Answer(
                    new { id, file, sha256 }, [$"{file} written, sha-256 {sha256}"]);
                return ExitCode.Done;
            }));
        return command;
    }
}
