using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of whole training steps of the MLP 784-512-512-10: forward, loss, backward,
/// update, on a batch that is already there.</summary>
internal static class StepTable
{
    private const int Features = 784;
    private const int Hidden = 512;
    private const int Classes = 10;

    // Multiply-adds a row: three products of the last two layers, two of the first, whose input
    // needs no gradient.
    private const double OperationsPerRow =
        2.0 * (3 * Hidden * (Hidden + Classes) + 2 * Features * Hidden);

    /// <summary>Prints the table.</summary>
    public static void Print(int threads)
    {
        using var pool = new ComputePool(threads);
        Console.WriteLine($"{threads} thread(s)");
        Console.WriteLine(
            "optimizer  batch  micro-batches  median ms  (best)  GF/s  of peak, median");
        foreach (Optimizer optimizer in (Optimizer[])
            [new Momentum { LearningRate = 1e-3f }, new Adam { LearningRate = 1e-4f }])
        {
            foreach (int rows in (int[])[32, 64, 128, 256])
            {
                foreach (int microBatches in (int[])[1, 8])
                {
                    using var step = new TrainingStep(optimizer, rows, microBatches, pool);
                    Sampling sampling = Sampling.Of(step.Run, threads);
                    double speed = OperationsPerRow * rows / sampling.MedianSeconds / 1e9;
                    Console.WriteLine(
                        $"{optimizer.Name,-10}{rows,6}{microBatches,15}"
                        + $"{sampling.MedianSeconds * 1e3,11:F3} ({sampling.BestSeconds * 1e3:F3})"
                        + $"{speed,6:F0}{speed / (sampling.Peak * threads),10:P0}");
                }
            }
        }
    }

    private sealed class TrainingStep : IDisposable
    {
        private readonly NetworkExecutor _executor;
        private readonly ParameterUpdate _update;
        private readonly Optimizer _optimizer;
        private readonly MicroBatches _microBatches;
        private readonly Batch _batch;
        private readonly AlignedBuffer _weights;
        private readonly AlignedBuffer _state;
        private readonly GradientSet _gradients;
        private readonly PieceSums[] _sums;
        private long _step;

        public TrainingStep(Optimizer optimizer, int rows, int microBatches, ComputePool pool)
        {
            var relu = new ReluDefinition();
            Network network = Network.Build(
                Shape.Of(Features),
                [
                    new DenseDefinition(Hidden) { Activation = relu },
                    new DenseDefinition(Hidden) { Activation = relu },
                    new DenseDefinition(Classes),
                ]);
            ParameterLayout layout = network.Layout;
            _optimizer = optimizer;
            _microBatches = new MicroBatches(rows, microBatches);
            _executor = new NetworkExecutor(
                network, new SoftmaxCrossEntropy(), rows, microBatches, pool);
            _update = new ParameterUpdate(
                layout, 0, layout.BlockCount,
                new UpdateRules(optimizer, Penalty.None, Clipping.None), pool);
            _weights = new AlignedBuffer(layout.Length);
            network.InitializeWeights(1, _weights);
            _state = new AlignedBuffer(_update.StateLength);
            _gradients = new GradientSet(layout, 0, microBatches, microBatches);
            _sums = new PieceSums[_update.PieceCount];
            _batch = new Batch(rows, Features, 1) { Rows = rows };
            for (int i = 0; i < _batch.Features.Length; i++)
            {
                _batch.Features.Span[i] = i * 2654435761u % 1001 / 1000f;
            }

            for (int row = 0; row < rows; row++)
            {
                _batch.Targets.Span[row] = row % Classes;
                _batch.Samples[row] = row;
            }
        }

        public void Run()
        {
            _executor.UseWeights(_weights);
            _executor.ComputeGradients(
                _batch, new StepWork(1, _step, _microBatches), _gradients, listener: null);
            AlignedBuffer gradient = _gradients.Gradient(0);
            _update.Prepare(_weights, measureWeights: false, gradient, _sums);
            _update.Apply(
                new UpdateStep(_step, _optimizer.LearningRate, 1, _microBatches.Count), gradient,
                _weights, _state, _weights);
            _step++;
        }

        public void Dispose()
        {
            _executor.Dispose();
            _gradients.Dispose();
            _weights.Dispose();
            _state.Dispose();
            _batch.Dispose();
        }
    }
}
