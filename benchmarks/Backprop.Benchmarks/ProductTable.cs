using System.Diagnostics;
using System.Globalization;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>
/// The table of products: each shape's speed beside the peak of the same core in the same process,
/// taken in turns, so that a neighbour on the machine or a lower clock troubles both alike.
/// </summary>
internal static class ProductTable
{
    private const int Rounds = 51;
    private const double SampleSeconds = 0.0003;

    /// <summary>Prints the table. Options: a number of threads (default 1).</summary>
    public static int Run(string[] options)
    {
        int threads = 1;
        if (options.Length > 1
            || (options.Length == 1
                && (!int.TryParse(options[0], CultureInfo.InvariantCulture, out threads)
                    || threads is < 1 or > ComputePool.MaxThreads)))
        {
            Console.Error.WriteLine("usage: products [THREADS]");
            return 2;
        }

        using var pool = new ComputePool(threads);
        Console.WriteLine(
            $"{(int)SimdWidths.Best} lanes, {threads} thread(s); GF/s, {Rounds} samples");
        Console.WriteLine(
            "product              M     N     K  pieces   median  (best)  of peak, median (best)");
        double bestPeak = 0;
        foreach (ProductShape shape in ProductShape.All)
        {
            (double median, double best, double peak) = Measure(shape, pool);
            bestPeak = Math.Max(bestPeak, peak);
            double whole = peak * threads;
            Console.WriteLine(
                $"{shape.Kind,-15} {shape.M,6}{shape.N,6}{shape.K,6}{shape.MicroBatches,8}"
                + $"{median,9:F1} ({best,5:F1}){median / whole,9:P0} ({best / whole:P0})");
        }

        Console.WriteLine($"peak of one core: {bestPeak:F1} GF/s");
        return 0;
    }

    private static (double Median, double Best, double Peak) Measure(
        ProductShape shape, ComputePool pool)
    {
        using var run = new ProductRun(shape);
        run.Run(pool);
        double once = Seconds(run, pool, 1);
        int repeats = (int)Math.Clamp(SampleSeconds / once, 1, 10_000);
        Seconds(run, pool, repeats);
        var speeds = new double[Rounds];
        double peak = 0;
        for (int round = 0; round < Rounds; round++)
        {
            peak = Math.Max(peak, FmaPeak.Sample());
            speeds[round] = shape.Operations * repeats / Seconds(run, pool, repeats) / 1e9;
        }

        Array.Sort(speeds);
        return (speeds[Rounds / 2], speeds[^1], peak);
    }

    private static double Seconds(ProductRun run, ComputePool pool, int repeats)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < repeats; i++)
        {
            run.Run(pool);
        }

        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
