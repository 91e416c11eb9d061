using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A PostgreSQL server of the tests' own: on loopback, in a temporary folder, run by an
/// unprivileged user, and gone with the tests.</summary>
public sealed class PostgreSqlServer : IDisposable
{
    private const string Programs = "/usr/lib/postgresql/15/bin";

    // The server refuses to be run by root; Debian's package brings this user along.
    private const string ServiceUser = "postgres";
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly string _folder = "";
    private readonly int _port;

    public PostgreSqlServer()
    {
        if (!File.Exists(Path.Combine(Programs, "initdb")))
        {
            WhyNot = $"PostgreSQL 15 is not installed: there is no {Programs}/initdb";
            return;
        }

        _folder = Run("mktemp", "-d", "-t", "backprop-postgres-XXXXXX").Trim();
        _port = FreePort();
        Run($"{Programs}/initdb", "-D", Data, "-U", "tests", "-A", "trust", "--no-sync");
        Start();
    }

    /// <summary>Why there is no server; null: there is one.</summary>
    public string? WhyNot { get; }

    public string Connection =>
        $"Host=127.0.0.1;Port={_port};Username=tests;Database=postgres;Pooling=False";

    private string[] Server => ["-h", "127.0.0.1", "-p", $"{_port}", "-U", "tests"];

    private string Data => Path.Combine(_folder, "data");

    public void Start() => Run(
        $"{Programs}/pg_ctl", "-D", Data, "-w", "-l", Path.Combine(_folder, "log"),
        "-o", $"-c listen_addresses=127.0.0.1 -c port={_port} -c fsync=off -k {_folder}", "start");

    public void Stop() => Run($"{Programs}/pg_ctl", "-D", Data, "-w", "-m", "immediate", "stop");

    /// <summary>What the server's databases hold, as <c>pg_dump</c> has it; in the custom format.
    /// </summary>
    /// <param name="schema">Only this schema.</param>
    /// <returns>The file, which every user may read.</returns>
    public string Dump(string schema)
    {
        string file = Run("mktemp", "-t", "backprop-dump-XXXXXX").Trim();
        Run($"{Programs}/pg_dump", [.. Server, "-Fc", "-n", schema, "-f", file, "postgres"]);
        Run("chmod", "a+r", file);
        return file;
    }

    /// <summary>Puts what was dumped elsewhere into this server, and removes the file.</summary>
    public void Restore(string file)
    {
        Run(
            $"{Programs}/pg_restore",
            [.. Server, "--exit-on-error", "--no-owner", "-d", "postgres", file]);
        Run("rm", "-f", file);
    }

    public void Dispose()
    {
        if (WhyNot is null)
        {
            Stop();
            Run("rm", "-rf", _folder);
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        string[] command = Environment.UserName == "root"
            ? ["runuser", "-u", ServiceUser, "--", program, .. arguments]
            : [program, .. arguments];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            WorkingDirectory = Path.GetTempPath(),
        };
        // The server that pg_ctl starts keeps the output open: only mktemp's is read to its end.
        start.RedirectStandardOutput = program == "mktemp";
        using Process process = Process.Start(start)
            ?? throw new InvalidOperationException($"{program} did not start");
        string output = start.RedirectStandardOutput ? process.StandardOutput.ReadToEnd() : "";
        if (!process.WaitForExit(s_patience))
        {
            process.Kill();
            throw new TimeoutException($"{program} took more than {s_patience}");
        }

        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
