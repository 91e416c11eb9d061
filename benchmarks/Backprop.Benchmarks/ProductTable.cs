using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of products: each shape's speed beside the peak of the same core in the same
/// process, and beside the peer's in the same minute.</summary>
internal static class ProductTable
{
    /// <summary>Prints the table.</summary>
    /// <param name="threads">Threads of ours; the peer has its own number.</param>
    /// <param name="only">Prints the lines that contain this.</param>
    /// <param name="peer">Takes turns with us; null for none.</param>
    public static void Print(int threads, string only, Peer? peer)
    {
        using var pool = new ComputePool(threads);
        Console.WriteLine($"{(int)SimdWidths.Best} lanes, {threads} thread(s); GF/s");
        Console.WriteLine(
            "product              M     N     K  pieces   median  (best)  of peak"
            + (peer is null ? "" : "     peer  ratio"));
        double bestPeak = 0;
        foreach (ProductShape shape in ProductShape.All)
        {
            (ProductKind kind, int m, int n, int k, int pieces) = shape;
            string label = $"{kind,-15} {m,6}{n,6}{k,6}{pieces,8}";
            if (!label.Contains(only, StringComparison.OrdinalIgnoreCase))
            {
                continue;
            }

            peer?.Prepare($"product {kind} {m} {n} {k}");
            using var run = new ProductRun(shape);
            Sampling sampling = Sampling.Of(() => run.Run(pool), threads, peer);
            bestPeak = Math.Max(bestPeak, sampling.Peak);
            double median = shape.Operations / sampling.MedianSeconds / 1e9;
            double best = shape.Operations / sampling.BestSeconds / 1e9;
            double peerMedian = shape.Operations / sampling.PeerMedianSeconds / 1e9;
            string beside = peer is null ? "" : $"{peerMedian,9:F1}{sampling.Ratio,7:F2}";
            Console.WriteLine(
                $"{label}{median,9:F1} ({best,5:F1}){median / (sampling.Peak * threads),9:P0}"
                + beside);
        }

        Console.WriteLine($"peak of one core: {bestPeak:F1} GF/s");
    }
}
