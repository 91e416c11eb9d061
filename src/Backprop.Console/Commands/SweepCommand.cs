using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Storage;
using Backprop.Console.Sweeps;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Commands;

/// <summary><c>backprop sweep</c>.</summary>
internal static class SweepCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.FileArgument(
            "SWEEP", "The sweep's specification");
        Option<string?> server = ClientOptions.Server();
        server.Description =
            "Let a cluster train it, by its API [default: it is trained in this process]";
        var detach = new Option<bool>("--detach")
        {
            Description = "Hand it to the cluster, and do not follow it",
        };
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
            specification, output, server, detach, priority, threads, configuration,
        };
        command.SetAction(result =>
        {
            string file = result.GetRequiredValue(specification);
            SweepSpecification sweep = SweepSpecificationReader.Read(
                SpecificationFile.ReadText(file), file, new IncludedSpecifications());
            SweepPlan plan = PlanOf(
                sweep, file, SharedOptions.Plugins(result, configuration, environment));
            string directory =
                result.GetValue(output) ?? Path.Combine("runs", sweep.Name);
            if (result.GetValue(server) is null)
            {
                if (result.GetValue(detach))
                {
                    throw new MistakeException(
                        "--detach leaves a sweep to a cluster: --server says to which");
                }

                using Interruption interruption = environment.ListenForInterruption();
                var trials = new LocalTrials(
                    result.GetValue(threads) ?? Environment.ProcessorCount, environment.Time);
                return Run(
                    plan, SweepDirectory.Open(directory), trials, environment.For(result),
                    interruption.Token);
            }

            return ClientOptions.Ask(
                result, server, environment, async (api, wanted, interrupted) =>
                {
                    RequireForCluster(plan);
                    var cluster = new ClusterSweep(api, wanted.Time);
                    SweepId id = await cluster.SubmitAsync(
                        new SweepSubmission(sweep.ResolvedText, plan.RunText), file,
                        result.GetValue(priority), interrupted);
                    if (result.GetValue(detach))
                    {
                        wanted.Answer(
                            new SubmittedSweep(id),
                            [
                                $"submitted: {id}",
                                $"'backprop sweeps show {id}' shows how far it is",
                            ]);
                        return ExitCode.Done;
                    }

                    return await FollowAsync(
                        cluster, id, new SweepReport(plan, SweepDirectory.Open(directory), wanted),
                        wanted, interrupted);
                });
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

    // Mistakes are told with their places in the files of whoever has made them.
    private static void RequireForCluster(SweepPlan plan)
    {
        foreach (SweepTrial trial in plan.Trials)
        {
            if (ClusterRules.Refusal(plan.RunOf(trial, plan.Rounds[0])) is { } mistake)
            {
                throw new SpecificationException([mistake]);
            }
        }
    }

    private static async Task<int> FollowAsync(
        ClusterSweep cluster, SweepId id, SweepReport report, CommandEnvironment environment,
        CancellationToken interrupted)
    {
        if (!environment.IsJson)
        {
            environment.Output.WriteLine($"submitted: {id}");
        }

        SweepDetail detail;
        try
        {
            detail = await cluster.FollowAsync(id, report, interrupted);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            environment.Error.WriteLine(
                $"backprop: interrupted; the cluster goes on with {id}, and the same command"
                + $" follows it again: 'backprop sweeps stop {id}' ends it");
            return ExitCode.Interrupted;
        }

        if (detail.Summary.Standing == SweepStanding.Stopped || detail.Ranked.IsEmpty)
        {
            environment.Error.WriteLine($"backprop: {id}: {detail.Summary.Reason}");
            return ExitCode.Failure;
        }

        return report.End([.. detail.Ranked.Select(trial => trial.ToOutcome())]);
    }

    private static int Run(
        SweepPlan plan, SweepDirectory directory, LocalTrials trainer,
        CommandEnvironment environment, CancellationToken cancellation)
    {
        var report = new SweepReport(plan, directory, environment);
        ImmutableArray<SweepTrial> trials = plan.Trials;
        var latest = new Dictionary<int, TrialOutcome>();
        foreach ((int index, SweepRound round) in plan.Rounds.Index())
        {
            ImmutableArray<TrialOutcome> outcomes = Train(
                plan, index + 1, trials, directory, trainer, report, cancellation);
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

        return report.End(plan.Ranked(latest.Values));
    }

    private static ImmutableArray<TrialOutcome> Train(
        SweepPlan plan, int number, ImmutableArray<SweepTrial> trials, SweepDirectory directory,
        LocalTrials trainer, SweepReport report, CancellationToken cancellation)
    {
        // A value that does not suit is told before the first trial is trained.
        var outcomes = ImmutableArray.CreateBuilder<TrialOutcome>();
        var missing = ImmutableArray.CreateBuilder<TrialRun>();
        foreach (SweepTrial trial in trials)
        {
            var run = new TrialRun(trial, plan.RunOf(trial, plan.Rounds[number - 1]));
            if (directory.Find(run) is { } known)
            {
                outcomes.Add(known with { Trial = trial.Number });
            }
            else
            {
                missing.Add(run);
            }
        }

        Dictionary<int, TrialRun> runs = missing.ToDictionary(trial => trial.Trial.Number);
        report.Begin(number, trials.Length);
        trainer.Train(
            missing.ToImmutable(),
            outcome =>
            {
                directory.Keep(runs[outcome.Trial], outcome);
                outcomes.Add(outcome);
                report.Tell(outcome, outcomes.Count, trials.Length);
            },
            cancellation);
        return outcomes.ToImmutable();
    }
}
