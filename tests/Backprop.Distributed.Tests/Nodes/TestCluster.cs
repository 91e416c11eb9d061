using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Data.Sources;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.InMemory;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Nodes of one process that train a run under a coordinator, over links in memory or over
/// TCP.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly ActorSystem _system =
        ActorSystem.Create("cluster", ActorConfiguration.Config);

    private readonly InMemoryNetwork _network = new();
    private readonly List<TestNode> _nodes = [];
    private readonly TaskCompletionSource<CheckpointManifest> _end = new(
        TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly bool _overTcp;
    private readonly CheckpointPieces _checkpoints;

    public TestCluster(
        bool overTcp, Func<RunCoordination, bool>? holds = null, RunSetup? setup = null,
        LayerPlugins? plugins = null)
    {
        _overTcp = overTcp;
        _checkpoints = new CheckpointPieces(
            _system, StoragePatience.Default, TimeProvider.System);
        Coordinator = _system.ActorOf(
            Props.Create(() => new TestCoordinator(
                setup ?? TestRun.Setup, _end, holds, plugins)));
    }

    public IActorRef Coordinator { get; }

    /// <summary>A cluster of nodes with a role each.</summary>
    /// <param name="overTcp">Whether links are sockets.</param>
    /// <param name="servers">Nodes that serve.</param>
    /// <param name="workers">Nodes that compute.</param>
    /// <param name="holds">When the coordinator stands still until it is released.</param>
    /// <param name="setup">The run; null: the small one.</param>
    /// <param name="copies">What copies in memory may cost; null: the default.</param>
    public static TestCluster Of(
        bool overTcp, int servers, int workers, Func<RunCoordination, bool>? holds = null,
        RunSetup? setup = null, CopyOptions? copies = null)
    {
        var cluster = new TestCluster(overTcp, holds, setup);
        cluster.Add(
        [
            .. Enumerable.Range(1, servers).Select(
                i => cluster.Make($"server-{i}", NodeRoles.ParameterServer, copies: copies)),
            .. Enumerable.Range(1, workers).Select(
                i => cluster.Make($"worker-{i}", NodeRoles.Worker)),
        ]);
        return cluster;
    }

    public TestNode Make(
        string name, NodeRoles roles, IDataSourceOpener? data = null,
        long memoryLimitBytes = long.MaxValue, bool isMute = false,
        NodePatience? patience = null, Func<ITensorTransport, ITensorTransport>? tamper = null,
        CopyOptions? copies = null, LayerPlugins? plugins = null) => new(
        _system, name, roles,
        identity => (tamper ?? (links => links))(_overTcp
            ? new TcpTransport(identity, new LinkOptions())
            : new InMemoryTransport(identity, new LinkOptions(), _network)),
        _checkpoints, data, memoryLimitBytes, isMute, patience, copies, plugins);

    /// <summary>Nodes join: they learn of each other before the coordinator learns of them.
    /// </summary>
    public void Add(params TestNode[] nodes)
    {
        _nodes.AddRange(nodes);
        foreach (TestNode node in _nodes)
        {
            _nodes.ForEach(other => node.Directory.Add(other.Description));
        }

        foreach (TestNode node in nodes)
        {
            Coordinator.Tell(new TestCoordinator.Joined(node));
        }
    }

    public TestNode this[string name] => _nodes.Single(node => node.Id.Value == name);

    public void Kill(string name)
    {
        TestNode node = this[name];
        _nodes.Remove(node);
        node.Kill();
        _nodes.ForEach(other => other.Directory.Remove(node.Id));
        Coordinator.Tell(new TestCoordinator.Left(node.Id));
    }

    public async Task<T> SeeAsync<T>(Func<RunCoordination, T> look)
        where T : notnull => (T)await Coordinator.Ask<object>(
            new TestCoordinator.Look(one => look(one)), s_limit);

    /// <summary>The progress that was told.</summary>
    public async Task<ImmutableArray<StepProgress>> ProgressAsync() =>
        await Coordinator.Ask<ImmutableArray<StepProgress>>(
            new TestCoordinator.ProgressQuestion(), s_limit);

    /// <summary>Nodes of the gradient that were held against what others computed.</summary>
    public async Task<long> ComparedAsync() =>
        await Coordinator.Ask<long>(new TestCoordinator.ComparedQuestion(), s_limit);

    /// <summary>Waits until something is seen.</summary>
    public async Task AwaitAsync(Func<RunCoordination, bool> isSeen)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!await SeeAsync(isSeen))
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException(
                    await SeeAsync(one => one.Reason(DateTimeOffset.UtcNow)));
            }

            await Task.Delay(5);
        }
    }

    /// <summary>Waits until a node has failed.</summary>
    /// <returns>Its reason.</returns>
    public async Task<string> AwaitFailureAsync()
    {
        using var limit = new CancellationTokenSource(s_limit);
        ImmutableArray<string> failures;
        while ((failures = await Coordinator.Ask<ImmutableArray<string>>(
            new TestCoordinator.FailuresQuestion(), s_limit)).IsEmpty)
        {
            await Task.Delay(5, limit.Token);
        }

        return failures[0];
    }

    /// <summary>Waits until a version is made.</summary>
    /// <returns>The version of now.</returns>
    public async Task<long> AwaitVersionAsync(long version)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            ImmutableArray<StepProgress> progress = await ProgressAsync();
            if (!progress.IsEmpty && progress[^1].Version >= version)
            {
                return progress[^1].Version;
            }

            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Waits until the coordinator is held.</summary>
    public async Task AwaitHeldAsync()
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!await Coordinator.Ask<bool>(new TestCoordinator.HoldQuestion(), s_limit))
        {
            await Task.Delay(5, limit.Token);
        }
    }

    /// <summary>Lets the coordinator go on.</summary>
    public void Release() => Coordinator.Tell(new TestCoordinator.Release());

    /// <summary>Waits for the checkpoint that the run ends with.</summary>
    public async Task<CheckpointManifest> EndAsync()
    {
        try
        {
            return await _end.Task.WaitAsync(s_limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException(
                await SeeAsync(one => one.Reason(DateTimeOffset.UtcNow)));
        }
    }

    /// <summary>Waits for the end and holds it against the single process.</summary>
    public async Task AssertEndsAsOracleAsync()
    {
        Assert.Equal(TestRun.Oracle.StateSha256, await EndingStateAsync());
    }

    /// <summary>Waits for the end, which is the small run's last step.</summary>
    /// <returns>SHA-256 of weights and optimizer state.</returns>
    public async Task<string> EndingStateAsync()
    {
        CheckpointManifest end = await EndAsync();
        TrainingPlan plan = TestRun.Plan;
        var cut = new PieceCut(
            plan.Network.Layout.Length, plan.Rules.StateCount, end.BestVersion is not null);
        using var weights = new AlignedBuffer(cut.Length);
        using var state = new AlignedBuffer(cut.Length * cut.StateCount);
        using var best = new AlignedBuffer(cut.Length);
        await _checkpoints.RestoreAsync(
            TestRun.Id, end.Version, end.Parts,
            new SliceContent(
                cut, 0, cut.BlockCount, weights, state, cut.HasBest ? best : null),
            CancellationToken.None);
        Assert.Equal(TestRun.Oracle.Steps, end.Version);
        return WeightsDigest.OfState(plan.Network.Layout, weights, state);
    }

    /// <summary>Has the nodes train another run as well.</summary>
    /// <returns>What it comes to.</returns>
    public Task<CheckpointManifest> TrainToo(RunSetup setup)
    {
        var end = new TaskCompletionSource<CheckpointManifest>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        IActorRef coordinator = _system.ActorOf(
            Props.Create(() => new TestCoordinator(setup, end, null)));
        _nodes.ForEach(node => coordinator.Tell(new TestCoordinator.Joined(node)));
        return end.Task.WaitAsync(s_limit);
    }

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        _nodes.ForEach(node => node.Hub.Dispose());
    }
}
