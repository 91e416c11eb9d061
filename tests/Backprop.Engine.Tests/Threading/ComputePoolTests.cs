using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Threading;

/// <summary>The pool runs every part exactly once, and no failure is lost or leaves it stuck.
/// </summary>
public sealed class ComputePoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Every_part_runs_exactly_once(int threads)
    {
        using var pool = new ComputePool(threads);
        var body = new CountParts(new int[threads]);
        for (int run = 1; run <= 2_000; run++)
        {
            pool.Run(ref body);
            Assert.All(body.Runs, count => Assert.Equal(run, count));
        }
    }

    [Fact]
    public void Parked_threads_are_woken()
    {
        using var pool = new ComputePool(3);
        var body = new CountParts(new int[3]);
        for (int run = 1; run <= 20; run++)
        {
            // Longer than the threads spin, so most of these runs find them parked or parking;
            // whichever it is, the result is the same.
            Thread.Sleep(run % 4);
            pool.Run(ref body);
            Assert.All(body.Runs, count => Assert.Equal(run, count));
        }
    }

    [Fact]
    public void Small_work_may_use_fewer_parts()
    {
        using var pool = new ComputePool(4);
        var body = new CountParts(new int[4]);
        pool.Run(ref body, 2);
        Assert.Equal([1, 1, 0, 0], body.Runs);
        pool.Run(ref body, 1);
        Assert.Equal([2, 1, 0, 0], body.Runs);
        pool.Run(ref body);
        Assert.Equal([3, 2, 1, 1], body.Runs);
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Run(ref body, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.Run(ref body, 5));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void What_a_part_throws_reaches_the_caller_after_all_parts_have_ended(int failing)
    {
        using var pool = new ComputePool(3);
        var body = new FailInPart(failing, new int[3]);
        for (int run = 1; run <= 3; run++)
        {
            var exception = Assert.Throws<InvalidDataException>(() => pool.Run(ref body));
            Assert.Equal($"part {failing}", exception.Message);
            Assert.All(body.Runs, count => Assert.Equal(run, count));
        }

        var sound = new CountParts(new int[3]);
        pool.Run(ref sound);
        Assert.Equal([1, 1, 1], sound.Runs);
    }

    [Fact]
    public void A_pool_refuses_to_run_inside_itself()
    {
        using var pool = new ComputePool(2);
        var body = new RunAgain(pool);
        Assert.Throws<InvalidOperationException>(() => pool.Run(ref body));
        Assert.Throws<InvalidOperationException>(() => pool.Run(ref body, 1));
        var sound = new CountParts(new int[2]);
        pool.Run(ref sound);
        Assert.Equal([1, 1], sound.Runs);
    }

    [Fact]
    public void A_disposed_pool_refuses_to_run()
    {
        var pool = new ComputePool(3);
        pool.Dispose();
        pool.Dispose();
        var body = new CountParts(new int[3]);
        Assert.Throws<ObjectDisposedException>(() => pool.Run(ref body));
        Assert.Equal([0, 0, 0], body.Runs);
    }

    [Fact]
    public void Running_allocates_nothing()
    {
        using var pool = new ComputePool(2);
        var body = new CountParts(new int[2]);
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            for (int run = 0; run < 100; run++)
            {
                pool.Run(ref body);
            }
        }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(ComputePool.MaxThreads + 1)]
    public void A_pool_has_a_sensible_number_of_threads(int threads) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new ComputePool(threads));

    [Theory]
    [InlineData(100, 3, 16)]
    [InlineData(5, 8, 1)]
    [InlineData(0, 2, 32)]
    [InlineData(int.MaxValue, 7, 64)]
    public void Parts_cover_every_item_once(int length, int parts, int granularity)
    {
        Assert.Equal(0, ComputePool.PartStart(length, 0, parts, granularity));
        Assert.Equal(length, ComputePool.PartStart(length, parts, parts, granularity));
        for (int part = 0; part < parts; part++)
        {
            int start = ComputePool.PartStart(length, part, parts, granularity);
            int end = ComputePool.PartStart(length, part + 1, parts, granularity);
            Assert.InRange(end, start, length);
            Assert.True(start % granularity == 0 || start == length);
        }
    }

    private readonly struct CountParts(int[] runs) : IParallelBody
    {
        public int[] Runs => runs;

        public void Run(int part, int parts) => Interlocked.Increment(ref runs[part]);
    }

    private readonly struct FailInPart(int failing, int[] runs) : IParallelBody
    {
        public int[] Runs => runs;

        public void Run(int part, int parts)
        {
            Interlocked.Increment(ref runs[part]);
            if (part == failing)
            {
                throw new InvalidDataException($"part {part}");
            }
        }
    }

    private readonly struct RunAgain(ComputePool pool) : IParallelBody
    {
        public void Run(int part, int parts)
        {
            if (part == 0)
            {
                RunAgain inner = this;
                pool.Run(ref inner);
            }
        }
    }
}
