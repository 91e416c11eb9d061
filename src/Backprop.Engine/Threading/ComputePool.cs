using System.Runtime.CompilerServices;

namespace Backprop.Engine.Threading;

/// <summary>Work that can be cut into parts which do not touch each other's results. A part's
/// result must not depend on how many parts there are (rule 3).</summary>
public interface IParallelBody
{
    /// <summary>Does part <paramref name="part"/> of <paramref name="parts"/>.</summary>
    void Run(int part, int parts);
}

/// <summary>
/// Threads that compute, owned by us and never the CLR pool's: kernels on the CLR pool starve its
/// timers and socket completions, and made cluster nodes unreachable. A fork and join costs about a
/// microsecond and allocates nothing: the threads spin for a while and then park.
/// </summary>
/// <remarks>One caller at a time. The calling thread computes part 0 itself.</remarks>
public sealed unsafe class ComputePool : IDisposable
{
    private const int MaxThreads = 1024;
    private const int SpinsBeforeParking = 2_000;
    private const int SpinsBeforeYielding = 20_000;

    private readonly Worker[] _workers;
    private delegate*<void*, int, int, void> _body;
    private void* _context;
    private int _parts;
    private volatile bool _stopping;

    /// <summary>Starts <paramref name="threads"/> − 1 threads; the caller is the first.</summary>
    public ComputePool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
        Threads = threads;
        _workers = new Worker[threads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker(this, i + 1);
        }
    }

    /// <summary>Threads that compute, the caller among them.</summary>
    public int Threads { get; }

    /// <summary>Where part <paramref name="part"/> of <paramref name="length"/> items begins when
    /// they are cut into <paramref name="parts"/> parts on multiples of
    /// <paramref name="granularity"/>; it ends where the next begins.</summary>
    public static int PartStart(int length, int part, int parts, int granularity = 1)
    {
        long grains = ((long)length + granularity - 1) / granularity;
        return (int)Math.Min(length, grains * part / parts * granularity);
    }

    /// <summary>Runs every part of <paramref name="body"/>, on all threads, and returns when all are
    /// done. A part must not throw.</summary>
    public void Run<TBody>(ref TBody body)
        where TBody : struct, IParallelBody
    {
        if (_workers.Length == 0)
        {
            body.Run(0, 1);
            return;
        }

        _body = &Invoke<TBody>;
        _context = Unsafe.AsPointer(ref body);
        _parts = Threads;
        foreach (Worker worker in _workers)
        {
            worker.Start();
        }

        body.Run(0, _parts);
        foreach (Worker worker in _workers)
        {
            worker.Join();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        foreach (Worker worker in _workers)
        {
            worker.Stop();
        }
    }

    // The body lives on the caller's stack, which stands still until Run returns.
    private static void Invoke<TBody>(void* context, int part, int parts)
        where TBody : struct, IParallelBody =>
        Unsafe.AsRef<TBody>(context).Run(part, parts);

    private sealed class Worker
    {
        private readonly ComputePool _pool;
        private readonly int _part;
        private readonly SemaphoreSlim _wake = new(0);
        private readonly Thread _thread;
        private volatile int _started;
        private volatile int _finished;
        private int _parked;

        public Worker(ComputePool pool, int part)
        {
            _pool = pool;
            _part = part;
            _thread = new Thread(Loop)
            {
                IsBackground = true,
                Name = $"compute-{part}",
                Priority = ThreadPriority.BelowNormal,
            };
            _thread.Start();
        }

        public void Start()
        {
            Interlocked.Increment(ref _started);
            if (Interlocked.Exchange(ref _parked, 0) == 1)
            {
                _wake.Release();
            }
        }

        public void Join()
        {
            for (int spins = 0; _finished != _started; spins++)
            {
                if (spins < SpinsBeforeYielding)
                {
                    Thread.SpinWait(4);
                }
                else
                {
                    Thread.Yield();
                }
            }
        }

        public void Stop()
        {
            Start();
            _thread.Join();
            _wake.Dispose();
        }

        private void Loop()
        {
            while (true)
            {
                Await();
                if (_pool._stopping)
                {
                    return;
                }

                _pool._body(_pool._context, _part, _pool._parts);
                _finished = _started;
            }
        }

        private void Await()
        {
            for (int spins = 0; _started == _finished; spins++)
            {
                if (spins < SpinsBeforeParking)
                {
                    Thread.SpinWait(8);
                    continue;
                }

                // Announce the parking, then look once more: a start between the two is seen by
                // one side or the other, never by neither.
                Interlocked.Exchange(ref _parked, 1);
                if (_started == _finished || Interlocked.Exchange(ref _parked, 0) == 0)
                {
                    _wake.Wait();
                }

                spins = 0;
            }
        }
    }
}
