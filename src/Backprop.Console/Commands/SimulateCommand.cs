using System.CommandLine;
using System.Globalization;
using System.Text;
using Backprop.Console.Rendering;
using Backprop.Console.Simulation;
using Backprop.Training.Simulation;

namespace Backprop.Console.Commands;

/// <summary><c>backprop simulate</c>.</summary>
internal static class SimulateCommand
{
    private const string DefaultSeeds = "1..1000";

    private static readonly TimeSpan s_progress = TimeSpan.FromSeconds(10);

    public static Command Create(CommandEnvironment environment)
    {
        var seeds = new Option<string>("--seeds")
        {
            Description = "The seeds: a cluster, a run and what goes wrong are a function of each",
            HelpName = "A..B",
            DefaultValueFactory = _ => DefaultSeeds,
        };
        Option<int?> threads = SharedOptions.Threads();
        var trace = new Option<bool>("--trace")
        {
            Description = "Write all that happens, whether it fails or not",
        };
        var plant = new Option<PlantedBug>("--plant")
        {
            Description = "A mistake to make, to see that it is found",
            HelpName = "BUG",
        };
        var command = new Command(
            "simulate", "Simulate clusters in which everything goes wrong, a seed each")
        {
            seeds, threads, trace, plant,
        };
        command.SetAction(result =>
        {
            string text = result.GetRequiredValue(seeds);
            SeedRange range = SeedRange.Parse(text) ?? throw new MistakeException(
                $"--seeds: '{text}' is no range of seeds; {DefaultSeeds} is one");
            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            PlantedBug bug = result.GetValue(plant);
            using Interruption interruption = environment.ListenForInterruption();
            CommandEnvironment wanted = environment.For(result);
            return result.GetValue(trace)
                ? Trace(range, bug, interruption.Token, wanted)
                : Sweep(range, count, bug, interruption.Token, wanted);
        });
        return command;
    }

    private static int Sweep(
        SeedRange seeds, int threads, PlantedBug bug, CancellationToken interruption,
        CommandEnvironment environment)
    {
        long began = environment.Time.GetTimestamp();
        void Tell(SweepState state)
        {
            if (environment.IsJson)
            {
                return;
            }

            double rate = state.Done / environment.Time.GetElapsedTime(began).TotalSeconds;
            environment.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{state.Done} seeds, {rate:0.0} a second"));
        }

        SweepState end = new SeedSweep(seeds, bug, interruption).Run(threads, s_progress, Tell);
        Tell(end);
        environment.Answer(
            new
            {
                seeds = end.Done,
                failed = end.Failed is { } one ? new { one.Seed, one.Failure } : null,
                statistics = end.Statistics,
            },
            Statistics(end.Statistics, environment.Width));
        if (end.Failed is { } failed)
        {
            Report(failed.Seed, bug, environment);
            return ExitCode.Failure;
        }

        return interruption.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Done;
    }

    // The seed repeats it, this time with its trace.
    private static void Report(ulong seed, PlantedBug bug, CommandEnvironment environment)
    {
        SimulationOutcome again = ClusterSimulator.Run(
            seed, bug, ClusterSimulator.UsualTraceLines);
        foreach (string line in environment.IsJson ? [] : again.Trace)
        {
            environment.Output.WriteLine(line);
        }

        environment.Error.WriteLine($"backprop: seed {seed} fails: {again.Failure}");
        string planted = bug == PlantedBug.None ? "" : $" --plant {bug}";
        environment.Error.WriteLine(
            $"'backprop simulate --seeds {seed} --trace{planted}' shows it from the beginning");
    }

    private static int Trace(
        SeedRange seeds, PlantedBug bug, CancellationToken interruption,
        CommandEnvironment environment)
    {
        for (ulong seed = seeds.First; !interruption.IsCancellationRequested; seed++)
        {
            SimulationOutcome outcome = ClusterSimulator.Run(seed, bug, int.MaxValue);
            environment.Answer(
                new { outcome.Seed, outcome.Failure, outcome.Trace, outcome.Statistics },
                outcome.Failure is null
                    ? outcome.Trace.Append($"seed {seed} ends in the single process's bits")
                    : outcome.Trace);
            if (outcome.Failure is { } failure)
            {
                environment.Error.WriteLine($"backprop: seed {seed} fails: {failure}");
                return ExitCode.Failure;
            }

            if (seed == seeds.Last)
            {
                return ExitCode.Done;
            }
        }

        return ExitCode.Interrupted;
    }

    private static IEnumerable<string> Statistics(SimulationStatistics statistics, int width)
    {
        IReadOnlyList<string>[] rows =
        [
            .. statistics.All().Select(one => (IReadOnlyList<string>)
            [
                Words(one.Name), one.Count.ToString(CultureInfo.InvariantCulture),
            ]),
        ];
        return TextTable.Write(["what", "times"], rows, width);
    }

    // FailedSlices: failed slices.
    private static string Words(string name)
    {
        var words = new StringBuilder();
        foreach (char letter in name)
        {
            if (char.IsAsciiLetterUpper(letter) && words.Length > 0)
            {
                words.Append(' ');
            }

            words.Append(char.ToLowerInvariant(letter));
        }

        return words.ToString();
    }
}
