using System.Runtime.InteropServices;

namespace Backprop.Engine.Threading;

/// <summary>Threads that compute, or read what is to be computed with: they give way to those that
/// answer, send and receive, which are few and short, and which somebody waits for.</summary>
public static partial class ComputeThreads
{
    // .NET's priorities come to nothing on Linux. With this a thread that wants a core as well has
    // three quarters of it, until it sleeps again.
    private const int Niceness = 5;
    private const int OfProcess = 0;
    private const uint CallingThread = 0;

    /// <summary>Starts a background thread below normal priority.</summary>
    /// <param name="name">Its name, for people.</param>
    /// <param name="run">What it does; must not throw.</param>
    public static Thread Start(string name, Action run)
    {
        Thread thread = New(name, run);
        thread.Start();
        return thread;
    }

    /// <summary>One that is not started yet.</summary>
    internal static Thread New(string name, Action run) => new(() =>
    {
        GiveWay();
        run();
    })
    {
        IsBackground = true,
        Name = name,
        Priority = ThreadPriority.BelowNormal,
    };

    // To give way needs no permission; where it is refused all the same, all threads are equal.
    // Whoever has started the program to give way more is obeyed.
    private static void GiveWay()
    {
        if (OperatingSystem.IsLinux() && GetPriority(OfProcess, CallingThread) < Niceness)
        {
            _ = SetPriority(OfProcess, CallingThread, Niceness);
        }
    }

    // On Linux each thread has a priority of its own, and 0 stands for the calling one.
    [LibraryImport("libc", EntryPoint = "getpriority")]
    private static partial int GetPriority(int which, uint who);

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, uint who, int priority);
}
