using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;

namespace Backprop.Training.Specification;

/// <summary>What a run will allocate, before it does.</summary>
public static class MemoryEstimate
{
    /// <summary>Weights: a version, the next, and the best.</summary>
    private const int WeightBuffers = 3;

    /// <summary>The batch at hand, the next, and one to evaluate with.</summary>
    private const int Batches = 3;

    /// <summary>Bytes of the large buffers of single-process training: weights, gradient,
    /// optimizer state, activations and batches; without the data and the program itself.
    /// </summary>
    public static long Bytes(TrainingPlan plan)
    {
        Network network = plan.Network;
        int rows = (int)Math.Min(plan.BatchSize, plan.Train.Count);
        int executorRows = Math.Max(rows, MetricsAccumulator.MicroBatchRows);
        long executor =
            NetworkExecutor.BufferBytes(
                network, plan.Loss, executorRows, plan.MicroBatches, ComputePool.DefaultThreads);
        long flat = (long)network.Layout.Length * sizeof(float);
        long batch = sizeof(float) * (long)executorRows
            * (network.InputShape.Count + network.OutputShape.Count);

        // Error splitting is compared with true gradients, which are computed beside it.
        int backwardPasses = plan.Backward == BackwardRule.ErrorSplitting ? 2 : 1;
        int results = plan.Averaging is null ? 0 : 1;
        return ((WeightBuffers + plan.Rules.StateCount + results) * flat)
            + (backwardPasses * (flat + executor)) + (Batches * batch);
    }
}
