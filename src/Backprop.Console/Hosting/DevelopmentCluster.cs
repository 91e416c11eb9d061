using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using Backprop.Console.Client;
using Backprop.Console.Storage;

namespace Backprop.Console.Hosting;

/// <summary>A process of a development cluster.</summary>
/// <param name="Name">What it is called here: <c>worker-1</c>.</param>
/// <param name="Process">Its number.</param>
/// <param name="Started">When it started, in ticks: a number is used again some day.</param>
/// <param name="Log">The file that it writes to.</param>
internal sealed record ClusterProcess(string Name, int Process, long Started, string Log);

/// <summary>What is on record of a development cluster.</summary>
/// <param name="Api">The address of its API.</param>
/// <param name="Processes">The coordinator's first.</param>
internal sealed record ClusterRecord(Uri Api, ClusterProcess[] Processes);

/// <summary>A cluster of processes of this machine, for development: one coordinator, workers and
/// parameter servers, with ports that the system chooses.</summary>
internal sealed partial class DevelopmentCluster(string directory, CommandEnvironment environment)
{
    private const string CoordinatorName = "coordinator";
    private const int SigTerm = 15;
    private const int SigKill = 9;

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_mostForStart = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_mostForEnd = TimeSpan.FromSeconds(60);

    // A process's start is reckoned from the machine's, each time a little otherwise.
    private static readonly TimeSpan s_clockError = TimeSpan.FromSeconds(5);

    private static readonly JsonSerializerOptions s_json = new() { WriteIndented = true };

    private string RecordFile => Path.Combine(directory, "cluster.json");

    /// <summary>Starts the processes and waits until all are ready.</summary>
    /// <param name="workers">How many.</param>
    /// <param name="servers">Parameter servers.</param>
    /// <param name="threads">Of each worker; null: the machine's cores are shared out.</param>
    /// <param name="apiPort">0: any; null: the usual one, where it is free.</param>
    /// <exception cref="MistakeException">One is running already.</exception>
    /// <exception cref="IOException">A process has ended, or took too long; none is left running.
    /// </exception>
    public ClusterRecord Up(int workers, int servers, int? threads, int? apiPort)
    {
        if (Find() is { } running && running.Processes.Any(IsRunning))
        {
            throw new MistakeException(
                $"a cluster is running in '{directory}' ({running.Api}): 'backprop cluster down'"
                + " ends it, --state names another directory");
        }

        Directory.CreateDirectory(directory);
        var processes = new List<ClusterProcess>();
        try
        {
            ClusterProcess coordinator = Start(
                CoordinatorName, CoordinatorName, null, 1, apiPort ?? FreeApiPort());
            processes.Add(coordinator);
            string log = AwaitReady(coordinator);
            string address = Field(log, "node").Split(' ')[0];
            var api = new Uri(Field(log, "api"));
            int perWorker = threads ?? Math.Max(1, Environment.ProcessorCount / workers);
            for (int i = 1; i <= servers; i++)
            {
                processes.Add(Start($"parameter-server-{i}", "parameter-server", address, 1));
            }

            for (int i = 1; i <= workers; i++)
            {
                processes.Add(Start($"worker-{i}", "worker", address, perWorker));
            }

            processes.ForEach(process => AwaitReady(process));
            var record = new ClusterRecord(api, [.. processes]);
            DurableFile.WriteText(RecordFile, JsonSerializer.Serialize(record, s_json));
            Directory.CreateDirectory(Path.GetDirectoryName(ServerAddress.File)!);
            DurableFile.WriteText(ServerAddress.File, $"{api}\n");
            return record;
        }
        catch
        {
            processes.ForEach(process => Signal(process, SigKill));
            throw;
        }
    }

    /// <summary>Ends the processes, workers first, and the ones that do not end in time by force.
    /// </summary>
    /// <returns>How many were running.</returns>
    public int Down()
    {
        ClusterProcess[] running =
            [.. (Find()?.Processes ?? []).Where(IsRunning).Reverse()];

        // The coordinator is needed by those who leave.
        bool HasCoordinator(ClusterProcess process) => process.Name == CoordinatorName;
        End([.. running.Where(process => !HasCoordinator(process))]);
        End([.. running.Where(HasCoordinator)]);
        if (File.Exists(RecordFile))
        {
            File.Delete(RecordFile);
        }

        return running.Length;
    }

