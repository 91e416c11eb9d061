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
        Of("loss", folds, metrics => metrics.Loss),
        .. folds[0].Metrics.Classification is null
            ? (FoldScore[])[]
            : [Of("accuracy", folds, metrics => metrics.Classification!.Accuracy)],
        .. folds[0].Metrics.Regression is null
            ? (FoldScore[])[]
            :
            [
                Of("r2", folds, metrics => metrics.Regression!.R2),
                Of("mae", folds, metrics => metrics.Regression!.MeanAbsoluteError),
                Of("rmse", folds, metrics => metrics.Regression!.RootMeanSquaredError),
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
