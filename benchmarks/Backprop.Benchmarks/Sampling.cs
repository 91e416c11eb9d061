using System.Diagnostics;

namespace Backprop.Benchmarks;

/// <summary>What a series of samples says of one piece of work.</summary>
/// <param name="MedianSeconds">Of one repetition.</param>
/// <param name="BestSeconds">Of one repetition.</param>
/// <param name="Peak">The best sample of <see cref="FmaPeak"/>, taken in turns with the work's, so
/// that a neighbour on the machine or a lower clock troubles both alike; GF/s.</param>
internal readonly record struct Sampling(double MedianSeconds, double BestSeconds, double Peak)
{
    private const int Samples = 51;
    private const double SampleSeconds = 0.0005;
    private const double WarmUpSeconds = 0.02;

    /// <summary>Runs the work often enough to know. Work of one thread is timed by the processor's
    /// time, which leaves out the waiting for a core on a machine that others use too; work of
    /// several by the clock, since threads that wait for each other spin.</summary>
    public static Sampling Of(Action work, int threads)
    {
        long start = Stopwatch.GetTimestamp();
        int warmUps = 0;
        do
        {
            work();
            warmUps++;
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < WarmUpSeconds);

        double once = Stopwatch.GetElapsedTime(start).TotalSeconds / warmUps;
        int repeats = (int)Math.Clamp(SampleSeconds / once, 1, 10_000);
        var seconds = new double[Samples];
        double peak = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            peak = Math.Max(peak, FmaPeak.Sample());
            double from = Now(threads);
            for (int i = 0; i < repeats; i++)
            {
                work();
            }

            seconds[sample] = (Now(threads) - from) / repeats;
        }

        Array.Sort(seconds);
        return new Sampling(seconds[Samples / 2], seconds[0], peak);
    }

    private static double Now(int threads) => threads == 1
        ? Environment.CpuUsage.TotalTime.TotalSeconds
        : Stopwatch.GetElapsedTime(0).TotalSeconds;
}
