using System.Net;
using System.Text.Json;
using Backprop.Chaos;
using Backprop.Chaos.Processes;
using Backprop.Console.Client;
using Backprop.EndToEnd.Engine;

namespace Backprop.EndToEnd;

/// <summary>The cluster of <c>docker-compose.yml</c>, with TLS: what a user starts, and what may
/// happen to it.</summary>
internal sealed class ComposeCluster : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly ContainerEngine _engine;
    private readonly Dictionary<string, string> _environment;
    private readonly string _project;
    private readonly string[] _files;
    private readonly string _authority;
    private readonly int _port = FreePorts.Next(IPAddress.Loopback);

    /// <summary>One that is not up yet.</summary>
    /// <param name="engine">Runs it.</param>
    /// <param name="project">Tells its containers from others.</param>
    /// <param name="variables">Settings of the compose file.</param>
    public ComposeCluster(
        ContainerEngine engine, string project, params (string Name, string Value)[] variables)
    {
        _engine = engine;
        _project = project;
        _files = ["docker-compose.yml", "deploy/compose/tls.yml"];
        _authority = Path.Combine(Path.GetTempPath(), $"{project}-authority.pem");
        _environment = new Dictionary<string, string>(engine.Environment)
        {
            ["CONSOLE_PORT"] = $"{_port}",
        };
        foreach ((string name, string value) in variables)
        {
            _environment[name] = value;
        }
    }

    /// <summary>The console's API, as a program on this machine reaches it.</summary>
    public RunApi Api { get; private set; } = null!;

    /// <summary>Brings it up, with so many workers; what there is already stays.</summary>
    public Task UpAsync(int workers) =>
        ComposeAsync("up", "--detach", "--no-recreate", "--scale", $"worker={workers}");

    /// <summary>Ends its containers; its volumes stay.</summary>
    public Task DownAsync() => ComposeAsync("down");

    /// <summary>Makes a token, and has the API answer to it.</summary>
    public async Task LogInAsync()
    {
        string token = await Patience.ForAsync(
            "a token is made", async () =>
            {
                CommandLine.Ended made = await TryComposeAsync(
                    "exec", "-T", "console", "backprop", "token", "create",
                    "--role", "operator", "--json");
                return made.ExitCode == 0
                    ? JsonDocument.Parse(made.Output).RootElement.GetProperty("token").GetString()
                    : null;
            });
        await File.WriteAllTextAsync(
            _authority,
            await ComposeAsync("exec", "-T", "console", "cat", "/etc/backprop/tls/authority.pem"));
        HttpMessageHandler handler =
            TrustedAuthority.Handler(_authority, new Dictionary<string, string>());
        Api = new RunApi(new Uri($"https://localhost:{_port}"), handler, token);
    }

    /// <summary>All that the console tells of a run.</summary>
    public async Task<JsonElement> ViewAsync(string run) =>
        JsonSerializer.Deserialize<JsonElement>(await Patience.ForAsync(
            "the console tells of the run",
            async () => (await Api.ViewAsync(run))?.ToString()));

    /// <summary>Containers of a service that run.</summary>
    public async Task<string[]> RunningAsync(string service) =>
        (await _engine.RunAsync(
            s_patience, "ps", "--quiet", "--no-trunc",
            "--filter", $"label=com.docker.compose.project={_project}",
            "--filter", $"label=com.docker.compose.service={service}"))
        .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Kills a container at once.</summary>
    public Task KillAsync(string container) =>
        _engine.RunAsync(s_patience, "kill", "--signal", "KILL", container);

    /// <summary>Starts one that was killed.</summary>
    public Task StartAsync(string container) => _engine.RunAsync(s_patience, "start", container);

    /// <summary>Stops a container's processes where they are.</summary>
    public Task PauseAsync(string container) => _engine.RunAsync(s_patience, "pause", container);

    /// <summary>Lets them go on.</summary>
    public Task UnpauseAsync(string container) =>
        _engine.RunAsync(s_patience, "unpause", container);

    /// <summary>Takes a container out of its network.</summary>
    public Task DisconnectAsync(string container) =>
        _engine.RunAsync(s_patience, "network", "disconnect", Network, container);

    /// <summary>Puts it back.</summary>
    public Task ConnectAsync(string container, string service) => _engine.RunAsync(
        s_patience, "network", "connect", "--alias", service, Network, container);

    /// <summary>Lets a container send no more than so much: the token bucket of Linux, from within
    /// the container's network.</summary>
    public async Task ShapeAsync(string container, string rate)
    {
        string process = (await _engine.RunAsync(
            s_patience, "inspect", "--format", "{{.State.Pid}}", container)).Trim();
        await CommandLine.RunAsync(
            s_patience, _environment,
            "nsenter", "--target", process, "--net", "tc", "qdisc", "add", "dev", "eth0", "root",
            "tbf", "rate", rate, "burst", "64kb", "latency", "50ms");
    }

    /// <summary>The service whose container coordinates.</summary>
    public Task<string> CoordinatorAsync() => Patience.ForAsync(
        "a coordinator is told of",
        async () => (await Api.ClusterAsync())?.GetProperty("coordinator").GetString()?
            .Split(':')[0]);

    /// <summary>The end of what its coordinators have written, a line each, for who looks into a
    /// failure.</summary>
    public async Task<string> LogsAsync() => string.Join(
        '\n',
        (await TryComposeAsync(
            "logs", "--no-color", "--tail", "40", "coordinator-1", "coordinator-2",
            "coordinator-3")).Output
        .Split('\n').Select(Shorten));

    // Exceptions fill pages, and it is the order of things that matters.
    private static string Shorten(string line)
    {
        const int Most = 240;
        int end = line.IndexOf("\\n", StringComparison.Ordinal);
        return line[..Math.Min(end < 0 ? line.Length : end, Most)];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Api?.Dispose();
        File.Delete(_authority);
        await ComposeAsync("down", "--volumes", "--timeout", "10");
    }

    private string Network => $"{_project}_default";

    private async Task<string> ComposeAsync(params string[] arguments)
    {
        CommandLine.Ended ended = await TryComposeAsync(arguments);
        return ended.ExitCode == 0
            ? ended.Output
            : throw new InvalidOperationException(
                $"compose {string.Join(' ', arguments)} has ended with {ended.ExitCode}:"
                + $" {ended.Error}");
    }

    private Task<CommandLine.Ended> TryComposeAsync(params string[] arguments) =>
        CommandLine.TryAsync(
            s_patience, _environment,
            [
                "docker-compose", "--project-name", _project,
                "--project-directory", BackpropProgram.RepositoryRoot,
                .. _files.SelectMany(
                    file => new[] { "--file", Path.Combine(BackpropProgram.RepositoryRoot, file) }),
                .. arguments,
            ]);
}
