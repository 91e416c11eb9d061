using System.Diagnostics;

namespace Backprop.Benchmarks;

/// <summary>A development cluster of processes, and a console node beside it.</summary>
internal sealed class DashboardCluster : IDisposable
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(2);

    private readonly string _state;
    private readonly Process _console;
    private bool _isDown;

    /// <summary>Starts it.</summary>
    /// <param name="directory">For its state.</param>
    public DashboardCluster(string directory)
    {
        _state = Path.Combine(directory, "state");
        Run("cluster", "up", "--workers", "1", "--parameter-servers", "1", "--state", _state);
        string log = File.ReadAllText(Path.Combine(_state, "coordinator.log"));
        string coordinator = Field(log.Split('\n'), "node").Split(' ')[0];
        _console = Start(
            "node", "--roles", "console", "--join", coordinator, "--port", "0", "--links-port",
            "0", "--api-port", "0", "--state", _state);
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

    private static string Program => Path.Combine(AppContext.BaseDirectory, "backprop.dll");

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_isDown)
        {
            _isDown = true;
            _console.Kill();
            _console.WaitForExit();
            _console.Dispose();
            Run("cluster", "down", "--state", _state);
        }
    }

    private static string Field(string[] lines, string name) => lines
        .First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim();

    private Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", [Program, .. arguments])
        {
            RedirectStandardOutput = true,
            // The user's own cluster and its address stay what they are.
            Environment = { ["HOME"] = Path.GetDirectoryName(_state) },
        })!;

    private void Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        process.StandardOutput.ReadToEnd();
        if (!process.WaitForExit(s_deadline) || process.ExitCode != 0)
        {
            throw new InvalidOperationException($"{string.Join(' ', arguments)} failed");
        }
    }
}
