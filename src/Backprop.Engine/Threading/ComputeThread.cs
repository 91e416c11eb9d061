namespace Backprop.Engine.Threading;

/// <summary>One thread of a <see cref="ComputePool"/>. It counts what it was told to start and what
/// it has finished; it is idle while the two are equal.</summary>
internal sealed class ComputeThread
{
    // About half a millisecond: longer than what lies between two layers of a network.
    private const int SpinsBeforeParking = 2_000;
    private const int PausesPerSpin = 8;

    // About three milliseconds: parts are even, so a join that takes longer waits for a thread that
    // has lost its core.
    private const int SpinsBeforeYielding = 20_000;
    private const int PausesPerJoinSpin = 4;

    private readonly ComputePool _pool;
    private readonly int _part;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Thread _thread;
    private int _started;
    private int _finished;
    private int _parked;

    /// <summary>The thread for part <paramref name="part"/> of whatever the pool runs.</summary>
    public ComputeThread(ComputePool pool, int part)
    {
        _pool = pool;
        _part = part;
        _thread = new Thread(Loop)
        {
            IsBackground = true,
            Name = $"compute-{part}",
            Priority = ThreadPriority.BelowNormal,
        };
    }

    /// <summary>Starts the thread itself.</summary>
    public void Launch() => _thread.Start();

    /// <summary>Has the pool's work at hand begun. Called by the pool's caller only.</summary>
    public void Start()
    {
        // A full fence between the two: either this side sees the thread parked, or the thread sees
        // the start before it waits.
        Interlocked.Increment(ref _started);
        if (Interlocked.Exchange(ref _parked, 0) == 1)
        {
            _wake.Release();
        }
    }

    /// <summary>Waits for what was begun.</summary>
    public void Join()
    {
        for (int spins = 0; Volatile.Read(ref _finished) != _started; spins++)
        {
            if (spins < SpinsBeforeYielding)
            {
                Thread.SpinWait(PausesPerJoinSpin);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    /// <summary>Ends the thread; the pool has said that it is stopping.</summary>
    public void Stop()
    {
        Start();
        _thread.Join();
        _wake.Dispose();
    }

    private void Loop()
    {
        int finished = 0;
        while (true)
        {
            AwaitStart(finished);
            if (_pool.IsStopping)
            {
                return;
            }

            _pool.RunPart(_part);
            Volatile.Write(ref _finished, ++finished);
        }
    }

    private void AwaitStart(int finished)
    {
        for (int spins = 0; Volatile.Read(ref _started) == finished; spins++)
        {
            if (spins < SpinsBeforeParking)
            {
                Thread.SpinWait(PausesPerSpin);
                continue;
            }

            // Announce the parking, then look once more. Whoever takes the announcement back
            // decides: a start that took it back has released the semaphore, or is about to.
            Interlocked.Exchange(ref _parked, 1);
            if (Volatile.Read(ref _started) == finished
                || Interlocked.Exchange(ref _parked, 0) == 0)
            {
                _wake.Wait();
            }

            spins = 0;
        }
    }
}
