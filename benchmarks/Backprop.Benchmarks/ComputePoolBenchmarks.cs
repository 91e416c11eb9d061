using Backprop.Engine.Threading;
using BenchmarkDotNet.Attributes;

namespace Backprop.Benchmarks;

/// <summary>What a fork and join costs when there is nothing to do.</summary>
[MemoryDiagnoser]
public class ComputePoolBenchmarks
{
    private ComputePool _pool = null!;
    private Nothing _body;

    /// <summary>Threads of the pool.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    /// <summary>Starts the threads.</summary>
    [GlobalSetup]
    public void Start() => _pool = new ComputePool(Threads);

    /// <summary>Ends them.</summary>
    [GlobalCleanup]
    public void Stop() => _pool.Dispose();

    /// <summary>One fork and join.</summary>
    [Benchmark]
    public void ForkAndJoin() => _pool.Run(ref _body);

    private struct Nothing : IParallelBody
    {
        public readonly void Run(int part, int parts)
        {
        }
    }
}
