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

    private static Command Watch(CommandEnvironment environment) => ClientOptions.AboutRun(
        environment, "watch", "Follow a run of a cluster until its end",
        async asked => await new RunWatch(asked.Api, asked.Wanted)
            .FollowAsync(asked.Run, asked.Interrupted));

    private static Command Control(
        CommandEnvironment environment, RunControl control, string description, string done) =>
        ClientOptions.AboutRun(
            environment, control.ToString().ToLowerInvariant(), description, async asked =>
            {
                RunId id = asked.Run;
                await asked.Api.ControlAsync(id, control, asked.Interrupted);
                asked.Wanted.Answer(new { id, control }, [$"{id} {done}"]);
                return ExitCode.Done;
            });

    private static Command Checkpoints(CommandEnvironment environment) => ClientOptions.AboutRun(
        environment, "checkpoints", "List a run's checkpoints, newest first", async asked =>
        {
            RunView view = await asked.Api.RunAsync(asked.Run, asked.Interrupted);
            asked.Wanted.Answer(view.Checkpoints, view.Checkpoints.IsEmpty
                ? [$"{asked.Run} has no checkpoint yet"]
                : TextTable.Write(
                    s_checkpointHead, [.. view.Checkpoints.Select(Row)], asked.Wanted.Width));
            return ExitCode.Done;
        });

    private static string[] Row(CheckpointView checkpoint) =>
    [
        NumberText.Count(checkpoint.Version), NumberText.Count(checkpoint.Epoch + 1),
        NumberText.Bytes(checkpoint.Bytes), checkpoint.HasBest ? "yes" : "no",
        checkpoint.Committed.ToLocalTime()
            .ToString("MM-dd HH:mm:ss", CultureInfo.InvariantCulture),
    ];

    private static Command Download(CommandEnvironment environment)
    {
        var output = new Option<string?>("--output")
        {
            Description = "The file to write [default: <run>.bpm]",
            HelpName = "FILE",
        };
        return ClientOptions.AboutRun(
            environment, "download", "Get the network that a run has trained", async asked =>
            {
                RunId id = asked.Run;
                string file = asked.CommandLine.GetValue(output) ?? $"{id}.bpm";
                string sha256 = await asked.Api.DownloadAsync(id, file, asked.Interrupted);
                asked.Wanted.Answer(
                    new { id, file, sha256 }, [$"{file} written, sha-256 {sha256}"]);
                return ExitCode.Done;
            },
            output);
    }
}
