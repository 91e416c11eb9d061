using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Client;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Console.Sweeps;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Stopping;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Commands;

/// <summary><c>backprop sweep</c>.</summary>
internal static class SweepCommand
{
    private const int MostLines = 20;
    private const int ShownDigits = 8;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.FileArgument(
            "SWEEP", "The sweep's specification");
        Option<string?> server = ClientOptions.Server();
        server.Description = "Train the trials on a cluster, by its API [default: in this process]";
        var priority = new Option<int>("--priority")
        {
            Description = "Of the runs in the cluster's queue [default: 0]",
            HelpName = "N",
        };
        var output = new Option<string?>("--output")
        {
            Description = "The directory for what came out [default: runs/<name>]",
            HelpName = "DIR",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var command = new Command(
            "sweep", "Train a run with many values of some keys, and tell which are the best")
        {
            specification, output, server, priority, threads, configuration,
        };
        command.SetAction(result =>
        {
            string file = result.GetRequiredValue(specification);
            SweepSpecification sweep = SweepSpecificationReader.Read(
                SpecificationFile.ReadText(file), file, new IncludedSpecifications());
            SweepPlan plan = PlanOf(
                sweep, file, SharedOptions.Plugins(result, configuration, environment));
            SweepDirectory directory = SweepDirectory.Open(
                result.GetValue(output) ?? Path.Combine("runs", sweep.Name));
            if (result.GetValue(server) is null)
            {
                using Interruption interruption = environment.ListenForInterruption();
                var trials = new LocalTrials(
                    result.GetValue(threads) ?? Environment.ProcessorCount, environment.Time);
                return Run(
                    sweep, plan, directory, trials, environment.For(result), interruption.Token);
            }

            return ClientOptions.Ask(
                result, server, environment, (api, wanted, interrupted) => Task.FromResult(Run(
                    sweep, plan, directory, new ClusterTrials(api, result.GetValue(priority)),
                    wanted, interrupted)));
        });
        return command;
    }

    private static SweepPlan PlanOf(
        SweepSpecification sweep, string file, LayerPlugins plugins)
    {
        string folder = Path.GetDirectoryName(file) ?? "";
        string run = Path.Combine(folder, sweep.Run.Value);
        return SweepPlan.Of(
            sweep, SpecificationFile.ReadText(run), run, new IncludedSpecifications(), plugins);
    }

    private static int Run(
        SweepSpecification sweep, SweepPlan plan, SweepDirectory directory, ITrialTrainer trainer,
        CommandEnvironment environment, CancellationToken cancellation)
    {
        ImmutableArray<SweepTrial> trials = plan.Trials;
        var latest = new Dictionary<int, TrialOutcome>();
        foreach ((int number, SweepRound round) in plan.Rounds.Index())
        {
            var here = new Round(sweep, plan, round, directory, environment);
            ImmutableArray<TrialOutcome> outcomes =
                here.Train(number, trials, trainer, cancellation);
            if (outcomes.Length < trials.Length)
            {
                environment.Error.WriteLine(
                    "backprop: interrupted; the same command goes on with the trials that are "
                    + "not trained yet");
                return ExitCode.Interrupted;
            }

            foreach (TrialOutcome outcome in outcomes)
            {
                latest[outcome.Trial] = outcome;
            }

            trials = plan.Survivors(round, outcomes);
            if (trials.IsEmpty)
            {
                break;
            }
        }

        return Report(sweep, plan, directory, plan.Ranked(latest.Values), environment);
    }

    private static int Report(
        SweepSpecification sweep, SweepPlan plan, SweepDirectory directory,
        ImmutableArray<TrialOutcome> ranked, CommandEnvironment environment)
    {
        TrialOutcome? best = ranked[0].Metric is null ? null : ranked[0];
        if (best is not null)
        {
            directory.KeepBest(plan.RunOf(plan.Trials[best.Trial - 1], plan.Rounds[^1]));
        }

        environment.Answer(
            new
            {
                metric = plan.MetricName,
                best = best?.Trial,
                run = best is null ? null : directory.BestRun,
                trials = ranked.Select(outcome => new
                {
                    trial = outcome.Trial,
                    values = ValuesOf(sweep, plan, outcome),
                    epochs = outcome.Epochs,
                    metric = outcome.Metric,
                    weightsSha256 = outcome.WeightsSha256,
                    ended = outcome.Ended,
                }),
            },
            Lines(sweep, plan, directory, ranked, best, environment.Width));
        return best is null ? ExitCode.Failure : ExitCode.Done;
    }

