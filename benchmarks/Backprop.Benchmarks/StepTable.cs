using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of whole training steps of the MLP 784-512-512-10: forward, loss, backward,
/// update, on a batch that is already there.</summary>
internal static class StepTable
{
    // Multiply-adds a row: three products of the last two layers, two of the first, whose input
    // needs no gradient.
    private const double OperationsPerRow =
        2.0 * (3 * TrainingStep.Hidden * (TrainingStep.Hidden + TrainingStep.Classes)
            + 2 * TrainingStep.Features * TrainingStep.Hidden);

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
                    Sampling sampling = Sampling.Of(() => step.Run(), threads);
                    double speed = OperationsPerRow * rows / sampling.MedianSeconds / 1e9;
                    Console.WriteLine(
                        $"{optimizer.Name,-10}{rows,6}{microBatches,15}"
                        + $"{sampling.MedianSeconds * 1e3,11:F3} ({sampling.BestSeconds * 1e3:F3})"
                        + $"{speed,6:F0}{speed / (sampling.Peak * threads),10:P0}");
                }
            }
        }
    }
}
