using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Backprop.Chaos.Processes;

/// <summary>A <c>backprop node</c> that writes to a file of its own, and the signals it is sent.
/// </summary>
internal sealed partial class NodeProcess : IDisposable
{
    private const int SigTerm = 15;
    private const int SigContinue = 18;
    private const int SigStop = 19;

    private readonly Process _process;
    private readonly StreamWriter _log;
    private bool _isStopped;

    private NodeProcess(Process process, StreamWriter log)
    {
        _process = process;
        _log = log;
    }

    /// <summary>Its number in the system.</summary>
    public int Id => _process.Id;

    /// <summary>What it has in memory, in bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Whether it has not ended.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>Starts one.</summary>
    /// <param name="logFile">What it writes is added here.</param>
    /// <param name="environment">Variables set beside the inherited ones.</param>
    /// <param name="arguments">After <c>backprop node</c>.</param>
    public static NodeProcess Start(
        string logFile, IReadOnlyDictionary<string, string> environment,
        params string[] arguments) =>
        Start(logFile, BackpropProgram.Command(environment, ["node", .. arguments]));

    /// <summary>Starts one by a command of its own.</summary>
    /// <param name="logFile">What it writes is added here.</param>
    /// <param name="command">A <c>backprop node</c>, of any version.</param>
    public static NodeProcess Start(string logFile, ProcessStartInfo command)
    {
        Process process = Process.Start(command)
            ?? throw new InvalidOperationException("dotnet did not start");
        Watcher.EndWithUs(process.Id);
        var log = new StreamWriter(
            new FileStream(logFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
        {
            AutoFlush = true,
        };
        log.WriteLine($"--- process {process.Id}");
        var node = new NodeProcess(process, log);
        process.OutputDataReceived += (_, line) => node.Note(line.Data);
        process.ErrorDataReceived += (_, line) => node.Note(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return node;
    }

    /// <summary>Ends it without a word.</summary>
    public void Kill()
    {
        if (IsRunning)
        {
            _process.Kill();
        }

        _process.WaitForExit();
    }

    /// <summary>Has it stand still, with everything it holds.</summary>
    public void Stop()
    {
        _isStopped = true;
        Signal(SigStop);
    }

    /// <summary>Has it go on.</summary>
    public void Continue()
    {
        _isStopped = false;
        Signal(SigContinue);
    }

    /// <summary>Asks it to leave.</summary>
    public void Terminate()
    {
        if (_isStopped)
        {
            Continue();
        }

        Signal(SigTerm);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kill();
        _process.Dispose();
        lock (_log)
        {
            _log.Dispose();
        }
    }

    private void Note(string? line)
    {
        lock (_log)
        {
            if (line is not null && _log.BaseStream.CanWrite)
            {
                _log.WriteLine(line);
            }
        }
    }

    private void Signal(int signal)
    {
        if (IsRunning)
        {
            _ = SendSignal(_process.Id, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int SendSignal(int process, int signal);
}
