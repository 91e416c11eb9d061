using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of whole training steps of an MLP: forward, loss, backward, update, on a
/// batch that is already there.</summary>
internal static class StepTable
{
    private static readonly int[][] s_models =
        [[784, 512, 512, 10], [784, 2048, 2048, 2048, 10]];

    /// <summary>Prints the table.</summary>
    /// <param name="threads">Threads of ours; the peer has its own number.</param>
    /// <param name="only">Prints the lines that contain this.</param>
    /// <param name="peer">Takes turns with us; null for none.</param>
    public static void Print(int threads, string only, Peer? peer)
    {
        using var pool = new ComputePool(threads);
        Console.WriteLine($"{threads} thread(s)");
        Console.WriteLine(
            "MLP                      optimizer  batch  micro-batches  median ms  of peak"
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
            Sampling sampling = Sampling.Of(() => step.Run(), threads, peer);
            double speed = Operations(widths) * rows / sampling.MedianSeconds / 1e9;
            string beside = peer is null
                ? ""
                : $"{sampling.PeerMedianSeconds * 1e3,9:F3}{sampling.Ratio,7:F2}";
            Console.WriteLine(
                $"{label}{sampling.MedianSeconds * 1e3,11:F3}"
                + $"{speed / (sampling.Peak * threads),9:P0}{beside}");
        }
    }

    private static IEnumerable<(int[] Widths, Optimizer Optimizer, int Rows, int MicroBatches)>
        Lines() =>
        from widths in s_models
        from optimizer in (Optimizer[])
            [new Momentum { LearningRate = 1e-3f }, new Adam { LearningRate = 1e-4f }]
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
