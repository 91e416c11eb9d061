using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol;

/// <summary>
/// A coordinator, parameter servers and workers with real numbers, in one thread, around the states
/// of the protocol.
/// </summary>
internal sealed class InMemoryCluster : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromHours(1);

    private readonly List<ClusterNode> _nodes = [];
    private readonly Dictionary<NodeId, InMemoryServer> _servers = [];
    private readonly Dictionary<NodeId, InMemoryWorker> _workers = [];
    private readonly List<RunEvent> _journal = [];
    private readonly CoordinationPlan _coordinationPlan;
    private RunCoordination? _coordination;

    public InMemoryCluster(
        TrainingPlan plan, int servers, int workers, NetworkConditions conditions,
        ComputePool pool)
    {
        Plan = plan;
        Pool = pool;
        Network = new InMemoryNetwork(conditions);
        Checkpoints = new InMemoryCheckpoints(plan);
        _coordinationPlan = CoordinationPlan.Of(Run, plan, new CoordinationOptions());
        for (int i = 0; i < servers; i++)
        {
            _nodes.Add(new ClusterNode(new NodeId($"server-{i}"), true, false));
        }

        for (int i = 0; i < workers; i++)
        {
            _nodes.Add(new ClusterNode(new NodeId($"worker-{i}"), false, true));
        }
    }

    public TrainingPlan Plan { get; }

    public ComputePool Pool { get; }

    public RunId Run { get; } = new("run-1");

    public InMemoryNetwork Network { get; }

    public InMemoryCheckpoints Checkpoints { get; }

    /// <summary>What has happened, as it would be persisted.</summary>
    public IReadOnlyList<RunEvent> Journal => _journal;

    public IReadOnlyList<EpochReport> History => _coordination!.State.Position.History;

    /// <summary>Called before each message: to let something happen.</summary>
    public Action? OnStep { get; set; }

    public int StepsGoneOnWith => _workers.Values.Sum(worker => worker.StepsGoneOnWith);

    public long LeastVersion => Versions().DefaultIfEmpty().Min();

    private DateTimeOffset Now => DateTimeOffset.UnixEpoch + Network.Now;

    private bool IsOver =>
        _coordination!.State.Phase is RunPhase.Concluding or { IsFinal: true };

    public void RunToEnd()
    {
        Take(RunCoordination.Submit(_coordinationPlan, Now));
        TellNodes();
        while (!IsOver)
        {
            OnStep?.Invoke();
            if (!Network.TryDeliver())
            {
                PassTime();
            }
        }
    }

    public void Join(string node, bool isServer = false)
    {
        _nodes.Add(new ClusterNode(new NodeId(node), isServer, !isServer));
        TellNodes();
    }

    public void Kill(string name)
    {
        var node = new NodeId(name);
        Assert.Equal(1, _nodes.RemoveAll(one => one.Node == node));
        if (_servers.Remove(node, out InMemoryServer? server))
        {
            server.Dispose();
        }

        if (_workers.Remove(node, out InMemoryWorker? worker))
        {
            worker.Dispose();
        }

        TellNodes();
    }

    /// <summary>The coordinator dies, and another takes its place from what was persisted.
    /// </summary>
    public void RestartCoordinator()
    {
        Take(RunCoordination.Recover(_coordinationPlan, [.. _journal], Now));
        TellNodes();
    }

    public void Send(NodeId server, Action<InMemoryServer> deliver) => Network.Send(() =>
    {
        if (_servers.TryGetValue(server, out InMemoryServer? to))
        {
            deliver(to);
        }
    });

    public void Send(NodeId worker, Action<InMemoryWorker> deliver) => Network.Send(() =>
    {
        if (_workers.TryGetValue(worker, out InMemoryWorker? to))
        {
            deliver(to);
        }
    });

    public void Tell(ServerStatus status) =>
        Network.Send(() => Decide(new CoordinatorInput.ServerReported(status)));

    public void Tell(WorkerStatus status) =>
        Network.Send(() => Decide(new CoordinatorInput.WorkerReported(status)));

    public string WeightsSha256(bool best)
    {
        using var weights = new AlignedBuffer(Plan.Network.Layout.Length);
        foreach (InMemoryServer server in LastServers())
        {
            AlignedBuffer slice = best ? server.Best : server.Weights;
            slice.Span.CopyTo(weights.Span[server.Offset..]);
        }

        return WeightsDigest.OfWeights(Plan.Network.Layout, weights);
    }

    public string StateSha256()
    {
        ParameterLayout layout = Plan.Network.Layout;
        using var weights = new AlignedBuffer(layout.Length);
        using var state = new AlignedBuffer(layout.Length * Plan.Optimizer.StateCount);
        foreach (InMemoryServer server in LastServers())
        {
            int length = server.Weights.Length;
            server.Weights.Span.CopyTo(weights.Span[server.Offset..]);
            for (int i = 0; i < Plan.Optimizer.StateCount; i++)
            {
                server.OptimizerState.Span.Slice(i * length, length)
                    .CopyTo(state.Span[((i * layout.Length) + server.Offset)..]);
            }
        }

        return WeightsDigest.OfState(layout, weights, state);
    }

    public void Dispose()
    {
        foreach (InMemoryServer server in _servers.Values)
        {
            server.Dispose();
        }

        foreach (InMemoryWorker worker in _workers.Values)
        {
            worker.Dispose();
        }
    }

    private IEnumerable<long> Versions() => _coordination?.State.Open is null
        ? []
        : LastServers().Select(server => server.State.Version);

    private IEnumerable<InMemoryServer> LastServers() =>
        _coordination!.State.Generation!.Servers
            .Where(_servers.ContainsKey).Select(node => _servers[node]);

    private void TellNodes() => Decide(new CoordinatorInput.NodesChanged([.. _nodes]));

    private void Decide(CoordinatorInput input) => Take(_coordination!.Decide(input, Now));

    private void Take(Decision decision)
    {
        _journal.AddRange(decision.Events);
        _coordination = decision.Next;
        foreach (ServerOrder order in decision.ToServers)
        {
            Network.Send(() => Deliver(order.To, order.Directive));
        }

        foreach (WorkerOrder order in decision.ToWorkers)
        {
            Network.Send(() => Deliver(order.To, order.Directive));
        }
    }

    private void Deliver(NodeId node, ServerDirective directive)
    {
        if (_nodes.All(one => one.Node != node))
        {
            return;
        }

        if (!_servers.TryGetValue(node, out InMemoryServer? server)
            || server.Receive(directive) == DirectiveVerdict.Reopen)
        {
            server?.Dispose();
            server = new InMemoryServer(this, node, directive);
            _servers[node] = server;
        }

        server.Proceed();
    }

    private void Deliver(NodeId node, WorkerDirective directive)
    {
        if (_nodes.All(one => one.Node != node))
        {
            return;
        }

        if (!_workers.TryGetValue(node, out InMemoryWorker? worker)
            || worker.Receive(directive) == DirectiveVerdict.Reopen)
        {
            worker?.Dispose();
            worker = new InMemoryWorker(this, node, directive);
            _workers[node] = worker;
        }

        worker.Proceed();
    }

    // Nothing is under way: something was lost, and whoever misses it looks after it.
    private void PassTime()
    {
        Network.AdvanceTo(Network.Now + TimeSpan.FromSeconds(1));
        Assert.True(
            Network.Now < Limit, $"the run stands still: {_coordination!.Reason(Now)}");
        foreach (InMemoryServer server in _servers.Values)
        {
            server.Look();
        }

        foreach (InMemoryWorker worker in _workers.Values)
        {
            worker.Look();
        }

        Decide(new CoordinatorInput.Tick());
    }
}
