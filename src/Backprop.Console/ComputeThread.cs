using System.Runtime.ExceptionServices;
using Backprop.Engine.Threading;

namespace Backprop.Console;

/// <summary>A thread of its own for whatever computes, below normal priority: the console stays
/// responsive, and nothing computes on the CLR pool.</summary>
internal sealed class ComputeThread<T>
{
    private readonly Thread _thread;
    private ExceptionDispatchInfo? _failure;
    private T? _result;

    /// <summary>Starts <paramref name="work"/>.</summary>
    public ComputeThread(string name, Func<T> work)
    {
        _thread = ComputeThreads.Start(name, () => Run(work));
    }

    /// <summary>Waits for the end of the work, but no longer than this; true: it has ended.
    /// </summary>
    public bool Wait(TimeSpan most) => _thread.Join(most);

    /// <summary>Waits for the end of the work, and returns its result or throws what it threw.
    /// </summary>
    public T Result()
    {
        _thread.Join();
        _failure?.Throw();
        return _result!;
    }

    /// <summary>Does <paramref name="work"/> on such a thread, and completes when it has ended.
    /// </summary>
    public static Task<T> RunAsync(string name, Func<T> work)
    {
        var ended = new TaskCompletionSource<T>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        _ = new ComputeThread<bool>(name, () =>
        {
            try
            {
                ended.SetResult(work());
            }
            catch (Exception failure)
            {
                ended.SetException(failure);
            }

            return true;
        });
        return ended.Task;
    }

    private void Run(Func<T> work)
    {
        try
        {
            _result = work();
        }
        catch (Exception failure)
        {
            _failure = ExceptionDispatchInfo.Capture(failure);
        }
    }
}
