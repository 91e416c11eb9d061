using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;

namespace Backprop.Training;

/// <summary>Computes the gradient of any step at any version of the weights: loads the rows of the
/// global batch, runs them forward and backward, and folds the micro-batches up the tree. What the
/// last step computed can be read until the next.</summary>
internal sealed class StepComputation : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly ComputePool _pool;
    private readonly BatchPrefetcher _batches;
    private readonly NetworkExecutor _backend;
    private readonly GradientSet _gradients;

    public StepComputation(TrainingPlan plan, TargetReading reading, ComputePool pool)
    {
        _plan = plan;
        _pool = pool;
        Loader = plan.NewLoader(reading.Writing);
        int rows = (int)Math.Min(plan.BatchSize, plan.Train.Count);
        _batches = new BatchPrefetcher(Loader, rows);
        _backend = new NetworkExecutor(
            plan.Network, plan.Loss, Math.Max(rows, MetricsAccumulator.MicroBatchRows),
            plan.MicroBatches, pool, SplitsErrors);
        _gradients = new GradientSet(
            plan.Network.Layout, 0, plan.MicroBatches, plan.MicroBatches);
    }

    /// <summary>Which rows make which step.</summary>
    public BatchLoader Loader { get; }

    /// <summary>The rows of the step.</summary>
    public Batch Batch => _batches.Taken;

    /// <summary>What computes; between two steps it may evaluate as well.</summary>
    public IComputeBackend Backend => _backend;

    /// <summary>The step, and how its rows are cut.</summary>
    public StepWork Work { get; private set; }

    /// <summary>[layout.Length]: the root of the gradient tree.</summary>
    public AlignedBuffer Gradient => _gradients.Gradient(0);

    /// <summary>Sum of the rows' losses.</summary>
    public double LossSum => _gradients.LossSum(0);

    /// <summary>How long steps have stood for their rows.</summary>
    public TimeSpan WaitedForData => _batches.Waited;

    private bool SplitsErrors => _plan.Backward == BackwardRule.ErrorSplitting;

    /// <summary>Computes a step; allocates nothing.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="weights">[layout.Length]: the version it reads.</param>
    public void Compute(long step, AlignedBuffer weights)
    {
        var rows = new MicroBatches(Loader.GlobalRows(step), _plan.MicroBatches);
        Work = new StepWork(_plan.Seed, step, rows);
        Batch batch = _batches.Take(step, 0, rows.GlobalRows);
        _batches.Prefetch(step + 1, 0, Loader.GlobalRows(step + 1));
        _backend.UseWeights(weights);
        _backend.ComputeGradients(batch, Work, _gradients, listener: null);
    }

    /// <summary>Where the numbers of the step first went out of range; null: nowhere.</summary>
    /// <param name="weights">The version that it read.</param>
    public NonFiniteValue? FindNonFinite(AlignedBuffer weights) => NumericDiagnosis.Find(
        _plan.Network, _plan.Loss, weights, Batch, Work, _gradients, _pool, SplitsErrors);

    public void Dispose()
    {
        _batches.Dispose();
        _backend.Dispose();
        _gradients.Dispose();
    }
}
