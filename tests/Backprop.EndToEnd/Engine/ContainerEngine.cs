using Backprop.Chaos.Processes;

namespace Backprop.EndToEnd.Engine;

/// <summary>
/// An engine of the tests' own, from Debian's packages, with images that stand in for those of a
/// registry: see <c>engine.sh</c>. The environment's <c>BACKPROP_ENGINE</c> names a directory that
/// its state is kept in between runs; without it, it is gone with the tests.
/// </summary>
internal sealed class ContainerEngine : IAsyncDisposable
{
    private const string DirectoryVariable = "BACKPROP_ENGINE";

    // As engine.sh says that no engine can be run.
    private const int CannotRun = 3;

    private static readonly string[] s_needed =
        ["dockerd", "docker-compose", "debootstrap", "iptables", "tc"];

    private static readonly TimeSpan s_forImages = TimeSpan.FromMinutes(8);
    private static readonly TimeSpan s_forStopping = TimeSpan.FromMinutes(2);

    private readonly string _directory;
    private readonly bool _isKept;

    private ContainerEngine(string directory, bool isKept)
    {
        _directory = directory;
        _isKept = isKept;
        Environment = new Dictionary<string, string>
        {
            ["DOCKER_HOST"] = $"unix://{directory}/docker.sock",
            ["DOCKER_BUILDKIT"] = "1",
            ["COMPOSE_DOCKER_CLI_BUILD"] = "1",
            ["SDK_IMAGE"] = "backprop-test/sdk:10.0",
            ["RUNTIME_IMAGE"] = "backprop-test/runtime-deps:10.0",
            ["POSTGRES_IMAGE"] = "backprop-test/postgres:15",
            ["BACKPROP_IMAGE"] = "backprop",
        };
    }

    /// <summary>What commands are told of it.</summary>
    public Dictionary<string, string> Environment { get; }

    /// <summary>The client that the engine came with: another of that name may come earlier on the
    /// path.</summary>
    private static string Client => File.Exists("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

    private static string Script => Path.Combine(
        BackpropProgram.RepositoryRoot, "tests", "Backprop.EndToEnd", "Engine", "engine.sh");

    /// <summary>Starts it, if it can be run here.</summary>
    /// <returns>The engine, or why there is none.</returns>
    public static async Task<(ContainerEngine? Engine, string? WhyNot)> StartAsync()
    {
        if (!OperatingSystem.IsLinux() || System.Environment.UserName != "root")
        {
            return (null, "only root on Linux can run an engine for containers");
        }

        string[] missing = [.. s_needed.Where(program => !CommandLine.Has(program))];
        if (missing.Length > 0)
        {
            return (null, $"there is no {string.Join(", ", missing)}: on Debian, apt-get install"
                + " docker.io docker-compose debootstrap iptables iproute2");
        }

        string? kept = System.Environment.GetEnvironmentVariable(DirectoryVariable);
        string directory = string.IsNullOrEmpty(kept)
            ? Directory.CreateTempSubdirectory("backprop-engine-").FullName
            : Path.GetFullPath(kept);
        var engine = new ContainerEngine(directory, !string.IsNullOrEmpty(kept));
        CommandLine.Ended started = await CommandLine.TryAsync(
            s_forImages, engine.Environment, "/bin/bash", Script, "start", directory);
        if (started.ExitCode == 0)
        {
            return (engine, null);
        }

        await engine.DisposeAsync();
        return started.ExitCode == CannotRun
            ? (null, started.Error.Trim())
            : throw new InvalidOperationException(
                $"engine.sh has ended with {started.ExitCode}: {started.Error}");
    }

    /// <summary>Runs a command of the engine's client.</summary>
    public Task<string> RunAsync(TimeSpan limit, params string[] arguments) =>
        CommandLine.RunAsync(limit, Environment, [Client, .. arguments]);

    /// <summary>Runs one that may fail.</summary>
    public Task<CommandLine.Ended> TryAsync(TimeSpan limit, params string[] arguments) =>
        CommandLine.TryAsync(limit, Environment, [Client, .. arguments]);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_isKept)
        {
            return;
        }

        await CommandLine.RunAsync(
            s_forStopping, Environment, "/bin/bash", Script, "stop", _directory);
        Directory.Delete(_directory, recursive: true);
    }
}
