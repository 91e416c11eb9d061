using System.Collections.Immutable;
using Backprop.Engine.Numerics;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;

namespace Backprop.Training;

/// <summary>The learning rates that a search goes through: from the least to the greatest, each the
/// same multiple of the one before.</summary>
/// <param name="From">The first, above 0.</param>
/// <param name="To">The last, above the first.</param>
/// <param name="Steps">Steps, one a rate.</param>
public sealed record RateSweep(float From, float To, int Steps)
{
    /// <summary>The fewest steps that say something.</summary>
    public const int LeastSteps = 10;

    /// <summary>Why these are no rates to search; null: they are.</summary>
    public string? Refusal() =>
        !(From > 0 && float.IsFinite(To) && To > From)
            ? $"rates from {From} to {To}: the first must be above 0, and the last above the first"
        : Steps < LeastSteps ? $"{Steps} steps: {LeastSteps} are the least"
        : null;
}

/// <summary>A step of the search.</summary>
/// <param name="Rate">Its learning rate.</param>
/// <param name="Loss">Mean loss of its rows, before the step.</param>
/// <param name="Smoothed">The mean of the losses so far, in which each weighs less than the next.
/// </param>
public readonly record struct RatePoint(float Rate, double Loss, double Smoothed);

/// <summary>What a search came to.</summary>
/// <param name="Points">Its steps, in order.</param>
/// <param name="Suggestion">The rate at which the smoothed loss falls fastest; null: it falls
/// nowhere.</param>
/// <param name="Lowest">The rate at which the smoothed loss is lowest.</param>
/// <param name="Ended">Why it ended, in words.</param>
public sealed record RateFinding(
    ImmutableArray<RatePoint> Points, float? Suggestion, float Lowest, string Ended);

/// <summary>
/// Finds a learning rate to begin with: trains for a few steps with ever larger ones, and looks
/// where the loss falls. Smith, "Cyclical learning rates for training neural networks", WACV 2017,
/// in the form that fastai's <c>lr_find</c> made known: smoothed losses, an end where they explode,
/// and the steepest descent as the suggestion. Nothing is kept of what was trained.
/// </summary>
public static class RateFinder
{
    // fastai's: what a step keeps of the mean, and by how much a loss has exploded.
    private const double Kept = 0.98;
    private const double Explosion = 4;
    private const int StepsPerReach = 20;
    private const int StepsPerStart = 10;

    /// <summary>Searches.</summary>
    /// <param name="plan">What to train; its schedule, stop rules and averaging are not used.
    /// </param>
    /// <param name="sweep">The rates.</param>
    /// <param name="pool">The threads to compute with; no bit depends on them.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the search between two steps.</param>
    /// <exception cref="ArgumentException">The plan cannot be run, or the rates make no range; the
    /// message says what would be right.</exception>
    public static RateFinding Find(
        TrainingPlan plan, RateSweep sweep, ComputePool pool, TimeProvider time,
        CancellationToken cancellation)
    {
        if (sweep.Refusal() is { } refusal)
        {
            throw new ArgumentException(refusal, nameof(sweep));
        }

        using var search = new Search(cancellation);
        using var trainer = new SingleProcessTrainer(PlanOf(plan, sweep), pool, time);
        TrainingResult result = trainer.Run(search, null, search.Token);
        string ended = search.Ended
            ?? (result.Stop.Kind == StopKind.MaxSteps
                ? $"all {sweep.Steps} rates were tried"
                : result.Stop.Reason);
        return Judge(search.Points, ended);
    }

    /// <summary>Judges the points of a search.</summary>
    internal static RateFinding Judge(ImmutableArray<RatePoint> points, string ended)
    {
        if (points.IsEmpty)
        {
            return new RateFinding(points, null, 0, ended);
        }

        int lowest = 0;
        for (int i = 1; i < points.Length; i++)
        {
            lowest = points[i].Smoothed < points[lowest].Smoothed ? i : lowest;
        }

        // Logarithms of rates are equally far apart, so that differences are slopes. They are taken
        // over some steps, and not where the mean is of few losses yet, or a batch that is easier
        // than the one before would look like a descent.
        int reach = Math.Max(1, points.Length / StepsPerReach);
        int steepest = -1;
        double fall = 0;
        for (int i = Math.Max(reach, points.Length / StepsPerStart); i + reach <= lowest; i++)
        {
            double slope = points[i + reach].Smoothed - points[i - reach].Smoothed;
            if (slope < fall)
            {
                (steepest, fall) = (i, slope);
            }
        }

        return new RateFinding(
            points, steepest < 0 ? null : points[steepest].Rate, points[lowest].Rate, ended);
    }

    private static TrainingPlan PlanOf(TrainingPlan plan, RateSweep sweep)
    {
        long stepsPerEpoch = (plan.Train.Count + plan.BatchSize - 1) / plan.BatchSize;
        return plan with
        {
            Optimizer = plan.Optimizer with { LearningRate = sweep.From },
            Schedule = new SweepSchedule(sweep),
            Epochs = (int)((sweep.Steps + stepsPerEpoch - 1) / stepsPerEpoch),
            Stop = new StopRules(StopMetric.TrainingLoss, MaxSteps: sweep.Steps),
            Averaging = null,
            Validation = null,
            Test = null,
        };
    }

    private sealed record SweepSchedule(RateSweep Sweep) : LearningRateSchedule
    {
        public override string Name => "sweep";

        public override double Factor(in SchedulePosition position) => ExactMath.Pow(
            (double)Sweep.To / Sweep.From, (double)position.Step / (Sweep.Steps - 1));
    }

    private sealed class Search(CancellationToken cancellation) : ITrainingObserver, IDisposable
    {
        private readonly CancellationTokenSource _enough =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);

        private readonly ImmutableArray<RatePoint>.Builder _points =
            ImmutableArray.CreateBuilder<RatePoint>();

        private double _sum;
        private double _weight;
        private double _best = double.PositiveInfinity;

        public CancellationToken Token => _enough.Token;

        public ImmutableArray<RatePoint> Points => _points.ToImmutable();

        public string? Ended { get; private set; }

        public void OnStep(in StepReport report)
        {
            _sum = (Kept * _sum) + ((1 - Kept) * report.Loss);
            _weight = (Kept * _weight) + (1 - Kept);
            double smoothed = _sum / _weight;
            _points.Add(new RatePoint(report.LearningRate, report.Loss, smoothed));
            _best = Math.Min(_best, smoothed);
            if (smoothed > Explosion * _best)
            {
                Ended = $"the loss has risen to {Explosion} times its lowest";
                _enough.Cancel();
            }
        }

        public void OnEpoch(EpochReport report)
        {
            // Epochs mean nothing here.
        }

        public void OnStopped(TrainingResult result)
        {
            // The caller has it.
        }

        public void Dispose() => _enough.Dispose();
    }
}
