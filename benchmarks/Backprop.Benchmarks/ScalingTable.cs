using System.CommandLine;
using System.Diagnostics;
using System.Globalization;

namespace Backprop.Benchmarks;

/// <summary>The table of weak scaling: every worker has as many rows as one alone, and one thread.
/// Ours as actors and as processes, by turns with PyTorch's DistributedDataParallel over gloo.
/// </summary>
internal static class ScalingTable
{
    private const string Peer = "DDP, gloo";
    private const string Script = "benchmarks/peers/ddp.py";
    private const int RowsPerWorker = 64;
    private const int MicroBatchesPerWorker = 8;

    // A step's time is the difference of a long run and a short one, so that what a run takes to
    // begin and to end does not count.
    private const int ShortSteps = 100;
    private const int LongSteps = 700;
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(5);

    /// <summary>Reads the options and prints the table. To be run in the checkout.</summary>
    public static int Print(string[] options)
    {
        var workers = new Option<int[]>("--workers")
        {
            Description = "Numbers of workers.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => [1, 2],
        };
        var widths = new Option<int[]>("--widths")
        {
            Description = "Features, the outputs of hidden layers, and outputs.",
            AllowMultipleArgumentsPerToken = true,
            DefaultValueFactory = _ => TrainingStep.SmallWidths,
        };
        var rounds = new Option<int>("--rounds")
        {
            Description = "How often everything takes its turn.",
            DefaultValueFactory = _ => 3,
        };
        var peer = new Option<string?>("--peer") { Description = "A Python that has PyTorch." };
        var command = new RootCommand("Prints the table of weak scaling.")
        {
            workers, widths, rounds, peer,
        };
        command.SetAction(result => Print(
            result.GetValue(workers)!, result.GetValue(widths)!, result.GetValue(rounds),
            result.GetValue(peer)));
        return command.Parse(options).Invoke();
    }

    private static void Print(int[] workers, int[] widths, int rounds, string? python)
    {
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("backprop-scaling-");
        try
        {
            List<Line> lines = [.. Lines(workers, widths, scratch.FullName, python)];
            for (int round = 0; round < rounds; round++)
            {
                foreach (Line line in lines)
                {
                    line.Samples.Add(line.Measure());
                }
            }

            Console.WriteLine(
                $"MLP {string.Join('-', widths)}, {RowsPerWorker} rows a worker, momentum, one"
                + $" thread each; medians of {rounds} rounds in turns");
            Console.WriteLine("arrangement          workers    ms/step  samples/s  of linear");
            foreach (Line line in lines)
            {
                // Linear is what one process does that has nobody to exchange anything with.
                Line one = line.Arrangement == Peer
                    ? lines.First(l => l.Arrangement == Peer)
                    : lines[0];
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{line.Arrangement,-20}{line.Workers,8}{line.Median,11:F2}"
                    + $"{1e3 * RowsPerWorker * line.Workers / line.Median,11:F0}"
                    + $"{one.Median / line.Median,11:P0}"));
            }
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    private static IEnumerable<Line> Lines(
        int[] workers, int[] widths, string scratch, string? python)
    {
        string single = Specification(scratch, widths, 1, ShortSteps);
        string singleWhole = Specification(scratch, widths, 1, LongSteps);
        yield return new("alone", 1, () => Difference(
            single, singleWhole, file => MeasuredRun.Train(file, scratch, "--threads", "1")));
        foreach (int count in workers)
        {
            (string brief, string whole) = (
                Specification(scratch, widths, count, ShortSteps),
                Specification(scratch, widths, count, LongSteps));
            yield return new("actors", count, () => Difference(
                brief, whole, file => MeasuredRun.Train(
                    file, scratch, "--threads", "1", "--workers", $"{count}")));
            yield return new("processes", count, () => Difference(
                brief, whole, file => MeasuredRun.Cluster(file, scratch, count, servers: 1)));
            if (python is not null)
            {
                yield return new(Peer, count, () => PeerStep(python, count, widths));
            }
        }
    }

    private static double Difference(
        string brief, string whole, Func<string, MeasuredRun> measure)
    {
        MeasuredRun begin = measure(brief), all = measure(whole);
        return (all.Milliseconds - begin.Milliseconds) / (all.Steps - begin.Steps);
    }

    private static double PeerStep(string python, int ranks, int[] widths)
    {
        string arguments = string.Create(
            CultureInfo.InvariantCulture,
            $"{Path.GetFullPath(Script)} {ranks} {RowsPerWorker} {LongSteps - ShortSteps}"
            + $" {string.Join(' ', widths)}");
        var start = new ProcessStartInfo(python, arguments) { RedirectStandardOutput = true };
        Benchmarks.Peer.ChooseBlas(start);
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_deadline))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{Script} takes too long");
        }

        return double.Parse(output.GetAwaiter().GetResult(), CultureInfo.InvariantCulture);
    }

    private static string Specification(string scratch, int[] widths, int workers, int steps)
    {
        IEnumerable<string> layers = widths[1..^1]
            .Select(width => $"  {{ dense {{ units = {width}, activation = relu }} }}\n")
            .Append($"  {{ dense {{ units = {widths[^1]} }} }}\n");
        string path = Path.Combine(scratch, $"{workers}-{steps}.conf");
        File.WriteAllText(
            path,
            $$"""
            name = scaling
            data { train { generated { teacher {
              samples = 16384, inputs = {{widths[0]}}, layers = [{{widths[^1]}}], weight-range = 0.1
            } } } }
            model = [
            {{string.Concat(layers)}}]
            loss = mean-squared-error
            optimizer { momentum { learning-rate = 1e-3 } }
            batch-size = {{RowsPerWorker * workers}}
            micro-batches = {{MicroBatchesPerWorker * workers}}
            epochs = 1000
            stop { max-steps = {{steps}} }

            """);
        return path;
    }

    private sealed record Line(string Arrangement, int Workers, Func<double> Measure)
    {
        public List<double> Samples { get; } = [];

        public double Median => Samples.Order().ElementAt(Samples.Count / 2);
    }
}
