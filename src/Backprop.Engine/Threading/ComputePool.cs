using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

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
/// <remarks>One caller at a time. Parts are claimed, not handed out: the calling thread computes
/// part 0 and whatever no other thread has begun, so that on a busy machine it never waits for a
/// thread that has no core. Which thread computes a part cannot matter (rule 3).</remarks>
public sealed unsafe class ComputePool : IDisposable
{
    /// <summary>The most threads of a pool.</summary>
    public const int MaxThreads = 1024;

    private const int PartBits = 16;
    private const int PartMask = (1 << PartBits) - 1;

    // About three milliseconds: parts are even, so a join that takes longer waits for a thread that
    // has lost its core in the middle of a part.
    private const int SpinsBeforeYielding = 20_000;
    private const int PausesPerSpin = 4;

    private readonly ComputeThread[] _threads;
    private delegate*<void*, int, int, void> _body;
    private void* _context;

    // The parts of the work at hand in the upper half, the next one to claim in the lower. What a
    // claim refers to is written before, and stands until every part is completed.
    private int _claims;
    private int _completed;
    private ExceptionDispatchInfo? _failure;
    private int _busy;
    private volatile bool _stopping;

    /// <summary>Starts <paramref name="threads"/> − 1 threads; the caller is the first.</summary>
    public ComputePool(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
        Threads = threads;
        _threads = new ComputeThread[threads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            _threads[i] = new ComputeThread(this, number: i + 1);
        }

        int started = 0;
        try
        {
            for (; started < _threads.Length; started++)
            {
                _threads[started].Launch();
            }
        }
        catch
        {
            _stopping = true;
            foreach (ComputeThread thread in _threads.AsSpan(0, started))
            {
                thread.Stop();
            }

            throw;
        }
    }

    /// <summary>As many threads as this process may have cores: the machine's, or the container's
    /// share of them.</summary>
    public static int DefaultThreads => Math.Min(Environment.ProcessorCount, MaxThreads);

    /// <summary>Threads that compute, the caller among them.</summary>
    public int Threads { get; }

    /// <summary>Set once the threads are to end.</summary>
    internal bool IsStopping => _stopping;

    /// <summary>Where part <paramref name="part"/> of <paramref name="length"/> items begins when
    /// they are cut into <paramref name="parts"/> parts on multiples of
    /// <paramref name="granularity"/>; it ends where the next begins.</summary>
    public static int PartStart(int length, int part, int parts, int granularity = 1)
    {
        long grains = ((long)length + granularity - 1) / granularity;
        return (int)Math.Min(length, grains * part / parts * granularity);
    }

    /// <summary>Runs every part of <paramref name="body"/>, on all threads, and returns when all
    /// are done.</summary>
    /// <exception cref="InvalidOperationException">The pool is busy: called by another thread, or
    /// by a part.</exception>
    /// <remarks>What a part throws is thrown here, once every part has ended; of several exceptions
    /// one.</remarks>
    public void Run<TBody>(ref TBody body)
        where TBody : struct, IParallelBody =>
        Run(ref body, Threads);

    /// <summary>As <see cref="Run{TBody}(ref TBody)"/>, in <paramref name="parts"/> parts: work
    /// that is too small for all threads wakes fewer.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not 1 to <see cref="Threads"/> parts.
    /// </exception>
    /// <exception cref="InvalidOperationException">The pool is busy.</exception>
    public void Run<TBody>(ref TBody body, int parts)
        where TBody : struct, IParallelBody
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(parts, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(parts, Threads);
        ObjectDisposedException.ThrowIf(_stopping, this);
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw new InvalidOperationException("the compute pool serves one caller at a time");
        }

        try
        {
            if (parts == 1)
            {
                body.Run(0, 1);
            }
            else
            {
                // The body lives on the caller's stack, which stands still until all have joined.
                Fork(&Invoke<TBody>, Unsafe.AsPointer(ref body), parts);
            }
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    /// <summary>Ends the threads and waits for them. Not while <see cref="Run{TBody}(ref TBody)"/>
    /// runs.</summary>
    /// <exception cref="InvalidOperationException">The pool is busy.</exception>
    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }

        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw new InvalidOperationException("a busy compute pool cannot be disposed");
        }

        _stopping = true;
        foreach (ComputeThread thread in _threads)
        {
            thread.Stop();
        }
    }

    /// <summary>Whether a part of the work at hand waits to be claimed.</summary>
    internal bool HasWork
    {
        get
        {
            int claims = Volatile.Read(ref _claims);
            return (claims & PartMask) < claims >> PartBits;
        }
    }

    /// <summary>Claims and runs parts of the work at hand until none is left. Called by every
    /// thread.</summary>
    internal void RunParts()
    {
        while (true)
        {
            int claims = Volatile.Read(ref _claims);
            int part = claims & PartMask, parts = claims >> PartBits;
            if (part >= parts)
            {
                return;
            }

            if (Interlocked.CompareExchange(ref _claims, claims + 1, claims) == claims)
            {
                RunPart(part, parts);
                Interlocked.Increment(ref _completed);
            }
        }
    }

    private void RunPart(int part, int parts)
    {
        try
        {
            _body(_context, part, parts);
        }
        catch (Exception exception)
        {
            Interlocked.CompareExchange(
                ref _failure, ExceptionDispatchInfo.Capture(exception), null);
        }
    }

    private void Fork(delegate*<void*, int, int, void> body, void* context, int parts)
    {
        _body = body;
        _context = context;
        _completed = 0;

        // Part 0 is the caller's, so that whatever a thread sets up at its first part (its
        // workspace) is set up on this one at the first run, not at some later one.
        Interlocked.Exchange(ref _claims, (parts << PartBits) + 1);
        foreach (ComputeThread thread in _threads.AsSpan(0, parts - 1))
        {
            thread.WakeIfParked();
        }

        RunPart(0, parts);
        Interlocked.Increment(ref _completed);
        RunParts();
        Join(parts);
        _context = null;
        if (_failure is { } failure)
        {
            _failure = null;
            failure.Throw();
        }
    }

    // Waits for parts that other threads have begun.
    private void Join(int parts)
    {
        for (int spins = 0; Volatile.Read(ref _completed) != parts; spins++)
        {
            if (spins < SpinsBeforeYielding)
            {
                Thread.SpinWait(PausesPerSpin);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    private static void Invoke<TBody>(void* context, int part, int parts)
        where TBody : struct, IParallelBody =>
        Unsafe.AsRef<TBody>(context).Run(part, parts);
}