    private static Dictionary<string, string> ValuesOf(
        SweepSpecification sweep, SweepPlan plan, TrialOutcome outcome) => sweep.Parameters
        .Zip(plan.Trials[outcome.Trial - 1].Values)
        .ToDictionary(pair => pair.Item1.Key.Value, pair => pair.Item2);

    private static IEnumerable<string> Lines(
        SweepSpecification sweep, SweepPlan plan, SweepDirectory directory,
        ImmutableArray<TrialOutcome> ranked, TrialOutcome? best, int width)
    {
        string[] head =
        [
            "trial", .. sweep.Parameters.Select(parameter => Short(parameter.Key.Value)),
            "epochs", plan.MetricName, "weights",
        ];
        IReadOnlyList<string>[] rows =
        [
            .. ranked.Take(MostLines).Select(outcome => (IReadOnlyList<string>)
            [
                $"{outcome.Trial}", .. plan.Trials[outcome.Trial - 1].Values,
                $"{outcome.Epochs}",
                outcome.Metric is { } metric ? NumberText.Short(metric) : "failed",
                outcome.WeightsSha256?[..ShownDigits] ?? "",
            ]),
        ];
        yield return "";
        foreach (string line in TextTable.Write(head, rows, width))
        {
            yield return line;
        }

        if (ranked.Length > MostLines)
        {
            yield return $"and {ranked.Length - MostLines} more";
        }

        yield return best is null
            ? $"every trial failed: {ranked[0].Ended}"
            : $"best: trial {best.Trial}; 'backprop train {directory.BestRun}' trains it to the"
                + " same weights";
    }

    // The last key says most, and whole paths would be wider than a page.
    private static string Short(string key) => key[(key.LastIndexOf('.') + 1)..];

    private sealed class Round(
        SweepSpecification sweep, SweepPlan plan, SweepRound round, SweepDirectory directory,
        CommandEnvironment environment)
    {
        public ImmutableArray<TrialOutcome> Train(
            int number, ImmutableArray<SweepTrial> trials, ITrialTrainer trainer,
            CancellationToken cancellation)
        {
            // A value that does not suit is told before the first trial is trained.
            var outcomes = ImmutableArray.CreateBuilder<TrialOutcome>();
            var missing = ImmutableArray.CreateBuilder<TrialRun>();
            foreach (SweepTrial trial in trials)
            {
                var run = new TrialRun(trial, plan.RunOf(trial, round));
                if (directory.Find(run) is { } known)
                {
                    outcomes.Add(known with { Trial = trial.Number });
                }
                else
                {
                    missing.Add(run);
                }
            }

            Dictionary<int, TrialRun> runs =
                missing.ToDictionary(trial => trial.Trial.Number);
            Begin(number, trials.Length);
            trainer.Train(
                missing.ToImmutable(),
                outcome =>
                {
                    directory.Keep(runs[outcome.Trial], outcome);
                    outcomes.Add(outcome);
                    Tell(outcome, outcomes.Count, trials.Length);
                },
                cancellation);
            return outcomes.ToImmutable();
        }

        private void Begin(int number, int trials)
        {
            if (!environment.IsJson && plan.Rounds.Length > 1)
            {
                environment.Output.WriteLine(
                    $"round {number + 1} of {plan.Rounds.Length}: {Counted.Of(trials, "trial")},"
                    + $" {Counted.Of(round.Epochs ?? plan.Epochs, "epoch")}");
            }
        }

        private void Tell(TrialOutcome outcome, int done, int of)
        {
            if (environment.IsJson)
            {
                return;
            }

            string values = string.Join(
                ", ",
                ValuesOf(sweep, plan, outcome).Select(pair => $"{Short(pair.Key)} {pair.Value}"));
            environment.Output.WriteLine(
                $"{done}/{of}: trial {outcome.Trial}, {values}: "
                + (outcome.Metric is { } metric
                    ? $"{plan.MetricName} {NumberText.Short(metric)}"
                    : outcome.Ended));
        }
    }
}
