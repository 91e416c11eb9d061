using System.Reflection;
using BenchmarkDotNet.Running;

namespace Backprop.Benchmarks;

internal static class Program
{
    private static int Main(string[] args)
    {
        switch (args)
        {
            case ["products", .. string[] options]:
                return ProductTable.Run(options);
            default:
                BenchmarkSwitcher.FromAssembly(Assembly.GetExecutingAssembly()).Run(args);
                return 0;
        }
    }
}
