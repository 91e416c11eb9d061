using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>
/// The whole of training in one process: the loop that every cluster has to match, bit for bit.
/// A step runs the rows of a global batch forward and backward, folds the gradients of its
/// micro-batches up the gradient tree, and lets the optimizer write the next version of the
/// weights. An epoch ends with an evaluation, which decides whether to go on.
/// </summary>
/// <remarks>
/// The final weights are those of the best epoch if the run has a patience
/// (<see cref="StopRules.Patience"/>), since it then ends after its best; else those of the last
/// step; or, where the plan has an averaging, their average at that time. One caller at a time; a
/// step allocates nothing.
/// </remarks>
public sealed class SingleProcessTrainer : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly TimeProvider _time;
    private readonly StepComputation _step;
    private readonly Evaluator _evaluator;
    private readonly ParameterUpdate _update;
    private readonly ParameterNorms _norms;
    private readonly PieceSums[] _sums;
    private readonly ErrorSplittingComparison? _comparison;
    private readonly RunState _run;
    private SliceDigest? _digest;

    /// <summary>Allocates everything that the run needs, and makes the initial weights.</summary>
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
        ParameterLayout layout = plan.Network.Layout;
        _plan = plan;
        _time = time;
        _step = new StepComputation(plan, reading, pool);
        _evaluator = new Evaluator(_step.Backend, plan.Loss, reading);
        _update = new ParameterUpdate(
            layout, 0, layout.BlockCount,
            plan.Rules, pool);
        _norms = new ParameterNorms(layout);
        _sums = new PieceSums[_norms.PieceCount];
        _comparison = plan.Backward == BackwardRule.ErrorSplitting
            ? new ErrorSplittingComparison(plan, _step.Batch.Capacity, pool)
            : null;
        _run = new RunState(plan, _update.StateLength);
    }

    /// <summary>[layout.Length]: what the run has come to; the trainer's own buffer, good until the
    /// next step.</summary>
    public AlignedBuffer FinalWeights => _run.FinalWeights;

    /// <summary>Where the digest of every version is kept; null: none are taken.</summary>
    public IDigestLog? Digests { get; init; }

    private long StepsPerEpoch => _step.Loader.StepsPerEpoch;

    private long TotalSteps => Math.Min(
        _plan.Epochs * StepsPerEpoch, _plan.Stop.MaxSteps ?? long.MaxValue);

    /// <summary>Goes on from a checkpoint of the same plan, however it was computed.</summary>
    /// <exception cref="CheckpointException">It belongs to another plan; the message says what
    /// differs.</exception>
    public void Resume(Checkpoint checkpoint) => _run.Restore(checkpoint);

    /// <summary>A copy of the final weights with what it takes to use them; the caller disposes it.
    /// </summary>
    public TrainedModel Model() => TrainedModel.Of(_plan, FinalWeights);

    /// <summary>Trains until the run ends or is interrupted, from wherever it stands.</summary>
    /// <param name="observer">Hears of progress; null: nobody does.</param>
    /// <param name="checkpoints">When and where to keep checkpoints; null: never.</param>
    /// <param name="cancellation">Interrupts between two steps.</param>
    /// <exception cref="CheckpointException">A checkpoint could not be kept.</exception>
    /// <exception cref="DigestException">A version is not the one that <see cref="Digests"/> has on
    /// record.</exception>
    public TrainingResult Run(
        ITrainingObserver? observer = null, CheckpointPolicy? checkpoints = null,
        CancellationToken cancellation = default)
    {
        var clock = new RunClock(_time, _run, checkpoints, Digests);
        BeginDigests();
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
        observer?.OnStopped(result);
        return result;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _step.Dispose();
        _comparison?.Dispose();
        _run.Dispose();
    }

    // One step; a failure is found before any weight is changed.
    private StopDecision? TrainStep(ITrainingObserver? observer)
    {
        long step = _run.Step;
        _step.Compute(step, _run.Weights);
        if (step == 0)
        {
            CompareWithTrueGradients("first", _run.Weights);
        }

        _update.Prepare(_run.Weights, measureWeights: true, _step.Gradient, _sums);
        if (!double.IsFinite(_step.LossSum) || _norms.FindNonFinite(_sums) is not null)
        {
            return NonFinite(step);
        }

        int rows = _step.Work.MicroBatches.GlobalRows;
        double norm = _norms.GradientNorm(_sums);
        var update = new UpdateStep(
            step, LearningRate(step), _plan.Clipping.ScaleFor(norm),
            _step.Work.MicroBatches.NonEmptyCount,
            _plan.Averaging?.ShareOf(step, StepsPerEpoch));
        _update.Apply(
            update, _step.Gradient, _run.Weights, _run.OptimizerState, _run.NextWeights, _digest);
        _run.Advance(_step.LossSum, rows);
        observer?.OnStep(new StepReport(
            step, step / StepsPerEpoch, _step.LossSum / rows, update.LearningRate, norm, rows));
        if (_digest is not null)
        {
            Digests!.Record(_run.Step, _digest.Total);
        }

        return null;
    }

    // The weights to begin with are held against the record as well: a checkpoint may be damaged
    // in ways that its own digest does not see.
    private void BeginDigests()
    {
        if (Digests is not null)
        {
            _digest = new SliceDigest(0, _plan.Network.Layout.BlockCount);
            Digests.Record(_run.Step, VersionDigest.Of(0, _run.Weights.Span));
        }
    }

    // The epoch ends with its last step, or where a limit cuts it short.
    private StopDecision? EndEpochIfDue(ITrainingObserver? observer, RunClock clock)
    {
        StopDecision? limit = LimitReached(clock);
        if (limit is null && _run.Step % StepsPerEpoch != 0)
        {
            return null;
        }

        return _run.WeightsAreFinite()
            ? EndEpoch(observer) ?? limit
            : new StopDecision(
                StopKind.NonFinite, $"step {_run.Step - 1} made weights that are not finite");
    }

    private StopDecision? EndEpoch(ITrainingObserver? observer)
    {
        long lastStep = _run.Step - 1, epoch = lastStep / StepsPerEpoch;
        var evaluation = EpochEvaluation.Of(
            _plan, _evaluator, _run.JudgedWeights, _run.EpochLossSum / _run.EpochRows, _sums);
        EpochVerdict verdict = _run.Stopping.Judge(
            _plan.Stop, epoch, evaluation.TrainingLoss, evaluation.Metric);
        var report = new EpochReport
        {
            Epoch = epoch,
            StepsDone = _run.Step,
            TrainingLoss = evaluation.TrainingLoss,
            Validation = evaluation.Validation,
            Layers = evaluation.Layers,
            LearningRate = LearningRate(lastStep),
            Metric = evaluation.Metric,
            IsBest = verdict.IsBest,
            Reason = verdict.Reason,
        };
        _run.EndEpoch(verdict, report);
        observer?.OnEpoch(report);
        return verdict.Stop;
    }

    private StopDecision? LimitReached(RunClock clock)
    {
        if (_run.Step == _plan.Epochs * StepsPerEpoch)
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

    private float LearningRate(long step) => _plan.Schedule.At(
        _plan.Optimizer.LearningRate,
        new SchedulePosition(step, StepsPerEpoch, TotalSteps, _run.Plateau.Reductions));

    // What the penalty adds is finite while the weights are, so that a gradient which is not was
    // computed so; the parameter is named for the case that it overflowed all the same.
    private StopDecision NonFinite(long step)
    {
        string what = _step.FindNonFinite(_run.Weights)?.ToString()
            ?? $"the gradient of '{_norms.FindNonFinite(_sums)?.Name}' with its penalty";
        return new StopDecision(StopKind.NonFinite, $"in step {step}, {what} is not finite");
    }

    private void Conclude(StopDecision decision)
    {
        if (decision.Kind == StopKind.NonFinite)
        {
            _run.KeepLastGoodWeights();
        }
        else if (_comparison is not null)
        {
            // What the last step read still lies where the next one would write.
            _step.Compute(_run.Step - 1, _run.NextWeights);
            CompareWithTrueGradients("last", _run.NextWeights);
        }
    }

    private void CompareWithTrueGradients(string when, AlignedBuffer weights)
    {
        if (_comparison is not null)
        {
            _run.Notes = _run.Notes.Add(
                _comparison.Compare(when, _step.Batch, _step.Work, weights, _step.Gradient));
        }
    }

    private TrainingResult Result()
    {
        bool isOver = _run.Ended is not null;
        ParameterLayout layout = _plan.Network.Layout;
        double seconds = _run.Elapsed.TotalSeconds;
        return new TrainingResult
        {
            Name = _plan.Name,
            Steps = _run.Step,
            Epochs = (_run.Step + StepsPerEpoch - 1) / StepsPerEpoch,
            Stop = _run.Ended ?? new StopDecision(
                StopKind.Interrupted, $"interrupted after {_run.Step} steps; it can be resumed"),
            History = [.. _run.History],
            BestMetric = _run.Stopping.BestMetric,
            BestEpoch = _run.Stopping.BestEpoch,
            FinalIsBest = _run.FinalIsBest,
            Validation = isOver ? EvaluateFinal(_plan.Validation) : null,
            Test = isOver ? EvaluateFinal(_plan.Test) : null,
            Elapsed = _run.Elapsed,
            SamplesPerSecond = seconds > 0 ? _run.RunRows / seconds : 0,
            WaitedForData = _step.WaitedForData,
            WeightsSha256 = WeightsDigest.OfWeights(layout, _run.FinalWeights),
            StateSha256 = WeightsDigest.OfState(layout, _run.Weights, _run.OptimizerState),
            Notes = _plan.Averaging is { } averaging
                ? [.. _run.Notes, averaging.Note]
                : _run.Notes,
        };
    }

    private EvaluationMetrics? EvaluateFinal(IDataset? samples) =>
        samples is null ? null : _evaluator.Evaluate(samples, _run.FinalWeights);
}
