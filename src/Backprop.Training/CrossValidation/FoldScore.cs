using System.Collections.Immutable;
using Backprop.Training.Metrics;

namespace Backprop.Training.CrossValidation;

/// <summary>The mean of the folds' scores, and how far they lie apart.</summary>
/// <param name="Name">What the score is: <c>accuracy</c>, <c>r2</c>, <c>loss</c>.</param>
/// <param name="Mean">The mean, each fold alike.</param>
/// <param name="Deviation">The standard deviation of the folds' scores, of n − 1.</param>
public sealed record FoldScore(string Name, double Mean, double Deviation)
{
    /// <summary>The scores of at least two folds of one run.</summary>
    public static ImmutableArray<FoldScore> Of(ImmutableArray<FoldResult> folds) =>
    [
        .. Of("", folds, folds[0].Metrics, metrics => metrics),
        .. from output in folds[0].Metrics.Outputs ?? []
           from score in Of(
               output.Name + ".", folds, output.Metrics, metrics => metrics.Of(output.Name)!)
           select score,
    ];

    // Those of the whole, or of one output.
    private static ImmutableArray<FoldScore> Of(
        string prefix, ImmutableArray<FoldResult> folds, EvaluationMetrics first,
        Func<EvaluationMetrics, EvaluationMetrics> of) =>
    [
        Of(prefix + "loss", folds, metrics => of(metrics).Loss),
        .. first.Classification is null
            ? (FoldScore[])[]
            : [Of(prefix + "accuracy", folds, metrics => of(metrics).Classification!.Accuracy)],
        .. first.Regression is null
            ? (FoldScore[])[]
            :
            [
                Of(prefix + "r2", folds, metrics => of(metrics).Regression!.R2),
                Of(prefix + "mae", folds, metrics => of(metrics).Regression!.MeanAbsoluteError),
                Of(prefix + "rmse", folds, metrics => of(metrics).Regression!.RootMeanSquaredError),
            ],
    ];

    private static FoldScore Of(
        string name, ImmutableArray<FoldResult> folds, Func<EvaluationMetrics, double> score)
    {
        Moments moments = folds.Aggregate(
            default(Moments), (sum, fold) => sum.With(score(fold.Metrics)));
        return new FoldScore(
            name, moments.Mean, Math.Sqrt(moments.SquaredDeviations / (moments.Count - 1)));
    }
}
