using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Backprop.Benchmarks;

/// <summary>Tensor links over loopback: pieces are pushed, folded and returned; beside it what
/// iperf3 moves in the same minute, where it is installed.</summary>
internal static class LinkTable
{
    private const double WarmUpSeconds = 0.3;
    private const double Seconds = 1.2;
    private const int IperfPort = 47_201;

    private static readonly int[] Sizes = [1 << 18, 1 << 22, 1 << 26];

    public static void Print()
    {
        Console.WriteLine("push and return over loopback, both ends in this process");
        Console.WriteLine(
            "streams    MiB   median GB/s  (best)   ms/round  CPU-s/GB  allocated B/round");
        foreach (int streams in (int[])[1, 4])
        {
            foreach (int bytes in Sizes)
            {
                using var round = new LinkRound(streams, bytes);
                Console.WriteLine(Line(round, streams, bytes));
            }

            Console.WriteLine(Iperf(streams));
        }
    }

    private static string Line(LinkRound round, int streams, int bytes)
    {
        // As long as it may get, so that it does not grow while allocations are counted.
        var seconds = new List<double>(1 << 16);
        Repeat(round, WarmUpSeconds, seconds);
        seconds.Clear();
        GC.Collect();
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        Repeat(round, Seconds, seconds);
        double cpuSeconds = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds;
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;

        seconds.Sort();
        double median = seconds[seconds.Count / 2];
        double gigabytes = 2e-9 * bytes;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{streams,7} {bytes / 1048576.0,6:0.##} {gigabytes / median,13:0.00}"
            + $"  ({gigabytes / seconds[0]:0.00}) {median * 1e3,10:0.000}"
            + $" {cpuSeconds / (gigabytes * seconds.Count),9:0.00}"
            + $" {allocated / seconds.Count,18:N0}");
    }

    private static void Repeat(LinkRound round, double seconds, List<double> taken)
    {
        long start = Stopwatch.GetTimestamp();
        while (taken.Count < 3 || (taken.Count < taken.Capacity
            && Stopwatch.GetElapsedTime(start).TotalSeconds < seconds))
        {
            long from = Stopwatch.GetTimestamp();
            round.Run();
            taken.Add(Stopwatch.GetElapsedTime(from).TotalSeconds);
        }
    }

    private static string Iperf(int streams)
    {
        try
        {
            using Process server = Start($"-s -1 -B 127.0.0.1 -p {IperfPort}");
            Thread.Sleep(300);
            using Process client = Start(
                $"-c 127.0.0.1 -p {IperfPort} -t 2 -l 1M -P {streams} -J");
            using JsonDocument report = JsonDocument.Parse(client.StandardOutput.ReadToEnd());
            client.WaitForExit();
            server.WaitForExit();
            double bits = report.RootElement.GetProperty("end").GetProperty("sum_received")
                .GetProperty("bits_per_second").GetDouble();
            return string.Create(
                CultureInfo.InvariantCulture,
                $"iperf3 -l 1M, {streams} stream(s), one way: {bits / 8e9:0.00} GB/s");
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "iperf3 is not installed";
        }
    }

    private static Process Start(string arguments) => Process.Start(
        new ProcessStartInfo("iperf3", arguments) { RedirectStandardOutput = true })
        ?? throw new InvalidOperationException("iperf3 did not start");
}
