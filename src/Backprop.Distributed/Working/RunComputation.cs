using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Working;

/// <summary>A run's data, and what computes with them; it outlives generations. For one thread, but
/// for the pending weights.</summary>
internal sealed class RunComputation : IDisposable
{
    private readonly PlannedRun _planned;
    private readonly BatchLoader _loader;
    private readonly BatchPrefetcher _batches;
    private readonly NetworkExecutor _executor;
    private readonly Evaluator _evaluator;
    private AlignedBuffer _replica;

    private RunComputation(PlannedRun planned, ComputePool pool)
    {
        _planned = planned;
        TrainingPlan plan = planned.Plan;
        var reading = TargetReading.For(plan);
        _loader = plan.NewLoader(reading.Writing);
        int rows = (int)Math.Min(plan.BatchSize, plan.Train.Count);
        _batches = new BatchPrefetcher(_loader, rows);
        _executor = new NetworkExecutor(
            plan.Network, plan.Loss, Math.Max(rows, MetricsAccumulator.MicroBatchRows),
            plan.MicroBatches, pool, plan.Backward == BackwardRule.ErrorSplitting);
        _evaluator = new Evaluator(_executor, plan.Loss, reading);
        _replica = new AlignedBuffer(plan.Network.Layout.Length);
        Pending = new AlignedBuffer(plan.Network.Layout.Length);
        Average = plan.Averaging is { EvaluatesEpochs: true }
            ? new AlignedBuffer(plan.Network.Layout.Length)
            : null;
    }

    /// <summary>[layout.Length]: where pieces of the next version are gathered.</summary>
    public AlignedBuffer Pending { get; private set; }

    /// <summary>[layout.Length]: where pieces of the average are gathered that epochs are evaluated
    /// with; null: they are evaluated with the weights.</summary>
    public AlignedBuffer? Average { get; }

    private TrainingPlan Plan => _planned.Plan;

    /// <summary>Opens the data, holds them against what the run is known to be of, and takes
    /// memory.</summary>
    /// <exception cref="Exception">The data cannot be used, or differ, or there is no memory; the
    /// message is for the user.</exception>
    public static RunComputation Open(
        RunSpecification run, RunOutline outline, IDataSourceOpener opener, long memoryLimitBytes,
        ComputePool pool)
    {
        PlannedRun planned = RunPlanner.Plan(run, opener, memoryLimitBytes);
        try
        {
            RequireEqual(outline, planned);
            return new RunComputation(planned, pool);
        }
        catch
        {
            planned.Dispose();
            throw;
        }
    }

    /// <summary>Refuses data that are not those of the run.</summary>
    /// <exception cref="InvalidDatasetException">They differ; the message says where.</exception>
    public static void RequireEqual(RunOutline run, PlannedRun planned)
    {
        if (planned.Outline.DifferenceFrom(run) is { } difference)
        {
            throw new InvalidDatasetException(
                planned.Plan.Train.Source, $"its data differ from the run's: {difference}",
                "every worker needs the same data");
        }
    }

    /// <summary>The pending weights are the replica; not while anything is computed. What was
    /// computed ahead with them stands.</summary>
    public void TakeReplica() => (_replica, Pending) = (Pending, _replica);

    /// <summary>Computes gradients.</summary>
    /// <param name="gradients">Says step and range; overwritten.</param>
    /// <param name="continues">Whether to go on with what was computed ahead of the step.</param>
    /// <param name="listener">Hears of each layer; null: nobody does.</param>
    public void Compute(KeptGradients gradients, bool continues, ILayerGradientListener? listener)
    {
        GradientSet set = gradients.Set;
        StepWork work = WorkOf(gradients.Step);
        if (!continues)
        {
            Begin(work, set.FirstMicroBatch, set.EndMicroBatch, _replica);
        }

        _executor.ComputeGradients(_batches.Taken, work, set, listener);
    }

    /// <summary>Begins a step with as much of the pending weights as are here. Other pieces of them
    /// may be written meanwhile.</summary>
    public void ComputeAhead(WorkerTask task)
    {
        StepWork work = WorkOf(task.Version);
        MicroBatchRange range = task.Range;
        if (!task.Continues)
        {
            Begin(work, range.First, range.End, Pending);
        }

        _executor.ForwardAhead(
            _batches.Taken, work, range.First, range.End, task.EndView);
    }

    /// <summary>Evaluates the replica, or the average, on evaluation micro-batches of the
    /// validation part.</summary>
    public MetricsPart Evaluate(MicroBatchRange range) => _evaluator.EvaluatePart(
        Plan.Validation ?? throw new InvalidOperationException("there is no validation part"),
        range.First, range.End, Average ?? _replica);

    private StepWork WorkOf(long step) => new(
        Plan.Seed, step, new MicroBatches(_loader.GlobalRows(step), Plan.MicroBatches));

    private void Begin(in StepWork work, int first, int end, AlignedBuffer weights)
    {
        MicroBatches rows = work.MicroBatches;
        _batches.Take(work.Step, rows.Start(first), rows.Start(end));
        MicroBatches next = WorkOf(work.Step + 1).MicroBatches;
        _batches.Prefetch(work.Step + 1, next.Start(first), next.Start(end));
        _executor.UseWeights(weights);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batches.Dispose();
        _executor.Dispose();
        _replica.Dispose();
        Pending.Dispose();
        Average?.Dispose();
        _planned.Dispose();
    }
}
