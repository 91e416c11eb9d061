using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Backprop.Benchmarks;

/// <summary>Tensor links over loopback, one way and there and back, beside what iperf3 moves in
/// the same run, where it is installed.</summary>
internal static class LinkTable
{
    private const double WarmUpSeconds = 0.3;
    private const double Seconds = 1.2;
    private const int IperfPort = 47_201;
    private const int Rounds = 5;
    private const int LargeBytes = 1 << 26;

    private static readonly int[] Sizes = [1 << 18, 1 << 22, LargeBytes];

    public static void Print()
    {
        foreach (int streams in (int[])[1, 4])
        {
            PrintBesideIperf(streams);
        }

        PrintKinds();
        PrintBesideAllReduce();
        Console.WriteLine();
        Console.WriteLine("push, fold and return over loopback, both ends in this process");
        Console.WriteLine(
            "sockets  streams    MiB   median GB/s  (best)   ms/round  CPU-s/GB"
            + "  allocated B/round");
        foreach (LinkKind kind in (LinkKind[])[LinkKind.Tcp, LinkKind.Unix, LinkKind.Memory])
        {
            using var sockets = new LinkSockets(kind);
            foreach (int streams in (int[])[1, 4])
            {
                foreach (int bytes in Sizes)
                {
                    using var round =
                        new LinkRound(LinkPattern.PushAndReturn, sockets, streams, bytes);
                    Console.WriteLine($"{kind,-7}  {Line(round, streams, bytes)}");
                }
            }
        }
    }

    // By turns, since the machine's speed changes from one minute to the next.
    private static void PrintBesideIperf(int streams)
    {
        var ours = new List<double>();
        var theirs = new List<double>();
        using var tcp = new LinkSockets(LinkKind.Tcp);
        for (int i = 0; i < Rounds; i++)
        {
            ours.Add(OneWay(tcp, streams, out _));
            if (Iperf(streams) is { } rate)
            {
                theirs.Add(rate);
            }
        }

        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"one way, {streams} stream(s), 64 MiB: {Median(ours):0.00} GB/s");
        Console.WriteLine(theirs.Count == 0
            ? $"{line}; iperf3 is not installed"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{line}; iperf3 -l 1M {Median(theirs):0.00} GB/s;"
                + $" ratio {Median(ours) / Median(theirs):0.00} (medians of {Rounds})"));
    }

    private static void PrintKinds()
    {
        LinkKind[] kinds = Enum.GetValues<LinkKind>();
        LinkSockets[] sockets = [.. kinds.Select(kind => new LinkSockets(kind))];
        List<double>[] rates = [.. kinds.Select(_ => new List<double>())];
        List<double>[] costs = [.. kinds.Select(_ => new List<double>())];
        for (int i = 0; i < Rounds; i++)
        {
            for (int kind = 0; kind < kinds.Length; kind++)
            {
                rates[kind].Add(OneWay(sockets[kind], streams: 1, out double cost));
                costs[kind].Add(cost);
            }
        }

        Array.ForEach(sockets, one => one.Dispose());
        double tcp = Median(rates[0]);
        Console.WriteLine("one way, 1 stream, 64 MiB, by turns: " + string.Join(
            ", ", kinds.Select((kind, i) => string.Create(
                CultureInfo.InvariantCulture,
                $"{kind} {Median(rates[i]):0.00} GB/s ({Median(rates[i]) / tcp:0.00} of Tcp,"
                + $" {Median(costs[i]):0.00} CPU-s/GB of both ends)"))));
    }

    private static void PrintBesideAllReduce()
    {
        using AllReduce? gloo = AllReduce.Start();
        if (gloo is null)
        {
            Console.WriteLine("PyTorch is not installed for python3: no all_reduce beside this");
            return;
        }

        foreach (LinkKind kind in (LinkKind[])[LinkKind.Tcp, LinkKind.Unix, LinkKind.Memory])
        {
            using var sockets = new LinkSockets(kind);
            foreach (int bytes in Sizes[1..])
            {
                using var round = new LinkRound(LinkPattern.PushAndReturn, sockets, 1, bytes);
                var ours = new List<double>();
                var theirs = new List<double>();
                for (int i = 0; i < Rounds; i++)
                {
                    ours.Add(MedianOf(round));
                    theirs.Add(gloo.Measure(bytes, Seconds));
                }

                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"push and return, {kind}, {bytes >> 20} MiB: {Median(ours) * 1e3:0.00} ms;"
                    + $" gloo all_reduce {Median(theirs) * 1e3:0.00} ms; ratio"
                    + $" {Median(theirs) / Median(ours):0.00} (medians of {Rounds})"));
            }
        }
    }

    private static double MedianOf(LinkRound round)
    {
        var seconds = new List<double>(1 << 16);
        Repeat(round, WarmUpSeconds, seconds);
        seconds.Clear();
        Repeat(round, Seconds, seconds);
        return Median(seconds);
    }

    private static double OneWay(LinkSockets sockets, int streams, out double cpuSecondsPerGb)
    {
        using var round = new LinkRound(LinkPattern.Push, sockets, streams, LargeBytes);
        var seconds = new List<double>(1 << 16);
        Repeat(round, WarmUpSeconds, seconds);
        seconds.Clear();
        TimeSpan cpu = Environment.CpuUsage.TotalTime;
        Repeat(round, Seconds, seconds);
        double gigabytes = 1e-9 * LargeBytes * seconds.Count;
        cpuSecondsPerGb = (Environment.CpuUsage.TotalTime - cpu).TotalSeconds / gigabytes;
        return gigabytes / seconds.Sum();
    }

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
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

    /// <summary>GB/s that iperf3 moves one way; null: it is not installed.</summary>
    private static double? Iperf(int streams)
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
            return report.RootElement.GetProperty("end").GetProperty("sum_received")
                .GetProperty("bits_per_second").GetDouble() / 8e9;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static Process Start(string arguments) => Process.Start(
        new ProcessStartInfo("iperf3", arguments) { RedirectStandardOutput = true })
        ?? throw new InvalidOperationException("iperf3 did not start");
}
