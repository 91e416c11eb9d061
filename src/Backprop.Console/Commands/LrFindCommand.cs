using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop lr-find</c>.</summary>
internal static class LrFindCommand
{
    private const float DefaultFrom = 1e-7f;
    private const float DefaultTo = 10;
    private const int DefaultSteps = 100;
    private const int MostLines = 25;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var from = new Option<float>("--from")
        {
            Description = "The least learning rate",
            HelpName = "RATE",
            DefaultValueFactory = _ => DefaultFrom,
        };
        var to = new Option<float>("--to")
        {
            Description = "The greatest learning rate",
            HelpName = "RATE",
            DefaultValueFactory = _ => DefaultTo,
        };
        var steps = new Option<int>("--steps")
        {
            Description = "Steps to train, each with a larger rate",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultSteps,
        };
        var command = new Command(
            "lr-find", "Suggest a learning rate: train some steps with ever larger ones")
        {
            specification, from, to, steps, threads, configuration,
        };
        command.SetAction(result =>
        {
            RunSpecification read = SpecificationFile.Read(
                result.GetRequiredValue(specification),
                SharedOptions.Plugins(result, configuration, environment));
            var sweep = new RateSweep(
                result.GetValue(from), result.GetValue(to), result.GetValue(steps));
            if (sweep.Refusal() is { } refusal)
            {
                throw new MistakeException($"--from, --to, --steps: {refusal}");
            }

            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            using Interruption interruption = environment.ListenForInterruption();
            RateFinding finding = new ComputeThread<RateFinding>(
                "lr-find",
                () => Find(read, sweep, count, environment.Time, interruption.Token)).Result();
            return Report(read, finding, environment.For(result), interruption.Token);
        });
        return command;
    }

    private static RateFinding Find(
        RunSpecification specification, RateSweep sweep, int threads, TimeProvider time,
        CancellationToken cancellation)
    {
        using PlannedRun run = SpecificationFile.Plan(specification);
        using var pool = new ComputePool(threads);
        return RateFinder.Find(run.Plan, sweep, pool, time, cancellation);
    }

    private static int Report(
        RunSpecification run, RateFinding finding, CommandEnvironment environment,
        CancellationToken cancellation)
    {
        environment.Answer(
            new
            {
                suggestion = finding.Suggestion,
                lowest = finding.Lowest,
                ended = finding.Ended,
                points = finding.Points,
            },
            Lines(run, finding, environment.Width));
        return cancellation.IsCancellationRequested ? ExitCode.Interrupted
            : finding.Suggestion is null ? ExitCode.Failure
            : ExitCode.Done;
    }

    private static IEnumerable<string> Lines(RunSpecification run, RateFinding finding, int width)
    {
        int every = Math.Max(1, (finding.Points.Length + MostLines - 1) / MostLines);
        IReadOnlyList<string>[] rows =
        [
            .. finding.Points.Index()
                .Where(one => one.Index % every == 0 || IsMarked(one.Item, finding))
                .Select(one => (IReadOnlyList<string>)
                [
                    NumberText.Short(one.Item.Rate), NumberText.Short(one.Item.Loss),
                    NumberText.Short(one.Item.Smoothed),
                    one.Item.Rate == finding.Suggestion ? "steepest"
                        : one.Item.Rate == finding.Lowest ? "lowest"
                        : "",
                ]),
        ];
        foreach (string line in TextTable.Write(
            ["learning rate", "loss", "smoothed", ""], rows, width))
        {
            yield return line;
        }

        yield return finding.Ended;
        yield return finding.Suggestion is { } rate
            ? $"suggestion: {run.Optimizer.Name} {{ learning-rate = {NumberText.Short(rate)} }} "
                + $"(the specification has {NumberText.Full(run.Optimizer.LearningRate)})"
            : "no suggestion: the loss falls at none of these rates; try others, or more steps";
    }

    private static bool IsMarked(RatePoint point, RateFinding finding) =>
        point.Rate == finding.Suggestion || point.Rate == finding.Lowest;
}
