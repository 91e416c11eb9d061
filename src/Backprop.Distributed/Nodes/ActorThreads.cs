using System.Diagnostics.CodeAnalysis;
using Akka.Dispatch;

namespace Backprop.Distributed.Nodes;

/// <summary>The threads of a dispatcher, which sleep while there is nothing to do.</summary>
/// <remarks>Akka's own dedicated threads yield the processor some hundred times before each sleep,
/// and a step is a handful of messages apart: on a machine whose cores compute, that took a fifth
/// of them.</remarks>
internal sealed class ActorThreads : ExecutorService
{
    private readonly object _gate = new();
    private readonly Queue<IRunnable> _waiting = new();
    private int _sleeping;
    private bool _isShutDown;

    /// <summary>Starts the threads.</summary>
    /// <param name="id">The dispatcher's; names the threads.</param>
    /// <param name="count">How many.</param>
    public ActorThreads(string id, int count)
        : base(id)
    {
        for (int i = 0; i < count; i++)
        {
            new Thread(Run) { IsBackground = true, Name = id }.Start();
        }
    }

    /// <summary>Has a mailbox run. What waits is bounded by the dispatcher's actors, each of which
    /// waits once.</summary>
    /// <exception cref="RejectedExecutionException">The threads have been shut down.</exception>
    public override void Execute(IRunnable run)
    {
        lock (_gate)
        {
            if (_isShutDown)
            {
                throw new RejectedExecutionException($"{Id} is shut down");
            }

            _waiting.Enqueue(run);
            if (_sleeping > 0)
            {
                Monitor.Pulse(_gate);
            }
        }
    }

    /// <summary>Lets the threads end after what waits; does not wait for them, since one of them
    /// may be the caller.</summary>
    public override void Shutdown()
    {
        lock (_gate)
        {
            _isShutDown = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Run()
    {
        while (TryTake(out IRunnable? run))
        {
            run.Run();
        }
    }

    private bool TryTake([NotNullWhen(true)] out IRunnable? run)
    {
        lock (_gate)
        {
            while (!_waiting.TryDequeue(out run))
            {
                if (_isShutDown)
                {
                    return false;
                }

                _sleeping++;
                Monitor.Wait(_gate);
                _sleeping--;
            }

            return true;
        }
    }
}
