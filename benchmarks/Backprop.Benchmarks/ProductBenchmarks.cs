using Backprop.Engine.Threading;
using BenchmarkDotNet.Attributes;

namespace Backprop.Benchmarks;

/// <summary>The products of one hidden layer of 512 neurons at a batch of 64, with statistics and
/// an account of what is allocated, which is nothing.</summary>
[MemoryDiagnoser]
public class ProductBenchmarks
{
    private ComputePool _pool = null!;
    private ProductRun _run = null!;

    /// <summary>Which product.</summary>
    [ParamsAllValues]
    public ProductKind Kind { get; set; }

    /// <summary>Threads of the pool.</summary>
    [Params(1, 2)]
    public int Threads { get; set; }

    /// <summary>Allocates the operands.</summary>
    [GlobalSetup]
    public void Prepare()
    {
        _pool = new ComputePool(Threads);
        _run = new ProductRun(Kind == ProductKind.WeightGradient
            ? new ProductShape(Kind, 512, 512, 64, 8)
            : new ProductShape(Kind, 64, 512, 512));
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Clean()
    {
        _run.Dispose();
        _pool.Dispose();
    }

    /// <summary>One product.</summary>
    [Benchmark]
    public void Product() => _run.Run(_pool);
}
