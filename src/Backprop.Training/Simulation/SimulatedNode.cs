using Backprop.Training.Protocol;

namespace Backprop.Training.Simulation;

/// <summary>One incarnation of a process at a place, with the roles of that place.</summary>
internal sealed class SimulatedNode : IDisposable
{
    private readonly SimulatedCluster _cluster;
    private readonly TimeSpan _clockOffset;
    private bool _serverKnowsRun;
    private bool _workerKnowsRun;

    public SimulatedNode(
        SimulatedCluster cluster, int place, int incarnation, SimulatedRoles roles,
        TimeSpan clockOffset)
    {
        _cluster = cluster;
        _clockOffset = clockOffset;
        Place = place;
        Id = new NodeId($"node-{place}.{incarnation}");
        Roles = roles;
        Copies = new SimulatedCopies(cluster, this);
        Server = roles.IsServer ? new SimulatedServer(cluster, this) : null;
        Worker = roles.IsWorker ? new SimulatedWorker(cluster, this) : null;
    }

    public int Place { get; }

    public NodeId Id { get; }

    public SimulatedRoles Roles { get; }

    public Lifetime Life { get; } = new();

    public SimulatedServer? Server { get; }

    /// <summary>The copies of slices in its memory.</summary>
    public SimulatedCopies Copies { get; }

    public SimulatedWorker? Worker { get; }

    /// <summary>So many times slower than usual.</summary>
    public double Slowness { get; set; } = 1;

    /// <summary>Whether it comes to wrong bits now and then.</summary>
    public bool IsUnsound { get; set; }

    /// <summary>Its own clock: no two start alike, and nobody sets it.</summary>
    public TimeSpan Clock => _cluster.Queue.Now + _clockOffset;

    /// <summary>A server's directive. A node that does not know the run asks what it is first, and
    /// the directive has to come again.</summary>
    public void Receive(ServerDirective directive, SimulatedCoordinator from)
    {
        if (_serverKnowsRun)
        {
            Server?.Receive(directive, from);
        }
        else
        {
            from.AskForSetup(this, () => _serverKnowsRun = true);
        }
    }

    /// <summary>A worker's directive.</summary>
    public void Receive(WorkerDirective directive, SimulatedCoordinator from)
    {
        if (_workerKnowsRun)
        {
            Worker?.Receive(directive, from);
        }
        else
        {
            from.AskForSetup(this, () => _workerKnowsRun = true);
        }
    }

    /// <summary>Looks at what is late, again and again.</summary>
    public void BeginToLook(TimeSpan first, TimeSpan interval) =>
        _cluster.Queue.After(first, Life, () =>
        {
            Server?.Look();
            Worker?.Look();
            BeginToLook(interval, interval);
        });

    public void Dispose()
    {
        Life.End();
        Server?.Dispose();
        Worker?.Dispose();
    }
}
