using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Data.Batches;

/// <summary>Loads the batch of the next step while the one at hand is computed with, on a thread of
/// its own, so that no step waits for reading, scaling and augmenting its rows. What is loaded is
/// the same, whenever and by whom.</summary>
/// <remarks>For one caller at a time; taking a batch allocates nothing.</remarks>
public sealed class BatchPrefetcher : IDisposable
{
    // Waking a thread and taking over from it costs some ten microseconds.
    private static readonly TimeSpan s_leastTime = TimeSpan.FromMicroseconds(20);

    private readonly object _gate = new();
    private readonly BatchLoader _loader;
    private readonly Thread _thread;
    private Batch _taken;
    private Batch _ahead;
    private Rows _rows;
    private State _state;
    private ExceptionDispatchInfo? _failure;
    private TimeSpan _took;

    /// <summary>Allocates two batches, and starts the thread.</summary>
    /// <param name="loader">What loads; others may use it too.</param>
    /// <param name="capacity">Rows of the largest batch.</param>
    public BatchPrefetcher(BatchLoader loader, int capacity)
    {
        _loader = loader;
        _taken = loader.NewBatch(capacity);
        _ahead = loader.NewBatch(capacity);
        _thread = ComputeThreads.Start("data", Run);
    }

    private enum State
    {
        Idle,
        Asked,
        Loading,
        Loaded,
        Ending,
    }

    /// <summary>The batch that was taken last.</summary>
    public Batch Taken => _taken;

    /// <summary>How long takers have stood for their batches since the beginning: what slow storage
    /// costs, beside what it costs while others compute.</summary>
    public TimeSpan Waited { get; private set; }

    /// <summary>How many batches were there when they were taken, since the beginning.</summary>
    internal long Prefetched { get; private set; }

    /// <summary>Rows [<paramref name="firstRow"/>, <paramref name="endRow"/>) of the global batch
    /// of a step: those that were asked for ahead, or loaded now. Good until the next is taken.
    /// </summary>
    public Batch Take(long step, int firstRow, int endRow)
    {
        var rows = new Rows(step, firstRow, endRow);
        long asked = Stopwatch.GetTimestamp();
        if (!TakeAhead(rows))
        {
            long start = Stopwatch.GetTimestamp();
            _loader.Load(step, firstRow, endRow, _taken);
            _took = Stopwatch.GetElapsedTime(start);
        }

        Waited += Stopwatch.GetElapsedTime(asked);
        return _taken;
    }

    /// <summary>Asks for rows that are probably taken next. They are not loaded if that would not
    /// pay, or if the thread is still busy with others.</summary>
    public void Prefetch(long step, int firstRow, int endRow)
    {
        lock (_gate)
        {
            if (_state != State.Loading && _took >= s_leastTime)
            {
                _rows = new Rows(step, firstRow, endRow);
                _failure = null;
                _state = State.Asked;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>Ends the thread, which may first have to load a batch.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            while (_state == State.Loading)
            {
                Monitor.Wait(_gate);
            }

            _state = State.Ending;
            Monitor.PulseAll(_gate);
        }

        _thread.Join();
        _taken.Dispose();
        _ahead.Dispose();
    }

    // True: the rows are in the batch that was taken. What the thread has not begun is done at once
    // by the caller.
    private bool TakeAhead(Rows rows)
    {
        lock (_gate)
        {
            bool wanted = _rows == rows;
            while (wanted && _state == State.Loading)
            {
                Monitor.Wait(_gate);
            }

            if (_state == State.Asked)
            {
                _state = State.Idle;
            }

            if (!wanted || _state != State.Loaded)
            {
                return false;
            }

            _state = State.Idle;
            _failure?.Throw();
            (_taken, _ahead) = (_ahead, _taken);
            Prefetched++;
            return true;
        }
    }

    private void Run()
    {
        while (NextRows() is { } rows)
        {
            long start = Stopwatch.GetTimestamp();
            ExceptionDispatchInfo? failure = null;
            try
            {
                _loader.Load(rows.Step, rows.First, rows.End, _ahead);
            }
            catch (Exception exception)
            {
                // Whoever takes these rows gets it.
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            lock (_gate)
            {
                _took = Stopwatch.GetElapsedTime(start);
                _failure = failure;
                _state = State.Loaded;
                Monitor.PulseAll(_gate);
            }
        }
    }

    private Rows? NextRows()
    {
        lock (_gate)
        {
            while (_state is not (State.Asked or State.Ending))
            {
                Monitor.Wait(_gate);
            }

            if (_state == State.Ending)
            {
                return null;
            }

            _state = State.Loading;
            return _rows;
        }
    }

    private readonly record struct Rows(long Step, int First, int End);
}
