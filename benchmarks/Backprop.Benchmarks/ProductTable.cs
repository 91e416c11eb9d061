using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>The table of products: each shape's speed beside the peak of the same core in the same
/// process.</summary>
internal static class ProductTable
{
    /// <summary>Prints the table.</summary>
    public static void Print(int threads)
    {
        using var pool = new ComputePool(threads);
        Console.WriteLine($"{(int)SimdWidths.Best} lanes, {threads} thread(s); GF/s");
        Console.WriteLine(
            "product              M     N     K  pieces   median  (best)  of peak, median (best)");
        double bestPeak = 0;
        foreach (ProductShape shape in ProductShape.All)
        {
            using var run = new ProductRun(shape);
            Sampling sampling = Sampling.Of(() => run.Run(pool), threads);
            bestPeak = Math.Max(bestPeak, sampling.Peak);
            double median = shape.Operations / sampling.MedianSeconds / 1e9;
            double best = shape.Operations / sampling.BestSeconds / 1e9;
            double peak = sampling.Peak * threads;
            Console.WriteLine(
                $"{shape.Kind,-15} {shape.M,6}{shape.N,6}{shape.K,6}{shape.MicroBatches,8}"
                + $"{median,9:F1} ({best,5:F1}){median / peak,9:P0} ({best / peak:P0})");
        }

        Console.WriteLine($"peak of one core: {bestPeak:F1} GF/s");
    }
}
