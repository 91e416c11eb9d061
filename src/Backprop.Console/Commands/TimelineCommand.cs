using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Console.Commands;

/// <summary><c>backprop timeline</c>.</summary>
internal static class TimelineCommand
{
    private const int DefaultSteps = 16;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> run = ClientOptions.Run(environment);
        var steps = new Option<int>("--steps")
        {
            Description = "How many steps to show, the newest",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultSteps,
        };
        var chrome = new Option<string?>("--chrome")
        {
            Description = "Write all of it to a file for Chrome's trace viewers, and show nothing",
            HelpName = "FILE",
        };
        Option<string?> server = ClientOptions.Server();
        var command = new Command(
            "timeline", "Show how long workers and servers took in a run's last steps")
        {
            run, steps, chrome, server,
        };
        command.SetAction(result => ClientOptions.Ask(
            result, server, environment, async (api, wanted, interrupted) =>
            {
                if (result.GetValue(steps) is < 1 and var wrong)
                {
                    throw new MistakeException($"--steps {wrong}: at least 1 would be right");
                }

                RunId id = await api.FindAsync(result.GetRequiredValue(run), interrupted);
                if (result.GetValue(chrome) is { } file)
                {
                    byte[] trace = await api.ChromeTraceAsync(id, interrupted);
                    DurableFile.Write(file, stream => stream.Write(trace));
                    wanted.Answer(new { id, file }, [$"{file} written"]);
                    return ExitCode.Done;
                }

                TimelineView view = await api.TimelineAsync(id, interrupted);
                wanted.Answer(
                    view, TimelineText.Lines(view, result.GetValue(steps), wanted.Width));
                return ExitCode.Done;
            }));
        return command;
    }
}
