using System.CommandLine;
using System.CommandLine.Completions;
using System.CommandLine.Parsing;
using Backprop.Console.Commands;
using Backprop.Console.Completion;

namespace Backprop.Console;

/// <summary>The program's commands.</summary>
internal static class BackpropCommandLine
{
    /// <summary>The command line, for running and for tests that hold documents to it.</summary>
    public static RootCommand Create(CommandEnvironment environment)
    {
        var root = new RootCommand(
            "Trains neural networks, to the same bits on any number of workers and threads.\n"
            + "Exit codes: 0 done, 1 failed, 2 a mistake of yours, 130 interrupted.")
        {
            TrainCommand.Create(environment),
            CrossValidateCommand.Create(environment),
            EvaluateCommand.Create(environment),
            PredictCommand.Create(environment),
            ExportCommand.Create(environment),
            DataCommand.Create(environment),
            GenerateCommand.Create(environment),
            DescribeCommand.Create(environment),
            GradcheckCommand.Create(environment),
            LrFindCommand.Create(environment),
            SweepCommand.Create(environment),
            ExplainCommand.Create(environment),
            ReplayCommand.Create(environment),
            SimulateCommand.Create(environment),
            NodeCommand.Create(environment),
            DoctorCommand.Create(environment),
            ClusterCommand.Create(environment),
            SubmitCommand.Create(environment),
            RunsCommand.Create(environment),
            SweepsCommand.Create(environment),
            TimelineCommand.Create(environment),
        };
        foreach (Command command in RunCommands.Create(environment))
        {
            root.Add(command);
        }

        root.Add(TopCommand.Create(environment));
        ClientOptions.AddAccess(root);

        // These ask what anybody may, or nobody over HTTP.
        root.Add(HealthCommand.Create(environment));
        root.Add(TokenCommand.Create(environment));
        root.Add(CertsCommand.Create(environment));
        root.Add(StateCommand.Create(environment));
        root.Add(CompletionCommand.Create(environment));
        root.Add(SharedOptions.Json());
        foreach (SuggestDirective suggest in root.Directives.OfType<SuggestDirective>())
        {
            suggest.Action = new SuggestAction(suggest, environment.Output);
        }

        return root;
    }

    /// <summary>Runs a command; returns the program's exit code.</summary>
    public static int Run(IReadOnlyList<string> arguments, CommandEnvironment environment)
    {
        RootCommand root = Create(environment);
        ParseResult result = root.Parse(arguments);
        if (result.Errors.Count > 0)
        {
            foreach (ParseError error in result.Errors)
            {
                environment.Error.WriteLine($"backprop: {error.Message}");
            }

            string command = result.CommandResult.Command == root
                ? ""
                : $"{result.CommandResult.Command.Name} ";
            environment.Error.WriteLine($"'backprop {command}--help' tells what it takes");
            return ExitCode.Mistake;
        }

        try
        {
            return result.Invoke(new InvocationConfiguration
            {
                Output = environment.Output,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception failure)
        {
            return FailureReport.Write(failure, environment.Error);
        }
    }
}
