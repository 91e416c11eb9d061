using System.Diagnostics;

namespace Backprop.Benchmarks;

/// <summary>A development cluster of processes, and a console node beside it.</summary>
internal sealed class DashboardCluster : IDisposable
{
    private readonly string _home;
    private readonly string _state;
    private readonly Process _console;
    private bool _isDown;

    /// <summary>Starts it.</summary>
    /// <param name="directory">For its state.</param>
    /// <param name="cores">Where what trains runs, as <c>taskset -c</c> has it; null: wherever this
    /// process may run, as the console node does in any case.</param>
    public DashboardCluster(string directory, string? cores)
    {
        _home = directory;
        _state = Path.Combine(directory, "state");
        BackpropProgram.Run(
            _home, cores,
            [
                "cluster", "up", "--workers", "1", "--parameter-servers", "1", "--state", _state,
            ]);
        string log = File.ReadAllText(Path.Combine(_state, "coordinator.log"));
        string coordinator = Field(log.Split('\n'), "node").Split(' ')[0];
        _console = BackpropProgram.Start(
            _home, "node", "--roles", "console", "--join", coordinator, "--port", "0",
            "--links-port", "0", "--api-port", "0", "--state", _state);
        // What nobody reads would fill up and hold it.
        _console.BeginErrorReadLine();
        var lines = new List<string>();
        while (lines.LastOrDefault() != "ready")
        {
            lines.Add(_console.StandardOutput.ReadLine()
                ?? throw new IOException($"the console node ended: {string.Join('\n', lines)}"));
        }

        Console = new Uri(Field([.. lines], "api"));
    }

    /// <summary>The console node's API.</summary>
    public Uri Console { get; }

    /// <summary>The processor time that the console node has used.</summary>
    public TimeSpan ConsoleTime
    {
        get
        {
            _console.Refresh();
            return _console.TotalProcessorTime;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDown)
        {
            _isDown = true;
            _console.Kill();
            _console.WaitForExit();
            _console.Dispose();
            BackpropProgram.Run(_home, "cluster", "down", "--state", _state);
        }
    }

    private static string Field(string[] lines, string name) => lines
        .First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim();
}
