using Backprop.Engine.Threading;

namespace Backprop.Distributed.Working;

/// <summary>A thread of our own, below normal priority, that does one job after the other. Kernels
/// and data must not run on the CLR pool, whose threads belong to timers and sockets.</summary>
internal sealed class OwnedThread : IDisposable
{
    /// <summary>The most jobs that wait.</summary>
    public const int MaxWaiting = 64;

    private readonly object _gate = new();
    private readonly Queue<Action> _jobs = new();
    private readonly Action _end;
    private bool _isEnding;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">Its name, for people.</param>
    /// <param name="end">The last job, whatever else waits.</param>
    public OwnedThread(string name, Action end)
    {
        _end = end;
        ComputeThreads.Start(name, Run);
    }

    /// <summary>Has a job done; false: too many wait, or the thread ends.</summary>
    /// <param name="job">Must not throw.</param>
    public bool TryPost(Action job)
    {
        lock (_gate)
        {
            if (_isEnding || _jobs.Count == MaxWaiting)
            {
                return false;
            }

            _jobs.Enqueue(job);
            Monitor.Pulse(_gate);
            return true;
        }
    }

    /// <summary>Lets the thread end after the job at hand; does not wait for it, since a kernel
    /// cannot be stopped.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isEnding = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        while (Next() is { } job)
        {
            job();
        }

        _end();
    }

    private Action? Next()
    {
        lock (_gate)
        {
            while (_jobs.Count == 0 && !_isEnding)
            {
                Monitor.Wait(_gate);
            }

            return _isEnding ? null : _jobs.Dequeue();
        }
    }
}
