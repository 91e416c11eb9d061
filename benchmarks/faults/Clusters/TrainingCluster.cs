using System.Collections.Immutable;
using Backprop.Chaos;
using Backprop.Chaos.Schedules;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Clusters;

/// <summary>A cluster of processes on this machine that trains: a coordinator, two parameter
/// servers and workers, configured as users' are, one thread each.</summary>
internal sealed class TrainingCluster : WatchedRun
{
    /// <summary>The number of the coordinator among the nodes.</summary>
    public const int Coordinator = 0;

    /// <summary>Parameter servers; they are the nodes from 1 on, and workers come after them.
    /// </summary>
    public const int Servers = 2;

    /// <summary>Time from one checkpoint to the next.</summary>
    public static readonly TimeSpan CheckpointInterval = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan s_mostForStart = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_regular = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_ask = TimeSpan.FromMilliseconds(250);

    private readonly ChaosCluster _cluster;
    private readonly ImmutableArray<Measures> _measures;
    private readonly string _directory;
    private string? _run;

    private TrainingCluster(
        string directory, string program, int workers, bool hasProxies)
    {
        _directory = directory;
        _cluster = new ChaosCluster(
            directory, Schedule.Calm(Servers, workers), new ChaosOptions
            {
                Silence = null,
                HasProxies = hasProxies,
                Program = program,
                Variables = VariablesOf,
            });
        _measures =
        [
            .. _cluster.Nodes.Select(node => new Measures(MeasuresOf(node.Number), Steps)),
        ];
    }

    /// <summary>The number of the first worker among the nodes.</summary>
    public static int FirstWorker => 1 + Servers;

    /// <summary>Its workers.</summary>
    public int Workers => _cluster.Nodes.Length - FirstWorker;

    /// <summary>Its nodes.</summary>
    public int Nodes => _cluster.Nodes.Length;

    /// <summary>Starts one, and waits until it trains.</summary>
    /// <param name="given">What its nodes run.</param>
    /// <param name="workers">Its workers.</param>
    /// <param name="hasProxies">Whether links can be disturbed.</param>
    /// <param name="absent">So many of the workers are not started yet.</param>
    /// <param name="batch">Samples of a step.</param>
    public static async Task<TrainingCluster> StartAsync(
        Measurement given, int workers, bool hasProxies = false, int absent = 0,
        int batch = RunFile.Batch)
    {
        var cluster = new TrainingCluster(
            Directory.CreateTempSubdirectory("backprop-faults-").FullName, given.Program,
            workers, hasProxies);
        try
        {
            string specification = RunFile.Write(
                cluster._directory, batch, CheckpointInterval);
            foreach (ChaosNode node in cluster._cluster.Nodes.Take(cluster.Nodes - absent))
            {
                node.Start();
            }

            await cluster.SubmitAsync(specification);
            await cluster.UntilRegularAsync(workers - absent);
            return cluster;
        }
        catch
        {
            cluster.Dispose();
            throw;
        }
    }

    /// <summary>What a node's meter has told.</summary>
    public Measures Of(int node) => _measures[node];

    /// <summary>Does a fault to it.</summary>
    /// <returns>When.</returns>
    public long Do(Fault fault)
    {
        long at = Clock.Now;
        _cluster.Do(fault);
        return at;
    }

    /// <summary>Kills a node's process.</summary>
    /// <returns>When.</returns>
    public long Kill(int node) => Do(new Fault.Kill(node, TimeSpan.Zero));

    /// <inheritdoc/>
    public override long KillWorker(int worker) => Kill(FirstWorker + worker);

    /// <summary>Has a node leave, and waits until its process has ended.</summary>
    public Task LeaveAsync(int node)
    {
        Do(new Fault.Leave(node, TimeSpan.Zero));
        return UntilAsync(
            () => !_cluster.Nodes[node].IsRunning, s_mostForStart, "it does not leave");
    }

    /// <summary>Starts a node's process, if it has none.</summary>
    /// <returns>When.</returns>
    public long Start(int node)
    {
        long at = Clock.Now;
        _cluster.Nodes[node].Start();
        return at;
    }

