using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data.Sources;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.CrossValidation;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop cross-validate</c>.</summary>
internal static class CrossValidateCommand
{
    private const int DefaultFolds = 5;
    private const int MostFolds = 1000;

    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> specification = SharedOptions.Specification();
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        var folds = new Option<int>("--folds")
        {
            Description = "Parts that the training samples are cut into [default: 5]",
            HelpName = "K",
            DefaultValueFactory = _ => DefaultFolds,
        };
        folds.Validators.Add(result =>
        {
            if (result.GetValue(folds) is < 2 or > MostFolds)
            {
                result.AddError(string.Create(
                    CultureInfo.InvariantCulture,
                    $"--folds is {result.GetValue(folds)}, where 2 to {MostFolds} may be"));
            }
        });
        var stratified = new Option<bool>("--stratified")
        {
            Description = "Give every part each class in proportion [default: as data.validation "
                + "says]",
        };
        var command = new Command(
            "cross-validate", "Train without each part of the samples in turn, and judge by it")
        {
            specification, folds, stratified, threads, configuration,
        };
        command.SetAction(result =>
        {
            RunSpecification run = SpecificationFile.Read(
                result.GetRequiredValue(specification),
                SharedOptions.Plugins(result, configuration, environment));
            if (run.Data.Train.Value is DataSource.Text)
            {
                throw new MistakeException(
                    "a text is parted by position: train with 'to' and validate with 'from'");
            }

            int count = result.GetValue(folds);
            var validator = new CrossValidator(
                run, count,
                result.GetValue(stratified) || run.Data.Preparation.Stratified,
                SpecificationFile.Opener(), SpecificationFile.MemoryLimitBytes);
            int threadCount = result.GetValue(threads) ?? Environment.ProcessorCount;
            CommandEnvironment wanted = environment.For(result);
            ImmutableArray<FoldResult> results = new ComputeThread<ImmutableArray<FoldResult>>(
                "cross-validation",
                () => Train(validator, count, threadCount, wanted.Time)).Result();
            return Report(results, wanted);
        });
        return command;
    }

    private static ImmutableArray<FoldResult> Train(
        CrossValidator validator, int folds, int threads, TimeProvider time)
    {
        using var pool = new ComputePool(threads);
        return
        [
            .. Enumerable.Range(0, folds).Select(
                fold => validator.Train(fold, pool, time, new TrainingProgress())),
        ];
    }

    private static int Report(ImmutableArray<FoldResult> folds, CommandEnvironment environment)
    {
        ImmutableArray<FoldScore> scores = FoldScore.Of(folds);
        environment.Answer(
            new
            {
                folds = folds.Select(fold => new
                {
                    fold = fold.Fold,
                    heldOut = fold.HeldOut,
                    weightsSha256 = fold.Result.Members.Select(member => member.WeightsSha256),
                    metrics = fold.Metrics,
                }),
                scores,
            },
            [
                .. Table(folds, environment.Width), "",
                .. scores.Select(score =>
                    $"{score.Name} {NumberText.Short(score.Mean)} ± "
                    + $"{NumberText.Short(score.Deviation)} over {folds.Length} folds"),
            ]);
        var failures =
            from fold in folds
            from member in fold.Result.Members
            where member.Stop.Kind == StopKind.NonFinite
            select $"backprop: fold {fold.Fold}: training failed: {member.Stop.Reason}";
        int count = 0;
        foreach (string failure in failures)
        {
            environment.Error.WriteLine(failure);
            count++;
        }

        return count == 0 ? ExitCode.Done : ExitCode.Failure;
    }

    private static IEnumerable<string> Table(ImmutableArray<FoldResult> folds, int width)
    {
        string[] head =
            ["fold", "samples", "loss", .. Heads(folds[0].Metrics, ""), "weights"];
        return TextTable.Write(head, [.. folds.Select(Row)], width);
    }

    private static IReadOnlyList<string> Row(FoldResult fold)
    {
        const int ShownDigits = 8;
        EvaluationMetrics metrics = fold.Metrics;
        return
        [
            fold.Fold.ToString(CultureInfo.InvariantCulture), NumberText.Count(metrics.Rows),
            NumberText.Short(metrics.Loss), .. Scores(metrics),
            fold.Result.Members[0].WeightsSha256[..ShownDigits],
        ];
    }

    private static IEnumerable<string> Heads(EvaluationMetrics metrics, string prefix) =>
        metrics switch
        {
            { Outputs: { } outputs } =>
                outputs.SelectMany(output => Heads(output.Metrics, output.Name + " ")),
            { Classification: not null } => [prefix + "accuracy"],
            _ => [prefix + "R²", prefix + "MAE"],
        };

    private static IEnumerable<string> Scores(EvaluationMetrics metrics) => metrics switch
    {
        { Outputs: { } outputs } => outputs.SelectMany(output => Scores(output.Metrics)),
        { Classification: { } classes } => [NumberText.Percent(classes.Accuracy)],
        { Regression: { } values } =>
            [NumberText.Short(values.R2), NumberText.Short(values.MeanAbsoluteError)],
        _ => [],
    };
}
