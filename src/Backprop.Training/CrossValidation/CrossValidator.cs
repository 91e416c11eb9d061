using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine.Threading;
using Backprop.Training.Ensembles;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Training.CrossValidation;

/// <summary>What a run came to that was trained without one fold of its samples.</summary>
/// <param name="Fold">The fold, from 0.</param>
/// <param name="HeldOut">Its samples, by their place in the source.</param>
/// <param name="Result">The training.</param>
public sealed record FoldResult(int Fold, ImmutableArray<long> HeldOut, EnsembleResult Result)
{
    /// <summary>How good the network is on the samples held out.</summary>
    public EvaluationMetrics Metrics => Result.Validation
        ?? throw new InvalidOperationException($"fold {Fold} was not evaluated");
}

/// <summary>
/// Trains a run several times, each time without one of the parts that its training samples are cut
/// into, and judges each network by the part that it has not seen. Stone, "Cross-validatory choice
/// and assessment of statistical predictions", 1974.
/// </summary>
/// <param name="run">The run: its own validation and test part are not used.</param>
/// <param name="folds">How many parts.</param>
/// <param name="stratified">Whether each part has every class in proportion.</param>
/// <param name="opener">Opens the data, once for every fold.</param>
/// <param name="memoryLimitBytes">What each training may allocate beside the data.</param>
public sealed class CrossValidator(
    RunSpecification run, int folds, bool stratified, IDataSourceOpener opener,
    long memoryLimitBytes)
{
    /// <summary>Trains without one fold, and evaluates on it.</summary>
    /// <param name="fold">The fold, from 0.</param>
    /// <param name="pool">The threads to compute with.</param>
    /// <param name="time">As for <see cref="SingleProcessTrainer"/>.</param>
    /// <param name="observer">Hears of progress.</param>
    /// <exception cref="Backprop.Data.InvalidDatasetException">The data cannot be used, or not be
    /// cut into so many parts.</exception>
    /// <exception cref="SpecificationException">The data and the rest of the run do not go
    /// together.</exception>
    public FoldResult Train(
        int fold, ComputePool pool, TimeProvider time, ITrainingObserver observer)
    {
        using PlannedRun planned =
            RunPlanner.Plan(WithoutFold(fold), opener, memoryLimitBytes);
        using var trainer = new EnsembleTrainer(
            planned.Plan, run.Members, pool, time);
        EnsembleResult result = trainer.Run(_ => new MemberRun(observer), CancellationToken.None);
        return new FoldResult(fold, planned.Data.HeldOut, result);
    }

    // A run that stops, or slows down, by the samples that it is judged by would flatter itself.
    private RunSpecification WithoutFold(int fold) => run with
    {
        Data = run.Data with
        {
            Validation = null,
            Test = null,
            Preparation = run.Data.Preparation with
            {
                ValidationFraction = null,
                ValidationFold = new ValidationFold(folds, fold),
                Stratified = stratified,
            },
        },
        Stop = run.Stop with
        {
            Value = run.Stop.Value with
            {
                Metric = StopMetric.TrainingLoss,
                Output = null,
                Patience = null,
                TargetMetric = null,
            },
        },
    };
}
