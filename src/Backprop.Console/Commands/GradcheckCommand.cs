using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop gradcheck</c>.</summary>
internal static class GradcheckCommand
{
    // The analytic gradient is of single precision: about seven digits before sums cancel.
    private const double DefaultTolerance = 1e-3;
    private const int DefaultElements = 20;
    private const int DefaultRows = 16;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var tolerance = new Option<double>("--tolerance")
        {
            Description = "The largest relative difference that is accepted",
            HelpName = "X",
            DefaultValueFactory = _ => DefaultTolerance,
        };
        var elements = new Option<int>("--elements")
        {
            Description = "The most parameters to check of a tensor",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultElements,
        };
        var rows = new Option<int>("--rows")
        {
            Description = "The most samples to compute the loss of",
            HelpName = "N",
            DefaultValueFactory = _ => DefaultRows,
        };
        var command = new Command(
            "gradcheck", "Hold backpropagation against numeric derivatives")
        {
            specification, tolerance, elements, rows, threads, configuration,
        };
        command.SetAction(result =>
        {
            double accepted = result.GetValue(tolerance);
            int perTensor = AtLeastOne("--elements", result.GetValue(elements));
            int most = AtLeastOne("--rows", result.GetValue(rows));
            if (!(accepted > 0))
            {
                throw new MistakeException($"--tolerance: {accepted} is not above 0");
            }

            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            string path = result.GetRequiredValue(specification);
            RunSpecification read = SpecificationFile.Read(
                path, SharedOptions.Plugins(result, configuration, environment));
            ImmutableArray<TensorGradientCheck> checks =
                new ComputeThread<ImmutableArray<TensorGradientCheck>>(
                    "gradcheck", () => Check(read, perTensor, most, count)).Result();
            return Report(checks, accepted, environment.For(result));
        });
        return command;
    }

    private static ImmutableArray<TensorGradientCheck> Check(
        RunSpecification specification, int elements, int mostRows, int threads)
    {
        using PlannedRun run = SpecificationFile.Plan(specification);
        TrainingPlan plan = run.Plan;
        if (plan.Backward == BackwardRule.ErrorSplitting)
        {
            throw new MistakeException(
                "backward = error-splitting does not compute gradients, so there is nothing to "
                + "check them against; train reports how far they are from true ones");
        }

        int rows = (int)Math.Min(Math.Min(mostRows, plan.BatchSize), plan.Train.Count);
        BatchLoader loader = (plan with { BatchSize = rows }).NewLoader(
            TargetReading.For(plan).Writing);
        using Batch batch = loader.NewBatch(rows);
        loader.Load(0, 0, rows, batch);
        using var pool = new ComputePool(threads);
        using var weights = new AlignedBuffer(plan.Network.Layout.Length);
        plan.Network.InitializeWeights(plan.Seed, weights);
        var work = new StepWork(
            plan.Seed, 0, new MicroBatches(rows, Math.Min(plan.MicroBatches, rows)));
        return GradientCheck.Run(
            plan.Network, plan.Loss, weights, batch, work, elements, pool);
    }

    private static int Report(
        ImmutableArray<TensorGradientCheck> checks, double tolerance,
        CommandEnvironment environment)
    {
        // Written so that a difference which is not a number fails.
        TensorGradientCheck[] failed =
            [.. checks.Where(check => !(check.MaxRelativeError <= tolerance))];
        IReadOnlyList<string>[] rows =
        [
            .. checks.Select(check => (IReadOnlyList<string>)
            [
                check.Name, $"{check.Checked}/{check.Length}",
                check.Worst is CheckedElement a ? NumberText.Short(a.Analytic) : "",
                check.Worst is CheckedElement n ? NumberText.Short(n.Numeric) : "",
                NumberText.Short(check.MaxRelativeError),
                failed.Contains(check) ? "FAILS" : "ok",
            ]),
        ];
        string[] head = ["parameter", "checked", "analytic", "numeric", "difference", ""];
        string[] verdict = failed.Length > 0
            ? []
            :
            [
                $"every gradient agrees, to {NumberText.Short(tolerance)} of its size "
                    + "(0: to single precision)",
            ];
        environment.Answer(
            new { agrees = failed.Length == 0, tolerance, tensors = checks },
            TextTable.Write(head, rows, environment.Width).Concat(verdict));
        if (failed.Length == 0)
        {
            return ExitCode.Done;
        }

        environment.Error.WriteLine(
            $"backprop: {failed.Length} of {checks.Length} tensors differ by more than "
            + $"{NumberText.Short(tolerance)}: " + string.Join(", ", failed.Select(f => f.Name)));
        return ExitCode.Failure;
    }

    private static int AtLeastOne(string option, int value) => value >= 1
        ? value
        : throw new MistakeException($"{option}: {value} is not at least 1");
}
