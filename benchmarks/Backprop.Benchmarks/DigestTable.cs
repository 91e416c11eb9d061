using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Digests;

namespace Backprop.Benchmarks;

/// <summary>What the digest of every version costs: whole steps with it and without it, by turns.
/// </summary>
internal static class DigestTable
{
    private const int Turns = 201;
    private const int WarmUps = 50;

    /// <summary>Prints the table.</summary>
    public static void Print()
    {
        using var pool = new ComputePool(1);
        Console.WriteLine("1 thread, processor time; medians of the differences of two steps");
        Console.WriteLine("optimizer  batch  step ms  digest ms  share");
        foreach (Optimizer optimizer in (Optimizer[])
            [new Momentum { LearningRate = 1e-3f }, new Adam { LearningRate = 1e-4f }])
        {
            foreach (int rows in (int[])[32, 128, 256])
            {
                using var step = new TrainingStep(
                    TrainingStep.SmallWidths, optimizer, rows, 8, pool);
                (double without, double digest) = Measure(step);
                Console.WriteLine(
                    $"{optimizer.Name,-10}{rows,6}{without * 1e3,9:F3}{digest * 1e3,11:F4}"
                    + $"{digest / without,7:P1}");
            }
        }
    }

    private static (double Without, double Digest) Measure(TrainingStep step)
    {
        var digest = new SliceDigest(0, step.Layout.BlockCount);
        var without = new double[Turns];
        var differences = new double[Turns];
        for (int turn = -WarmUps; turn < Turns; turn++)
        {
            double plain = Time(step, null), digested = Time(step, digest);
            GC.KeepAlive(digest.Total);
            if (turn >= 0)
            {
                without[turn] = plain;
                differences[turn] = digested - plain;
            }
        }

        Array.Sort(without);
        Array.Sort(differences);
        return (without[Turns / 2], differences[Turns / 2]);
    }

    private static double Time(TrainingStep step, IBlockListener? listener)
    {
        double from = Environment.CpuUsage.TotalTime.TotalSeconds;
        step.Run(listener);
        return Environment.CpuUsage.TotalTime.TotalSeconds - from;
    }
}