    /// <summary>Starts every node that has no process.</summary>
    public void StartAll() => _cluster.StartAll();

    /// <summary>Every link is as it should be.</summary>
    public void Heal() => _cluster.Heal();

    /// <summary>How often a node has joined the cluster.</summary>
    public int JoinsOf(int node) => _cluster.Nodes[node].Log().Count(line => line == "ready");

    /// <summary>Waits until a worker has a part in a step.</summary>
    /// <param name="worker">The number of its node.</param>
    /// <param name="since">After this.</param>
    /// <returns>When it was done with that.</returns>
    public async Task<long> ContributionAsync(int worker, long since)
    {
        List<long> all = _measures[worker].Contributions;
        await UntilAsync(
            () => all.Count > 0 && all[^1] > since, s_mostForStart, "a worker has no part");
        return all.Find(at => at > since);
    }

    /// <summary>The run's state; null: nobody answers soon.</summary>
    public async Task<RunState?> ShowAsync()
    {
        try
        {
            return await _cluster.Api.ShowAsync(_run!).WaitAsync(s_ask);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override async Task SettleAsync()
    {
        StartAll();
        await UntilServedAsync();
        await UntilRegularAsync(Workers);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _cluster.Dispose();
        foreach (Measures measures in _measures)
        {
            measures.Dispose();
        }

        Directory.Delete(_directory, recursive: true);
    }

    /// <inheritdoc/>
    protected override void Read()
    {
        foreach (Measures measures in _measures)
        {
            measures.Read();
        }
    }

    /// <inheritdoc/>
    protected override string Describe() => string.Join(
        Environment.NewLine, _cluster.Nodes.SelectMany(
            node => node.LogTail().Prepend($"node {node.Number} {node.Part}")));

    private async Task SubmitAsync(string specification)
    {
        long end = Clock.After(Clock.Now, s_mostForStart);
        while ((_run = await _cluster.Api.SubmitAsync(specification)) is null)
        {
            if (Clock.Now > end)
            {
                throw new TimeoutException($"nobody takes the run: {Describe()}");
            }

            await Task.Delay(s_ask);
        }
    }

    // Servers that were away have their slices again.
    private async Task UntilServedAsync()
    {
        long end = Clock.After(Clock.Now, s_mostForStart);
        while ((await ShowAsync())?.Servers != Servers)
        {
            if (Clock.Now > end)
            {
                throw new TimeoutException($"a server stays without a slice: {Describe()}");
            }

            await Task.Delay(s_ask);
        }
    }

    // For a while each of the workers has had a part in the steps, and none was much longer than
    // the others.
    private async Task UntilRegularAsync(int workers)
    {
        long began = Clock.Now;
        await UntilAsync(
            () =>
            {
                long now = Clock.Now;
                long since = Clock.After(now, -s_regular);
                return since >= began
                    && Steps.LongestStep(since, now) is > 0 and < 0.5
                    && Enumerable.Range(FirstWorker, workers).All(
                        node => IsRegular(_measures[node].Contributions, since, now));
            },
            s_mostForStart, "steps are not regular");
    }

    private static bool IsRegular(List<long> contributions, long since, long now)
    {
        int first = contributions.Count;
        while (first > 0 && contributions[first - 1] >= since)
        {
            first--;
        }

        const double Half = 0.5;
        return first < contributions.Count
            && Clock.Seconds(since, contributions[first]) < Half
            && Clock.Seconds(contributions[^1], now) < Half;
    }

    private string MeasuresOf(int node) => Path.Combine(_directory, $"node-{node}.measures");

    private ImmutableDictionary<string, string> VariablesOf(int node) =>
        ImmutableDictionary<string, string>.Empty
            .Add("DOTNET_STARTUP_HOOKS", typeof(StartupHook).Assembly.Location)
            .Add(StartupHook.FileVariable, MeasuresOf(node))
            .Add("BACKPROP__DATA__ROOTS", _directory);
}
