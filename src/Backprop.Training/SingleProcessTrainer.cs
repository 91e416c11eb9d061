using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>
/// The whole of training in one process: the loop that every cluster has to match, bit for bit.
/// A step loads the rows of a global batch, runs them forward and backward, folds the gradients of
/// its micro-batches up the gradient tree, and lets the optimizer write the next version of the
/// weights. An epoch ends with an evaluation, which decides whether to go on.
/// </summary>
/// <remarks>
/// The final weights are those of the best epoch if the run has a patience
/// (<see cref="StopRules.Patience"/>), since it then ends after its best; else those of the last
/// step. One caller at a time; a step allocates nothing.
/// </remarks>
public sealed class SingleProcessTrainer : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly ComputePool _pool;
    private readonly TimeProvider _time;
    private readonly BatchLoader _loader;
    private readonly Batch _batch;
    private readonly NetworkExecutor _backend;
    private readonly Evaluator _evaluator;
    private readonly GradientSet _gradients;
    private readonly ParameterUpdate _update;
    private readonly ParameterNorms _norms;
    private readonly PieceSums[] _sums;
    private readonly ErrorSplittingComparison? _comparison;
    private readonly RunState _run;

    /// <summary>Allocates everything that the run needs, and the initial weights.</summary>
    /// <param name="plan">What to train, on what, how.</param>
    /// <param name="pool">The threads to compute with; the caller's to dispose.</param>
    /// <param name="time">For <see cref="StopRules.MaxTime"/>, checkpoint intervals and reports.
    /// </param>
    /// <exception cref="ArgumentException">The plan cannot be run; the message says why.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">The system has no such memory to give.
    /// </exception>
    public SingleProcessTrainer(TrainingPlan plan, ComputePool pool, TimeProvider time)
    {
        PlanCheck.Require(plan);
        var reading = TargetReading.For(plan);
        Network network = plan.Network;
        _plan = plan;
        _pool = pool;
        _time = time;
        _loader = new BatchLoader(
            plan.Train, plan.Seed, plan.BatchSize, reading.Encoding, plan.Shuffle,
            plan.Augmentation);
        int rows = (int)Math.Min(plan.BatchSize, plan.Train.Count);
        _batch = _loader.NewBatch(rows);
        _backend = new NetworkExecutor(
            network, plan.Loss, Math.Max(rows, MetricsAccumulator.MicroBatchRows),
            plan.MicroBatches, pool, plan.Backward == BackwardRule.ErrorSplitting);
        _evaluator = new Evaluator(_backend, plan.Loss, reading);
        _gradients = new GradientSet(network.Layout, 0, plan.MicroBatches, plan.MicroBatches);
        _update = new ParameterUpdate(
            network.Layout, 0, network.Layout.BlockCount,
            new UpdateRules(plan.Optimizer, plan.Penalty, plan.Clipping), pool);
        _norms = new ParameterNorms(network.Layout);
        _sums = new PieceSums[_norms.PieceCount];
        _comparison = plan.Backward == BackwardRule.ErrorSplitting
            ? new ErrorSplittingComparison(plan, rows, pool)
            : null;
        _run = new RunState(plan, _update.StateLength);
    }

    /// <summary>[layout.Length]: what the run has come to; the trainer's own buffer, good until the
    /// next step.</summary>
    public AlignedBuffer FinalWeights => _run.FinalWeights;

    private long TotalSteps => Math.Min(
        _plan.Epochs * _loader.StepsPerEpoch, _plan.Stop.MaxSteps ?? long.MaxValue);

    private bool EpochIsDone => _run.Step % _loader.StepsPerEpoch == 0;

    /// <summary>Goes on from a checkpoint of the same plan, however it was computed.</summary>
    /// <exception cref="CheckpointException">It belongs to another plan; the message says what
    /// differs.</exception>
    public void Resume(Checkpoint checkpoint) => _run.Restore(checkpoint);

    /// <summary>A copy of where the run stands; the caller disposes it.</summary>
    public Checkpoint Capture() => _run.Copy();

    /// <summary>A copy of the final weights with what it takes to use them; the caller disposes it.
    /// </summary>
    public TrainedModel Model() => TrainedModel.Of(_plan, FinalWeights);

    /// <summary>Trains until the run ends or is interrupted, from wherever it stands.</summary>
    /// <param name="observer">Hears of progress.</param>
    /// <param name="checkpoints">When and where to keep checkpoints; null: never.</param>
    /// <param name="cancellation">Interrupts between two steps.</param>
    /// <exception cref="CheckpointException">A checkpoint could not be kept.</exception>
    public TrainingResult Run(
        ITrainingObserver observer, CheckpointPolicy? checkpoints,
        CancellationToken cancellation)
    {
        var clock = new RunClock(_time, _run, checkpoints);
        while (_run.Ended is null && !cancellation.IsCancellationRequested)
        {
            _run.Ended = TrainStep(observer) ?? EndEpochIfDue(observer, clock);
            if (_run.Ended is not null)
            {
                Conclude(_run.Ended);
            }

            clock.SaveIfDue();
        }

        clock.Finish();
        TrainingResult result = Result();
        observer.OnStopped(result);
        return result;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batch.Dispose();
        _backend.Dispose();
        _gradients.Dispose();
        _comparison?.Dispose();
        _run.Dispose();
    }

    // One step; its failure, before any weight was changed, or null.
    private StopDecision? TrainStep(ITrainingObserver observer)
    {
        long step = _run.Step;
        var rows = new MicroBatches(_loader.GlobalRows(step), _plan.MicroBatches);
        var work = new StepWork(_plan.Seed, step, rows);
        AlignedBuffer gradient = _gradients.Gradient(0);

        _loader.Load(step, 0, rows.GlobalRows, _batch);
        _backend.UseWeights(_run.Weights);
        _backend.ComputeGradients(_batch, work, _gradients, listener: null);
        if (step == 0)
        {
            CompareWithTrueGradients("first", work, _run.Weights);
        }

        _update.Prepare(_run.Weights, measureWeights: true, gradient, _sums);
        if (NonFinite(work) is { } failure)
        {
            return failure;
        }

        double norm = _norms.GradientNorm(_sums);
        float rate = LearningRate(step);
        var update = new UpdateStep(
            step, rate, _plan.Clipping.ScaleFor(norm), rows.NonEmptyCount);
        _update.Apply(
            update, gradient, _run.Weights, _run.OptimizerState, newWeights: _run.NextWeights);
        double lossSum = _gradients.LossSum(0);
        _run.Advance(lossSum, rows.GlobalRows);
        observer.OnStep(new StepReport(
            step, _loader.Epoch(step), lossSum / rows.GlobalRows, rate, norm, rows.GlobalRows));
        return null;
    }

    private float LearningRate(long step) => _plan.Schedule.At(
        _plan.Optimizer.LearningRate,
        new SchedulePosition(
            step, _loader.StepsPerEpoch, TotalSteps, _run.Plateau.Reductions));

    private StopDecision? EndEpochIfDue(ITrainingObserver observer, RunClock clock)
    {
        StopDecision? limit = LimitReached(clock);
        return EpochIsDone || limit is not null
            ? NonFiniteWeights() ?? EndEpoch(observer) ?? limit
            : null;
    }

    private StopDecision? NonFinite(in StepWork work)
    {
        ParameterView? parameter = _norms.FindNonFinite(_sums);
        if (double.IsFinite(_gradients.LossSum(0)) && parameter is null)
        {
            return null;
        }

        NonFiniteValue? found = NumericDiagnosis.Find(
            _plan.Network, _plan.Loss, _run.Weights, _batch, work, _gradients, _pool,
            _plan.Backward == BackwardRule.ErrorSplitting);
        string what = found?.ToString() ?? $"the gradient of '{parameter?.Name}'";
        return new StopDecision(
            StopKind.NonFinite, $"in step {work.Step}, {what} is not finite");
    }

    private StopDecision? NonFiniteWeights() => _run.WeightsAreFinite()
        ? null
        : new StopDecision(
            StopKind.NonFinite, $"step {_run.Step - 1} made weights that are not finite");

    private StopDecision? LimitReached(RunClock clock)
    {
        if (_run.Step == _plan.Epochs * _loader.StepsPerEpoch)
        {
            return new StopDecision(StopKind.EpochsDone, $"all {_plan.Epochs} epochs are done");
        }

        if (_run.Step == TotalSteps)
        {
            return new StopDecision(StopKind.MaxSteps, $"all of {TotalSteps} steps are done");
        }

        return clock.Elapsed >= _plan.Stop.MaxTime
            ? new StopDecision(StopKind.MaxTime, $"the time of {_plan.Stop.MaxTime} is over")
            : null;
    }

    // Evaluates, and decides whether to go on.
    private StopDecision? EndEpoch(ITrainingObserver observer)
    {
        long epoch = _loader.Epoch(_run.Step - 1);
        double trainingLoss = _run.EpochLossSum / _run.EpochRows;
        EvaluationMetrics? validation = _plan.Validation is { } samples
            ? _evaluator.Evaluate(samples, _run.Weights)
            : null;
        double metric = MetricOf(trainingLoss, validation);
        EpochVerdict verdict = _run.Stopping.Judge(_plan.Stop, epoch, trainingLoss, metric);
        var report = new EpochReport
        {
            Epoch = epoch,
            StepsDone = _run.Step,
            TrainingLoss = trainingLoss,
            Validation = validation,
            Layers = LayerNorms(),
            LearningRate = LearningRate(_run.Step - 1),
            Metric = metric,
            IsBest = verdict.IsBest,
            Reason = verdict.Reason,
        };
        if (_plan.Schedule.Plateau is { } rule)
        {
            _run.Plateau = PlateauDetector.Observe(
                rule, _run.Plateau, metric, StoppingState.GreaterIsBetter(_plan.Stop.Metric));
        }

        _run.EndEpoch(verdict, report);
        observer.OnEpoch(report);
        return verdict.Stop;
    }

    private double MetricOf(double trainingLoss, EvaluationMetrics? validation) =>
        _plan.Stop.Metric switch
        {
            StopMetric.TrainingLoss => trainingLoss,
            StopMetric.ValidationLoss => validation!.Loss,
            StopMetric.ValidationAccuracy => validation!.Classification!.Accuracy,
            StopMetric.ValidationR2 => validation!.Regression!.R2,
            _ => throw new InvalidOperationException($"unknown metric {_plan.Stop.Metric}"),
        };

    private ImmutableArray<LayerNorms> LayerNorms()
    {
        ImmutableArray<ParameterView> views = _plan.Network.Layout.Views;
        var gradients = new double[_plan.Network.Nodes.Length];
        var weights = new double[_plan.Network.Nodes.Length];
        for (int view = 0; view < views.Length; view++)
        {
            double gradient = _norms.GradientNorm(view, _sums);
            double weight = _norms.WeightNorm(view, _sums);
            gradients[views[view].LayerIndex] += gradient * gradient;
            weights[views[view].LayerIndex] += weight * weight;
        }

        return
        [
            .. views.Select(view => view.LayerIndex).Distinct().Select(layer => new LayerNorms(
                _plan.Network.Nodes[layer].Layer.Name, Math.Sqrt(gradients[layer]),
                Math.Sqrt(weights[layer]))),
        ];
    }

    private void Conclude(StopDecision decision)
    {
        if (decision.Kind == StopKind.NonFinite)
        {
            _run.KeepLastGoodWeights();
        }
        else if (_comparison is not null)
        {
            RepeatLastStep();
        }
    }

    // The version that the last step read still lies where the next one would go.
    private void RepeatLastStep()
    {
        long step = _run.Step - 1;
        AlignedBuffer weights = _run.NextWeights;
        var rows = new MicroBatches(_loader.GlobalRows(step), _plan.MicroBatches);
        var work = new StepWork(_plan.Seed, step, rows);
        _loader.Load(step, 0, rows.GlobalRows, _batch);
        _backend.UseWeights(weights);
        _backend.ComputeGradients(_batch, work, _gradients, listener: null);
        CompareWithTrueGradients("last", work, weights);
    }

    private void CompareWithTrueGradients(
        string when, in StepWork work, AlignedBuffer weights)
    {
        if (_comparison is not null)
        {
            string note =
                _comparison.Compare(when, _batch, work, weights, _gradients.Gradient(0));
            _run.Notes = _run.Notes.Add(note);
        }
    }

    private TrainingResult Result()
    {
        bool evaluates = _run.Ended is not null;
        ParameterLayout layout = _plan.Network.Layout;
        double seconds = _run.Elapsed.TotalSeconds;
        return new TrainingResult
        {
            Name = _plan.Name,
            Steps = _run.Step,
            Epochs = (_run.Step + _loader.StepsPerEpoch - 1) / _loader.StepsPerEpoch,
            Stop = _run.Ended ?? new StopDecision(
                StopKind.Interrupted, $"interrupted after step {_run.Step}; it can be resumed"),
            History = [.. _run.History],
            BestMetric = _run.Stopping.BestMetric,
            BestEpoch = _run.Stopping.BestEpoch,
            FinalIsBest = _run.FinalIsBest,
            Validation = evaluates ? EvaluateFinal(_plan.Validation) : null,
            Test = evaluates ? EvaluateFinal(_plan.Test) : null,
            Elapsed = _run.Elapsed,
            SamplesPerSecond = seconds > 0 ? _run.RunRows / seconds : 0,
            WeightsSha256 = WeightsDigest.OfWeights(layout, _run.FinalWeights),
            StateSha256 = WeightsDigest.OfState(layout, _run.Weights, _run.OptimizerState),
            Notes = _run.Notes,
        };
    }

    private EvaluationMetrics? EvaluateFinal(IDataset? samples) =>
        samples is null ? null : _evaluator.Evaluate(samples, _run.FinalWeights);
}
