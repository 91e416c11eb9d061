using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of whole training steps of MLPs, of a convolutional network and of a
/// transformer: forward, loss, backward, update, on a batch that is already there.</summary>
internal static class StepTable
{
    private static readonly int[][] s_models =
        [[784, 512, 512, 10], [784, 2048, 2048, 2048, 10]];

    private static readonly Optimizer[] s_optimizers =
        [new Momentum { LearningRate = 1e-3f }, new Adam { LearningRate = 1e-4f }];

    // As for an MLP: the first layer's filters, the second's, two dense layers.
    private const double CnnOperations = (2 * 2.0 * 28 * 28 * 9 * 32)
        + (3 * 2.0 * ((14 * 14 * 9 * 32 * 64) + (7 * 7 * 64 * 128) + (128 * 10)));

    // A row's positions times what each multiplies by: four products of attention, twice four times
    // the width in the two dense layers, scores and mixture over half of the positions on average,
    // and the output.
    private const double TransformerOperations = 3 * 2.0 * TrainingStep.TextLength
        * ((TrainingStep.TextBlocks * TrainingStep.TextWidth
                * ((12.0 * TrainingStep.TextWidth) + TrainingStep.TextLength))
            + (TrainingStep.TextWidth * TrainingStep.Vocabulary));

    /// <summary>Prints the table.</summary>
    /// <param name="threads">Threads of ours; the peer has its own number.</param>
    /// <param name="only">Prints the lines that contain this.</param>
    /// <param name="peer">Takes turns with us; null for none.</param>
    public static void Print(int threads, string only, Peer? peer)
    {
        using var pool = new ComputePool(threads);
        Console.WriteLine($"{threads} thread(s)");
        Console.WriteLine(
            "network                  optimizer  batch  micro-batches  median ms  of peak"
            + (peer is null ? "" : "  peer ms  ratio"));
        foreach ((int[] widths, Optimizer optimizer, int rows, int microBatches) in Lines())
        {
            string label = $"{string.Join('-', widths),-25}{optimizer.Name,-9}"
                + $"{rows,7}{microBatches,15}";
            if (!label.Contains(only, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            peer?.Prepare($"step {optimizer.Name} {rows} {string.Join(' ', widths)}");
            using var step = new TrainingStep(widths, optimizer, rows, microBatches, pool);
            PrintLine(label, step, Operations(widths) * rows, threads, peer);
        }

        Print(
            "CNN 28x28-32-64-128-10", "cnn", TrainingStep.Cnn(), rows: 64, CnnOperations, pool,
            only, peer);
        Print(
            "transformer 64x128, 4", "transformer", TrainingStep.Transformer(), rows: 16,
            TransformerOperations, pool, only, peer);
    }

    private static void Print(
        string name, string request, Network network, int rows, double operations,
        ComputePool pool, string only, Peer? peer)
    {
        foreach (Optimizer optimizer in s_optimizers)
        {
            foreach (int microBatches in (int[])[1, 8])
            {
                string label = $"{name,-25}{optimizer.Name,-9}{rows,7}{microBatches,15}";
                if (label.Contains(only, StringComparison.OrdinalIgnoreCase))
                {
                    peer?.Prepare($"{request} {optimizer.Name} {rows}");
                    using var step = new TrainingStep(
                        network, optimizer, rows, microBatches, pool);
                    PrintLine(label, step, operations * rows, pool.Threads, peer);
                }
            }
        }
    }

    private static void PrintLine(
        string label, TrainingStep step, double operations, int threads, Peer? peer)
    {
        Sampling sampling = Sampling.Of(() => step.Run(), threads, peer);
        double speed = operations / sampling.MedianSeconds / 1e9;
        string beside = peer is null
            ? ""
            : $"{sampling.PeerMedianSeconds * 1e3,9:F3}{sampling.Ratio,7:F2}";
        Console.WriteLine(
            $"{label}{sampling.MedianSeconds * 1e3,11:F3}"
            + $"{speed / (sampling.Peak * threads),9:P0}{beside}");
    }

    private static IEnumerable<(int[] Widths, Optimizer Optimizer, int Rows, int MicroBatches)>
        Lines() =>
        from widths in s_models
        from optimizer in s_optimizers
        from rows in widths[1] > 512 ? (int[])[256] : [32, 64, 128, 256, 1024]
        from microBatches in (int[])[1, 8]
        select (widths, optimizer, rows, microBatches);

    // Operations a row: three products a layer, but two of the first, whose input needs no
    // gradient.
    private static double Operations(int[] widths)
    {
        double operations = -2.0 * widths[0] * widths[1];
        for (int layer = 1; layer < widths.Length; layer++)
        {
            operations += 3 * 2.0 * widths[layer - 1] * widths[layer];
        }

        return operations;
    }
}
