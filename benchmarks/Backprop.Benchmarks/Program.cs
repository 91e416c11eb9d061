using System.CommandLine;
using System.Reflection;
using Backprop.Engine.Threading;
using BenchmarkDotNet.Running;

namespace Backprop.Benchmarks;

internal static class Program
{
    private static int Main(string[] args)
    {
        switch (args)
        {
            case ["products" or "steps", .. string[] options]:
                return PrintTable(args[0], options);
            case ["links"]:
                LinkTable.Print();
                return 0;
            case ["digests"]:
                DigestTable.Print();
                return 0;
            case ["cluster"]:
                ClusterTable.Print();
                return 0;
            case ["dashboards", .. string[] options]:
                return DashboardTable.Print(options);
            case ["scaling", .. string[] options]:
                return ScalingTable.Print(options);
            case ["latency", .. string[] options]:
                return LatencyTable.Print(options);
            case ["server"]:
                ServerTable.Print();
                return 0;
            case ["scale"]:
                ScaleTable.Print();
                return 0;
            default:
                BenchmarkSwitcher.FromAssembly(Assembly.GetExecutingAssembly()).Run(args);
                return 0;
        }
    }

    private static int PrintTable(string table, string[] options)
    {
        var threads = new Argument<int>("threads")
        {
            Description = "Threads of ours and of the peer.",
            DefaultValueFactory = _ => 1,
        };
        threads.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is < 1 or > ComputePool.MaxThreads)
            {
                result.AddError($"threads: 1 to {ComputePool.MaxThreads}");
            }
        });
        var only = new Option<string>("--only")
        {
            Description = "Print the lines that contain this.",
            DefaultValueFactory = _ => "",
        };
        var peer = new Option<string?>("--peer")
        {
            Description = "A Python that has PyTorch, which is timed by turns with us.",
        };
        var command = new RootCommand($"Prints the table of {table}.") { threads, only, peer };
        command.SetAction(result =>
        {
            int count = result.GetValue(threads);
            using Peer? beside = result.GetValue(peer) is { } python
                ? Peer.Start(python, count)
                : null;
            if (beside is not null)
            {
                Console.WriteLine($"peer: {beside.About}");
            }

            Action<int, string, Peer?> print =
                table == "products" ? ProductTable.Print : StepTable.Print;
            print(count, result.GetValue(only)!, beside);
        });
        return command.Parse(options).Invoke();
    }
}
