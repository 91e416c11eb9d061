using System.Diagnostics;
using System.Globalization;
using System.Net;
using Backprop.Chaos;
using Backprop.Chaos.Processes;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Torch;

/// <summary>The same network trained by torchrun and DistributedDataParallel on this machine, two
/// ranks: of one agent, or of an agent each, as on two machines. The first agent is the host of the
/// rendezvous.</summary>
internal sealed class TorchJob : WatchedRun
{
    private const int MostRanks = 2;

    // Nobody is rank 9: the usual values of these options cannot be read under Python 3.11.
    private static readonly string[] s_unredirected = ["--redirects", "9:1", "--tee", "9:1"];
    private const int TailLines = 30;
    private static readonly TimeSpan s_mostForStart = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan s_regular = TimeSpan.FromSeconds(2);

    private readonly string _directory =
        Directory.CreateTempSubdirectory("backprop-faults-torch-").FullName;

    private readonly TorchTuning _tuning;
    private readonly string[] _nodes;
    private readonly string _endpoint = $"127.0.0.1:{FreePorts.Next(IPAddress.Loopback)}";
    private readonly RankFile[] _ranks;
    private readonly List<Process> _agents = [];
    private readonly List<RankStep> _steps = [];

    private TorchJob(TorchTuning tuning, string nodes, int ranksPerNode)
    {
        _tuning = tuning;
        _nodes = ["--nnodes", nodes, "--nproc_per_node", $"{ranksPerNode}"];
        _ranks =
        [
            .. Enumerable.Range(0, MostRanks).Select(
                rank => new RankFile(Path.Combine(_directory, $"rank-{rank}.steps"))),
        ];
    }

    /// <summary>Every step of rank 0, with who took part.</summary>
    public IReadOnlyList<RankStep> Ranked => _steps;

    /// <summary>One agent with both ranks.</summary>
    public static Task<TorchJob> StartAsync(TorchTuning tuning) =>
        StartAsync(new TorchJob(tuning, "1", MostRanks), agents: 1, world: MostRanks);

    /// <summary>Agents with a rank each, of which the job needs one.</summary>
    /// <param name="tuning">How it is set up.</param>
    /// <param name="agents">So many are started, 1 or 2.</param>
    public static Task<TorchJob> StartElasticAsync(TorchTuning tuning, int agents) =>
        StartAsync(new TorchJob(tuning, "1:2", ranksPerNode: 1), agents, world: agents);

    /// <summary>Starts one more agent.</summary>
    /// <returns>When.</returns>
    public long StartAgent()
    {
        long at = Clock.Now;
        var start = new ProcessStartInfo(
            PythonProgram.TorchRun,
            [
                .. _nodes, "--rdzv_backend", "c10d", "--rdzv_endpoint", _endpoint,
                "--rdzv_id", "faults", "--max_restarts", "1000", .. s_unredirected,
                .. _tuning.Options,
                PythonProgram.FileOf("train.py"), _directory,
                _tuning.StepsPerCheckpoint.ToString(CultureInfo.InvariantCulture),
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["OMP_NUM_THREADS"] = "1", ["GLOO_SOCKET_IFNAME"] = "lo" },
        };
        Process agent = Process.Start(start)
            ?? throw new InvalidOperationException("torchrun did not start");
        Watcher.EndWithUs(agent.Id);
        _agents.Add(agent);
        var log = TextWriter.Synchronized(new StreamWriter(LogOf(_agents.Count - 1)));
        agent.OutputDataReceived += (_, line) => log.WriteLine(line.Data);
        agent.ErrorDataReceived += (_, line) =>
        {
            log.WriteLine(line.Data);
            log.Flush();
        };
        agent.BeginOutputReadLine();
        agent.BeginErrorReadLine();
        return at;
    }

    /// <summary>Kills an agent; its ranks die with it.</summary>
    /// <returns>When.</returns>
    public long KillAgent(int agent)
    {
        long at = Clock.Now;
        _agents[agent].Kill();
        return at;
    }

    /// <summary>The agent's exit code; null: it has not ended.</summary>
    public int? ExitCodeOf(int agent) => _agents[agent].HasExited ? _agents[agent].ExitCode : null;

    /// <inheritdoc/>
    public override long KillWorker(int worker)
    {
        Read();
        long at = Clock.Now;
        if (_ranks[worker].Last is { } last)
        {
            try
            {
                using var process = Process.GetProcessById(last.Process);
                process.Kill();
            }
            catch (ArgumentException)
            {
                // It is just being started again: this failure hits nobody.
            }
        }

        return at;
    }

    /// <summary>Waits for the first step, new or not, of ranks started after a time.</summary>
    /// <returns>Seconds since then.</returns>
    public async Task<double> RestartedAsync(long since)
    {
        RankStep before = _steps.Last(step => step.At <= since);
        RankStep? next = null;
        await UntilAsync(
            () => _steps[^1].Process != before.Process
                && (next = _steps.First(
                    step => step.At > since && step.Process != before.Process)) is not null,
            s_mostForStart, "ranks do not start again");
        return Clock.Seconds(since, next!.Value.At);
    }

    /// <inheritdoc/>
    public override Task SettleAsync() => UntilRegularAsync(_steps[^1].World);

    /// <summary>Waits until ranks have trained together for a while.</summary>
    public async Task UntilRegularAsync(int world)
    {
        long began = Clock.Now;
        await UntilAsync(
            () =>
            {
                long now = Clock.Now;
                long since = Clock.After(now, -s_regular);
                return since >= began && _steps.Count > 0 && _steps[^1].World == world
                    && Clock.Seconds(_steps[^1].At, now) < 0.5
                    && _steps.Exists(step => step.At < since && step.Process == _steps[^1].Process)
                    && Steps.LongestStep(since, now) is > 0 and < 0.5;
            },
            s_mostForStart, "steps are not regular");
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        foreach (Process agent in _agents)
        {
            if (!agent.HasExited)
            {
                agent.Kill(entireProcessTree: true);
            }

            agent.WaitForExit();
            agent.Dispose();
        }

        foreach (RankFile rank in _ranks)
        {
            rank.Dispose();
        }

        Directory.Delete(_directory, recursive: true);
    }

    /// <inheritdoc/>
    protected override void Read()
    {
        foreach (RankStep step in _ranks[0].ReadNew())
        {
            _steps.Add(step);
            Steps.Add(step.At, step.Version);
        }

        foreach (RankFile rank in _ranks[1..])
        {
            _ = rank.ReadNew().Count();
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(
        Environment.NewLine, Enumerable.Range(0, _agents.Count).SelectMany(
            agent => File.ReadAllLines(LogOf(agent)).TakeLast(TailLines)));

    private static async Task<TorchJob> StartAsync(TorchJob job, int agents, int world)
    {
        try
        {
            for (int i = 0; i < agents; i++)
            {
                job.StartAgent();
            }

            await job.UntilRegularAsync(world);
            return job;
        }
        catch
        {
            job.Dispose();
            throw;
        }
    }

    private string LogOf(int agent) => Path.Combine(_directory, $"agent-{agent}.log");
}
