using System.Globalization;
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
        int threads = 1;
        if (options.Length > 1
            || (options.Length == 1
                && (!int.TryParse(options[0], CultureInfo.InvariantCulture, out threads)
                    || threads is < 1 or > ComputePool.MaxThreads)))
        {
            Console.Error.WriteLine($"usage: {table} [THREADS]");
            return 2;
        }

        if (table == "products")
        {
            ProductTable.Print(threads);
        }
        else
        {
            StepTable.Print(threads);
        }

        return 0;
    }
}
