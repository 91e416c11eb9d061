using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Models;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop evaluate</c>.</summary>
internal static class EvaluateCommand
{
    // A confusion matrix of more columns does not fit a terminal.
    private const int MostConfusionColumns = 12;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> model = SharedOptions.Model();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var data = new Option<string?>("--data")
        {
            Description = "A specification whose data to evaluate on [default: the model's own]",
            HelpName = "SPEC",
        };
        var part = new Option<string>("--part")
        {
            Description = "Which part of the data [default: test, else validation, else training]",
            HelpName = "NAME",
        };
        part.AcceptOnlyFromAmong("training", "validation", "test");
        var command = new Command(
            "evaluate", "Judge a trained network: loss, scores, confusion")
        {
            model, data, part, threads, configuration,
        };
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(model);
            LayerPlugins plugins = SharedOptions.Plugins(result, configuration, environment);
            string? specification = result.GetValue(data);
            string? chosen = result.GetValue(part);
            int count = result.GetValue(threads) ?? Environment.ProcessorCount;
            (string source, EvaluationMetrics metrics) =
                new ComputeThread<(string, EvaluationMetrics)>(
                    "evaluating",
                    () => Evaluate(path, plugins, specification, chosen, count)).Result();
            CommandEnvironment wanted = environment.For(result);
            wanted.Answer(new { source, metrics },
            [
                $"{NumberText.Count(metrics.Rows)} samples of {source}",
                .. Report(metrics, wanted.Width),
            ]);
        });
        return command;
    }

    private static (string Source, EvaluationMetrics Metrics) Evaluate(
        string modelPath, LayerPlugins plugins, string? specificationPath, string? part,
        int threads)
    {
        using var model = Model.Load(modelPath, plugins);
        DataSpecification data = specificationPath is null
            ? model.Specification.Data
            : SpecificationFile.Read(specificationPath, plugins).Data;
        using PlannedRun run = SpecificationFile.Plan(model.With(data), model.Preparation);
        TrainingPlan plan = run.Plan;
        RequireSameClasses(model, plan.Train);
        Network network = model.NetworkFor(plan.Train.FeatureShape, plan.Train.Source);
        IDataset samples = Choose(plan, part);
        using var pool = new ComputePool(threads);
        using var backend = new NetworkExecutor(
            network, plan.Loss, MetricsAccumulator.MicroBatchRows, 1, pool);
        var evaluator = new Evaluator(backend, plan.Loss, TargetReading.For(plan));
        return (samples.Source, evaluator.Evaluate(samples, [.. model.Members]));
    }

    private static IDataset Choose(TrainingPlan plan, string? part) => part switch
    {
        "training" => plan.Train,
        "validation" => plan.Validation ?? throw Missing("validation", plan),
        "test" => plan.Test ?? throw Missing("test", plan),
        _ => plan.Test ?? plan.Validation ?? plan.Train,
    };

    private static void RequireSameClasses(Model model, IDataset samples)
    {
        foreach (TargetPart part in samples.Target.Parts)
        {
            if (part.Schema is TargetSchema.Class { Classes: var classes }
                && model.Header.ClassesOf(part.Name) is { } known && !classes.SequenceEqual(known))
            {
                throw new MistakeException(
                    $"{samples.Source} has the classes {string.Join(", ", classes)}; the network "
                    + $"was trained on {string.Join(", ", known)}");
            }
        }
    }

    private static MistakeException Missing(string part, TrainingPlan plan)
    {
        string[] others = [.. plan.Validation is null ? [] : (string[])["validation"],
            .. plan.Test is null ? [] : (string[])["test"], "training"];
        return new MistakeException(
            $"--part: the data have no {part} part; they have {string.Join(", ", others)}");
    }

    private static IEnumerable<string> Report(EvaluationMetrics metrics, int width)
    {
        yield return ProgressLines.Metrics(metrics);
        IEnumerable<string> tables = metrics switch
        {
            { Outputs: { } outputs } => outputs.SelectMany(
                output => Report(output.Metrics, width).Select(
                    (line, i) => i == 0 ? $"{output.Name}: {line}" : line).Prepend("")),
            { Perplexity: not null } => [],
            { Classification: ClassificationMetrics classes } => Classes(classes, width),
            { Regression: RegressionMetrics values } => Values(values, width),
            _ => [],
        };
        foreach (string line in tables)
        {
            yield return line;
        }
    }

    private static IEnumerable<string> Classes(ClassificationMetrics metrics, int width)
    {
        IReadOnlyList<string>[] scores =
        [
            .. metrics.Classes.Select(c => (IReadOnlyList<string>)
            [
                c.Name, NumberText.Count(c.Support), NumberText.Percent(c.Precision),
                NumberText.Percent(c.Recall), NumberText.Percent(c.F1),
            ]),
        ];
        yield return "";
        string[] head = ["class", "samples", "precision", "recall", "F1"];
        foreach (string line in TextTable.Write(head, scores, width))
        {
            yield return line;
        }

        if (metrics.Classes.Length > MostConfusionColumns)
        {
            yield break;
        }

        ConfusionMatrix confusion = metrics.Confusion;
        IReadOnlyList<string>[] rows =
        [
            .. confusion.Classes.Select((name, actual) => (IReadOnlyList<string>)
            [
                name,
                .. confusion.Classes.Select((_, predicted) =>
                    NumberText.Count(confusion[actual, predicted])),
            ]),
        ];
        yield return "";
        yield return "what a class (row) was taken for (column)";
        string[] columns = ["", .. confusion.Classes.Select(Abbreviated)];
        foreach (string line in TextTable.Write(columns, rows, width))
        {
            yield return line;
        }
    }

    private static IEnumerable<string> Values(RegressionMetrics metrics, int width)
    {
        IReadOnlyList<string>[] rows =
        [
            .. metrics.Targets.Select(t => (IReadOnlyList<string>)
            [
                t.Name, NumberText.Short(t.R2), NumberText.Short(t.MeanAbsoluteError),
                NumberText.Short(t.RootMeanSquaredError),
            ]),
        ];
        yield return "";
        foreach (string line in TextTable.Write(["value", "R²", "MAE", "RMSE"], rows, width))
        {
            yield return line;
        }
    }

    private static string Abbreviated(string name) => name.Length <= 4 ? name : name[..4];
}
