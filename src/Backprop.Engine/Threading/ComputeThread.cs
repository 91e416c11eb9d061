namespace Backprop.Engine.Threading;

/// <summary>One thread of a <see cref="ComputePool"/>: it claims parts of the pool's work, spins
/// for a while when there are none, and then parks.</summary>
internal sealed class ComputeThread
{
    // About half a millisecond: longer than what lies between two layers of a network.
    private const int SpinsBeforeParking = 2_000;
    private const int PausesPerSpin = 8;

    private readonly ComputePool _pool;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private int _parked;

    /// <summary>Thread number <paramref name="number"/> of the pool; the caller's is 0.</summary>
    public ComputeThread(ComputePool pool, int number)
    {
        _pool = pool;
        _thread = ComputeThreads.New($"compute-{number}", Loop);
    }

    /// <summary>Starts the thread itself.</summary>
    public void Launch() => _thread.Start();

    /// <summary>Has the thread look for work if it no longer does so by itself. The caller has
    /// published the work with a full fence: either it sees the thread parked, or the thread sees
    /// the work before it waits.</summary>
    public void WakeIfParked()
    {
        if (Volatile.Read(ref _parked) == 1 && Interlocked.Exchange(ref _parked, 0) == 1)
        {
            _wake.Release();
        }
    }

    /// <summary>Ends the thread; the pool has said that it is stopping.</summary>
    public void Stop()
    {
        Interlocked.MemoryBarrier();
        WakeIfParked();
        _thread.Join();
        _wake.Dispose();
    }

    private void Loop()
    {
        while (true)
        {
            AwaitWork();
            if (_pool.IsStopping)
            {
                return;
            }

            _pool.RunParts();
        }
    }

    private void AwaitWork()
    {
        for (int spins = 0; !_pool.HasWork && !_pool.IsStopping; spins++)
        {
            if (spins < SpinsBeforeParking)
            {
                Thread.SpinWait(PausesPerSpin);
                continue;
            }

            // Announce the parking, then look once more. Whoever takes the announcement back
            // decides: a waker that took it back has released the semaphore, or is about to.
            Interlocked.Exchange(ref _parked, 1);
            bool idle = !_pool.HasWork && !_pool.IsStopping;
            if (idle || Interlocked.Exchange(ref _parked, 0) == 0)
            {
                _wake.Wait();
            }

            spins = 0;
        }
    }
}