    private void End(ClusterProcess[] processes)
    {
        Array.ForEach(processes, process => Signal(process, SigTerm));
        long began = environment.Time.GetTimestamp();
        while (processes.Any(IsRunning)
            && environment.Time.GetElapsedTime(began) < s_mostForEnd)
        {
            Thread.Sleep(s_look);
        }

        foreach (ClusterProcess stubborn in processes.Where(IsRunning))
        {
            Signal(stubborn, SigKill);
        }
    }

    /// <summary>What is on record; null: there is no cluster here.</summary>
    public ClusterRecord? Find() => File.Exists(RecordFile)
        ? JsonSerializer.Deserialize<ClusterRecord>(File.ReadAllText(RecordFile))
        : null;

    /// <summary>Whether a process is alive, and still the same.</summary>
    public static bool IsRunning(ClusterProcess process)
    {
        try
        {
            using Process found = Process.GetProcessById(process.Process);
            var apart = TimeSpan.FromTicks(Math.Abs(found.StartTime.Ticks - process.Started));
            return !found.HasExited && apart < s_clockError;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    /// <summary>The last line that a process has written.</summary>
    public static string LastLine(ClusterProcess process) => File.Exists(process.Log)
        ? ReadLog(process).Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? ""
        : "";

    private ClusterProcess Start(
        string name, string roles, string? join, int threads, int apiPort = 0)
    {
        string log = Path.Combine(directory, $"{name}.log");
        if (File.Exists(log))
        {
            // Nobody is to take what the process before has written for what this one writes.
            File.Move(log, Path.Combine(directory, $"{name}.before.log"), overwrite: true);
        }

        string[] command =
        [
            .. environment.Program, "node", "--roles", roles, "--port", "0", "--links-port", "0",
            "--api-port", apiPort.ToString(CultureInfo.InvariantCulture), "--state", directory,
            "--threads", threads.ToString(CultureInfo.InvariantCulture),
            .. join is null ? [] : (string[])["--join", join],
        ];

        // A session of its own, so that the terminal's Ctrl-C and its end do not reach it.
        string session = File.Exists("/usr/bin/setsid") ? "setsid " : "";
        var start = new ProcessStartInfo(
            "/bin/sh",
            ["-c", $"exec {session}\"$@\" >\"$0\" 2>&1 </dev/null", log, .. command]);
        // What they write is read here, in a container too; and one port is not for all of them.
        start.Environment["BACKPROP__LOG__FORMAT"] = "text";
        start.Environment["BACKPROP__METRICS__PORT"] = "0";
        using Process process = Process.Start(start)
            ?? throw new IOException($"{name} could not be started");
        return new ClusterProcess(name, process.Id, process.StartTime.Ticks, log);
    }

    // The usual port where it is free, so that who watches finds a cluster again that was started
    // anew.
    private static int FreeApiPort()
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, ServerAddress.DefaultPort);
            probe.Start();
            return ServerAddress.DefaultPort;
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private string AwaitReady(ClusterProcess process)
    {
        long began = environment.Time.GetTimestamp();
        while (true)
        {
            bool isRunning = IsRunning(process);
            string log = File.Exists(process.Log) ? ReadLog(process) : "";
            if (log.Contains("\nready\n", StringComparison.Ordinal))
            {
                return log;
            }

            if (!isRunning)
            {
                throw new IOException(
                    $"{process.Name} has ended: {LastLine(process)} ({process.Log})");
            }

            if (environment.Time.GetElapsedTime(began) >= s_mostForStart)
            {
                throw new IOException(
                    $"{process.Name} was not ready within {s_mostForStart.TotalSeconds:0} s:"
                    + $" {LastLine(process)} ({process.Log})");
            }

            Thread.Sleep(s_look);
        }
    }

    private static string ReadLog(ClusterProcess process)
    {
        using var file = new FileStream(
            process.Log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }

    private static string Field(string log, string name) => log.Split('\n')
        .First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim();

    private static void Signal(ClusterProcess process, int signal)
    {
        if (IsRunning(process))
        {
            _ = Kill(process.Process, signal);
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
