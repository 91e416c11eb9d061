using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Console.Training;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Embedded;
using Backprop.Training;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop train</c>.</summary>
internal static class TrainCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var resume = new Option<bool>("--resume")
        {
            Description = "Go on from the newest checkpoint; without one, start",
        };
        var restart = new Option<bool>("--restart")
        {
            Description = "Start anew, and discard the checkpoints of an interrupted run",
        };
        var output = new Option<string?>("--output")
        {
            Description = "The directory for checkpoints and results [default: runs/<name>]",
            HelpName = "DIR",
        };
        var summary = new Option<string?>("--summary")
        {
            Description = "A second copy of summary.json: losses, metrics, time, SHA-256",
            HelpName = "FILE",
        };
        Option<int?> workers = Count("--workers", "Train with so many workers in this process");
        Option<int?> servers = Count(
            "--parameter-servers", "And with so many parameter servers [default: 1]");
        var command = new Command("train", "Train a network, and watch it learn")
        {
            specification, resume, restart, workers, servers, threads, output, summary,
            configuration,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(resume) && result.GetValue(restart))
            {
                result.AddError("--resume and --restart exclude each other");
            }

            if (result.GetValue(servers) is not null && result.GetValue(workers) is null)
            {
                result.AddError("--parameter-servers needs --workers as well");
            }
        });
        command.SetAction(result => Run(
            new TrainArguments(
                result.GetRequiredValue(specification), result.GetValue(resume),
                result.GetValue(restart), result.GetValue(output), result.GetValue(summary),
                result.GetValue(workers) is { } count
                    ? new EmbeddedSize(count, result.GetValue(servers) ?? 1)
                    : null),
            SharedOptions.ReadNode(
                result.GetValue(configuration), result.GetValue(threads), environment),
            ResumeCommand.Of(result, environment.Program), environment.For(result)));
        return command;
    }

    private static Option<int?> Count(string name, string description)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = "N" };
        option.Validators.Add(result =>
        {
            if (result.GetValue(option) is < 1 or > EmbeddedOptions.MaxNodes)
            {
                result.AddError(
                    $"{name} is {result.GetValue(option)}, where 1 to {EmbeddedOptions.MaxNodes}"
                    + " may be");
            }
        });
        return option;
    }

    private static int Run(
        TrainArguments arguments, NodeConfiguration node, string resumeCommand,
        CommandEnvironment environment)
    {
        LayerPlugins plugins = node.Plugins.Load();
        RunSpecification specification = SpecificationFile.Read(arguments.Specification, plugins);
        if (arguments.Summary is string summary)
        {
            DurableFile.RequireDirectory(summary);
        }

        string path = arguments.Output ?? Path.Combine(node.Output, specification.Name);
        using RunDirectory directory = RunDirectory.Open(path);
        using Interruption interruption = environment.ListenForInterruption();
        ITrainingSession session = arguments.Cluster is { } size
            ? new EmbeddedSession(
                specification, arguments, size, node, plugins, directory, environment.Time)
            : new TrainingSession(specification, arguments, node, directory, environment.Time);
        var thread = new ComputeThread<TrainingOutcome>(
            "training", () => session.Run(interruption.Token));
        new TrainingView(environment).Show(session, thread);
        TrainingOutcome outcome = thread.Result();
        return Report(outcome, directory, node.EffectiveThreads, resumeCommand, environment);
    }

    private static int Report(
        TrainingOutcome outcome, RunDirectory directory, int threads, string resumeCommand,
        CommandEnvironment environment)
    {
        foreach (string line in outcome.Warnings)
        {
            environment.Error.WriteLine($"backprop: {line}");
        }

        bool isInterrupted = outcome.Result.Members[^1].Stop.Kind == StopKind.Interrupted;
        string? resume = isInterrupted ? resumeCommand : null;
        if (environment.IsJson)
        {
            environment.Tell("end", new
            {
                summary = RunSummary.Of(outcome.Result, threads),
                resumedAt = outcome.ResumedAt,
                directory = directory.Path,
                model = isInterrupted ? null : directory.ModelFile,
                resume,
            });
        }
        else
        {
            string[] how = resume is null ? [] : [$"resume with: {resume}"];
            foreach (string line in
                OutcomeText.Write(outcome, directory, environment).Concat(how))
            {
                environment.Output.WriteLine(line);
            }
        }

        if (isInterrupted)
        {
            return ExitCode.Interrupted;
        }

        StopDecision[] failures =
        [
            .. outcome.Result.Members.Select(member => member.Stop)
                .Where(stop => stop.Kind == StopKind.NonFinite),
        ];
        foreach (StopDecision failure in failures)
        {
            environment.Error.WriteLine($"backprop: training failed: {failure.Reason}. "
                + "The weights before that step are kept. A smaller learning rate, or "
                + "clipping, may help");
        }

        return failures.Length == 0 ? ExitCode.Done : ExitCode.Failure;
    }
}
