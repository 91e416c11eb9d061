using System.Diagnostics;

namespace Backprop.Benchmarks;

/// <summary>What a series of samples says of one piece of work.</summary>
/// <param name="MedianSeconds">Of one repetition.</param>
/// <param name="BestSeconds">Of one repetition.</param>
/// <param name="Peak">The best sample of <see cref="FmaPeak"/>, taken in turns with the work's, so
/// that a neighbour on the machine or a lower clock troubles both alike; GF/s.</param>
/// <param name="PeerMedianSeconds">Of one repetition by the peer, whose samples took turns with
/// ours; NaN without one.</param>
internal readonly record struct Sampling(
    double MedianSeconds, double BestSeconds, double Peak, double PeerMedianSeconds)
{
    private const int Samples = 51;
    private const double SampleSeconds = 0.0005;
    private const double WarmUpSeconds = 0.1;

    /// <summary>How many times as long the peer takes.</summary>
    public double Ratio => PeerMedianSeconds / MedianSeconds;

    /// <summary>Runs the work often enough to know. Work of one thread is timed by the processor's
    /// time, which leaves out the waiting for a core on a machine that others use too; work of
    /// several by the clock, since threads that wait for each other spin.</summary>
    /// <param name="work">What is timed.</param>
    /// <param name="threads">How many threads do it.</param>
    /// <param name="peer">Has prepared the same work; null for none.</param>
    public static Sampling Of(Action work, int threads, Peer? peer = null)
    {
        double once = WarmUp(work);
        int repeats = (int)Math.Clamp(SampleSeconds / once, 1, 10_000);
        var seconds = new double[Samples];
        var peers = new double[Samples];
        double peak = 0;
        for (int sample = 0; sample < Samples; sample++)
        {
            peak = Math.Max(peak, FmaPeak.Sample());

            // Not timed, here as in the peer: what the other one has left in the caches is nobody's
            // merit.
            work();
            double from = Now(threads);
            for (int i = 0; i < repeats; i++)
            {
                work();
            }

            seconds[sample] = (Now(threads) - from) / repeats;
            peers[sample] = peer?.Run(repeats) ?? double.NaN;
        }

        Array.Sort(seconds);
        Array.Sort(peers);
        return new Sampling(seconds[Samples / 2], seconds[0], peak, peers[Samples / 2]);
    }

    private static double WarmUp(Action work)
    {
        long start = Stopwatch.GetTimestamp();
        int runs = 0;
        do
        {
            work();
            runs++;
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < WarmUpSeconds);

        return Stopwatch.GetElapsedTime(start).TotalSeconds / runs;
    }

    private static double Now(int threads) => threads == 1
        ? Environment.CpuUsage.TotalTime.TotalSeconds
        : Stopwatch.GetElapsedTime(0).TotalSeconds;
}
