using Backprop.Distributed.Nodes;
using Backprop.Engine.Threading;

namespace Backprop.Distributed.Working;

/// <summary>Where a run is computed on a worker: a thread of its own, which opens the data before
/// its first job and closes them after its last.</summary>
internal sealed class ComputeSeat : IDisposable
{
    private readonly NodeContext _context;
    private readonly KnownRun _run;
    private readonly OwnedThread _thread;
    private ComputePool? _pool;

    public ComputeSeat(NodeContext context, KnownRun run)
    {
        _context = context;
        _run = run;
        _thread = new OwnedThread($"compute {run.Setup.Run}", End);
    }

    /// <summary>Data and buffers; there once a job has been done.</summary>
    public RunComputation? Computation { get; private set; }

    /// <summary>Has a job done on the thread; false: it has ended.</summary>
    /// <param name="job">What to do.</param>
    /// <param name="done">Told what came of it, or why nothing did.</param>
    public bool TryPost<TResult>(
        Func<RunComputation, TResult> job, Action<TResult?, Exception?> done)
        where TResult : class => _thread.TryPost(() =>
    {
        try
        {
            done(job(Computation ??= Open()), null);
        }
        catch (Exception failure)
        {
            done(null, failure);
        }
    });

    /// <inheritdoc/>
    public void Dispose() => _thread.Dispose();

    private RunComputation Open()
    {
        _pool ??= new ComputePool(_context.Threads);
        return RunComputation.Open(
            _run.Specification, _run.Setup.Outline, _context.Data, _context.MemoryLimitBytes,
            _pool);
    }

    private void End()
    {
        Computation?.Dispose();
        _pool?.Dispose();
    }
}
