using System.Globalization;

namespace Backprop.Benchmarks;

/// <summary>The table of what a step takes, and where it may run: in one process, by actors in one
/// process, in a cluster of processes on this machine. All of them train Fashion-MNIST to the same
/// weights, which is checked.</summary>
internal static class ClusterTable
{
    private const int Rounds = 3;
    private const int Epochs = 1;
    private const int Servers = 2;
    private const string Run = "hocon/runs/fashion-mnist-mlp.conf";
    private static readonly int[] s_workers = [1, 2, 4];

    /// <summary>Prints the table. To be run at the root of the checkout, with the data fetched.
    /// </summary>
    public static void Print()
    {
        DirectoryInfo scratch = Directory.CreateTempSubdirectory("backprop-cluster-");
        try
        {
            string specification = Path.Combine(scratch.FullName, "run.conf");
            File.WriteAllText(
                specification,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"include \"{Path.GetFullPath(Run)}\"\nepochs = {Epochs}\n"));
            Print(Arrangements(specification, scratch.FullName));
        }
        finally
        {
            scratch.Delete(recursive: true);
        }
    }

    private static void Print(List<Arrangement> arrangements)
    {
        string? expected = null;
        for (int round = 0; round < Rounds; round++)
        {
            foreach (Arrangement arrangement in arrangements)
            {
                MeasuredRun run = arrangement.Measure();
                string weights = run.Weights;
                expected ??= weights;
                if (weights != expected)
                {
                    throw new InvalidOperationException(
                        $"{arrangement.Name} ends in {weights}, not {expected}");
                }

                arrangement.Samples.Add(run.Milliseconds / run.Steps);
            }
        }

        Console.WriteLine(
            $"{Run}, {Epochs} epoch, one thread a worker; medians of {Rounds} rounds in turns;"
            + $" weights {expected![..8]} everywhere");
        Console.WriteLine("arrangement                                  ms/step   (best)  of one");
        double one = arrangements[0].Median;
        foreach (Arrangement arrangement in arrangements)
        {
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{arrangement.Name,-42}{arrangement.Median,10:F2}"
                + $"{arrangement.Samples.Min(),9:F2}{arrangement.Median / one,8:F2}"));
        }
    }

    private static List<Arrangement> Arrangements(string specification, string scratch)
    {
        var arrangements = new List<Arrangement>
        {
            new("one process, 1 thread", () => MeasuredRun.Train(
                specification, scratch, "--threads", "1")),
            new("one process, 2 threads", () => MeasuredRun.Train(
                specification, scratch, "--threads", "2")),
        };
        foreach (int workers in s_workers)
        {
            string size = $"{workers} worker(s), {Servers} parameter servers";
            arrangements.Add(new($"{size}, actors", () => MeasuredRun.Train(
                specification, scratch, "--threads", "1", "--workers", $"{workers}",
                "--parameter-servers", $"{Servers}")));
            arrangements.Add(new(
                $"{size}, processes", () => MeasuredRun.Cluster(
                    specification, scratch, workers, Servers)));
        }

        return arrangements;
    }

    private sealed record Arrangement(
        string Name, Func<MeasuredRun> Measure)
    {
        public List<double> Samples { get; } = [];

        public double Median => Samples.Order().ElementAt(Samples.Count / 2);
    }
}
