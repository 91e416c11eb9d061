using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Metering;

namespace Backprop.Benchmarks;

/// <summary>What a step takes when there is next to nothing to compute and to send: all that is
/// left is waking threads, and the system's calls. Steps of a network of three parameters, by the
/// actors of a whole cluster, over links of every kind.</summary>
internal static class LatencyTable
{
    private const int Steps = 30_000;
    private const int WarmUpSteps = 10_000;

    /// <summary>Prints the table, or the lines of one kind of links, which is easier to profile.
    /// </summary>
    public static int Print(string[] options)
    {
        StepLinks[] kinds = Enum.GetValues<StepLinks>();
        if (options is [var name] && Enum.TryParse(name, ignoreCase: true, out StepLinks only))
        {
            kinds = [only];
        }
        else if (options.Length > 0)
        {
            Console.Error.WriteLine("usage: latency [memory|unix|tcp]");
            return 2;
        }

        Console.WriteLine(
            "a step of 3 parameters, 1 parameter server, all nodes in this process; "
            + $"{Steps - WarmUpSteps:N0} steps");
        Console.WriteLine("links         workers  p50 us  p90 us  p99 us  CPU us  allocated B");
        foreach (StepLinks kind in kinds)
        {
            foreach (int workers in (int[])[1, 2])
            {
                Console.WriteLine(MeasureAsync(kind, workers).GetAwaiter().GetResult());
            }
        }

        WakeUps.Print();
        return 0;
    }

    private static async Task<string> MeasureAsync(StepLinks kind, int workers)
    {
        await using ClusterInProcess running = await ClusterInProcess.StartAsync(
            "latency", workers, directory => LinksOf(kind, directory));
        using var versions = new VersionTimes();
        await running.Cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), Specification(workers), "latency", 0),
            default);
        await versions.WholeAsync();
        return $"{kind,-12}{workers,9}{versions}";
    }

    private static Func<LinkIdentity, LinkOptions, ITensorTransport>? LinksOf(
        StepLinks kind, string directory)
    {
        LocalSockets? local = kind == StepLinks.Unix
            ? LocalSockets.Open(directory, out string refusal)
                ?? throw new InvalidOperationException(refusal)
            : null;
        return kind == StepLinks.Memory
            ? null
            : (identity, options) => new TcpTransport(identity, options, null, local);
    }

    private static string Specification(int workers) => $$"""
        name = latency
        seed = 1
        data {
          train { generated { moons {
            samples = {{workers * Steps}}, noise = 0.2, seed = 1
          } } }
        }
        model = [ { dense { units = 1 } } ]
        loss = binary-cross-entropy
        optimizer { sgd { learning-rate = 0.001 } }
        batch-size = {{workers}}, micro-batches = {{workers}}, epochs = 1
        """;

    private enum StepLinks
    {
        Memory,
        Unix,
        Tcp,
    }

    /// <summary>When each version was made.</summary>
    private sealed class VersionTimes : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly long[] _times = new long[Steps + 1];
        private readonly TaskCompletionSource _whole = new(
            TaskCreationOptions.RunContinuationsAsynchronously);

        private TimeSpan _cpu;
        private long _allocated;

        public VersionTimes()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Name == "backprop.slice.version"
                    && instrument.Meter.Name == NodeMeter.Name)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((_, version, _, _) => Note(version));
            _listener.Start();
        }

        public Task WholeAsync() => _whole.Task.WaitAsync(TimeSpan.FromMinutes(2));

        public override string ToString()
        {
            double[] steps =
            [
                .. Enumerable.Range(WarmUpSteps, Steps - WarmUpSteps).Select(step =>
                    Stopwatch.GetElapsedTime(_times[step], _times[step + 1]).TotalMicroseconds),
            ];
            Array.Sort(steps);
            return string.Create(
                CultureInfo.InvariantCulture,
                $"{steps[steps.Length / 2],8:F0}{steps[steps.Length * 9 / 10],8:F0}"
                + $"{steps[steps.Length * 99 / 100],8:F0}"
                + $"{_cpu.TotalMicroseconds / steps.Length,8:F0}"
                + $"{(double)_allocated / steps.Length,13:F0}");
        }

        public void Dispose() => _listener.Dispose();

        // On the slice's thread alone.
        private void Note(long version)
        {
            _times[version] = Stopwatch.GetTimestamp();
            if (version is WarmUpSteps or Steps)
            {
                _cpu = Environment.CpuUsage.TotalTime - _cpu;
                _allocated = GC.GetTotalAllocatedBytes() - _allocated;
            }

            if (version == Steps)
            {
                _whole.TrySetResult();
            }
        }
    }
}
