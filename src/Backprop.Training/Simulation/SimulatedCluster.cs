using System.Collections.Immutable;
using Backprop.Engine.Threading;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>A cluster in virtual time: its nodes, its coordinator, its network, its database. All
/// that happens in it is a function of the scenario.</summary>
internal sealed class SimulatedCluster : IDisposable
{
    private readonly Scenario _scenario;
    private readonly FaultInjection _faults;
    private readonly SortedDictionary<NodeId, SimulatedNode> _nodes = [];
    private readonly List<SimulatedCoordinator> _coordinators = [];
    private readonly List<SimulatedRoles> _places = [];
    private readonly List<int> _incarnations = [];
    private int _terms;

    public SimulatedCluster(
        Scenario scenario, Oracle oracle, PlantedBug bug, SimulationTrace? trace, ComputePool pool)
    {
        _scenario = scenario;
        Bug = bug;
        Trace = trace;
        Pool = pool;
        Plan = scenario.Plan;
        Dimensions = RunDimensions.Of(scenario.Plan);
        CoordinationPlan = CoordinationPlan.Of(Run, scenario.Plan, scenario.Options);
        Network = new SimulatedNetwork(
            scenario.Network, new Draws(scenario.Seed, DrawKind.Network), Queue, Statistics);
        Timing = new SimulatedTiming(scenario);
        Soundness = new SimulatedSoundness(scenario, Statistics);
        Clock = new SimulatedClock(Queue);
        Membership = new SimulatedMembership(this);
        Checks = new SimulationChecks(this, oracle);
        _faults = new FaultInjection(this, scenario);
    }

    public RunId Run { get; } = new("simulated");

    public TrainingPlan Plan { get; }

    public RunDimensions Dimensions { get; }

    public CoordinationPlan CoordinationPlan { get; }

    public PlantedBug Bug { get; }

    public ComputePool Pool { get; }

    public EventQueue Queue { get; } = new();

    public SimulatedNetwork Network { get; }

    public SimulatedStorage Storage { get; } = new();

    public SimulatedTiming Timing { get; }

    /// <summary>Who comes to wrong bits, and when.</summary>
    public SimulatedSoundness Soundness { get; }

    /// <summary>The clocks of the machines that coordinators run on.</summary>
    public SimulatedClock Clock { get; }

    public SimulatedMembership Membership { get; }

    public SimulationChecks Checks { get; }

    public SimulationStatistics Statistics { get; } = new();

    public SimulationTrace? Trace { get; }

    /// <summary>What copies of slices in memory may cost; null: none are made.</summary>
    public CopyOptions? CopyOptions => _scenario.Copies;

    /// <summary>Whether servers tell the coordinator how far steps are.</summary>
    public bool TellsProgress => _scenario.TellsProgress;

    /// <summary>The nodes that live, in order.</summary>
    public IReadOnlyCollection<SimulatedNode> Nodes => _nodes.Values;

    /// <summary>Places so far.</summary>
    public int Places => _places.Count;

    /// <summary>The coordinator of the highest term; null: there is none at the moment.</summary>
    public SimulatedCoordinator? Coordinator => _coordinators.LastOrDefault();

    /// <summary>Whether things go wrong, until the scenario says that they do not.</summary>
    public bool IsFaulty => Network.IsFaulty;

    /// <summary>Starts the nodes, the coordinator and the faults.</summary>
    public void Start()
    {
        foreach (SimulatedRoles roles in _scenario.Nodes)
        {
            Membership.Up(Add(roles));
        }

        StartCoordinator();
        _faults.Schedule();
    }

    /// <summary>A new place with a process.</summary>
    public SimulatedNode Add(SimulatedRoles roles)
    {
        _places.Add(roles);
        _incarnations.Add(0);
        return StartNode(_places.Count - 1);
    }

    /// <summary>The process at a place; null: none lives there.</summary>
    public SimulatedNode? At(int place) =>
        _nodes.Values.FirstOrDefault(node => node.Place == place);

    /// <summary>A process at a place, in its next incarnation.</summary>
    public SimulatedNode StartNode(int place)
    {
        var node = new SimulatedNode(
            this, place, ++_incarnations[place], _places[place], Timing.ClockOffset());
        _nodes.Add(node.Id, node);
        node.BeginToLook(Timing.FirstLook(), TimeSpan.FromMilliseconds(250));
        Trace?.Write(Queue.Now, node.Id.Value, $"starts as {node.Roles}");
        return node;
    }

    /// <summary>A process dies.</summary>
    public void EndNode(SimulatedNode node, string why)
    {
        Trace?.Write(Queue.Now, node.Id.Value, why);
        _nodes.Remove(node.Id);
        node.Dispose();
    }

    /// <summary>Another coordinator takes over.</summary>
    public void StartCoordinator()
    {
        var next = new SimulatedCoordinator(this, ++_terms);
        _coordinators.Add(next);
        Trace?.Write(Queue.Now, $"coordinator-{_terms}", "starts");
        next.Begin();
    }

    /// <summary>A coordinator ends; the node that it is on starts another, unless a later one
    /// runs elsewhere.</summary>
    public void EndCoordinator(SimulatedCoordinator coordinator, bool restarts)
    {
        coordinator.Life.End();
        _coordinators.Remove(coordinator);
        if (restarts)
        {
            Queue.After(TimeSpan.FromSeconds(1), null, () =>
            {
                if (_coordinators.All(other => other.Term < coordinator.Term))
                {
                    StartCoordinator();
                }
            });
        }
    }

    /// <summary>Coordinators that do not know that they were followed by others end.</summary>
    public void EndOldCoordinators()
    {
        foreach (SimulatedCoordinator old in _coordinators.SkipLast(1).ToArray())
        {
            EndCoordinator(old, restarts: false);
        }
    }

    /// <summary>Tells coordinators who is there, soon.</summary>
    public void TellCoordinators()
    {
        foreach (SimulatedCoordinator coordinator in _coordinators)
        {
            Queue.After(
                TimeSpan.FromMilliseconds(50), coordinator.Life,
                () => coordinator.Take(new CoordinatorInput.NodesChanged(Membership.Nodes)));
        }
    }

    /// <summary>A message from a node to another; a node that there is no more does not get it.
    /// </summary>
    public void Send(SimulatedNode from, NodeId to, Action<SimulatedNode> deliver)
    {
        if (_nodes.TryGetValue(to, out SimulatedNode? node))
        {
            Network.Send(from.Place, node.Place, node.Life, () => deliver(node));
        }
    }

    /// <summary>A message from a coordinator to a node.</summary>
    public void SendTo(SimulatedCoordinator from, NodeId to, Action<SimulatedNode> deliver)
    {
        if (_nodes.TryGetValue(to, out SimulatedNode? node))
        {
            Network.Send(from.Place, node.Place, node.Life, () => deliver(node));
        }
    }

    /// <summary>Whether a restore fails.</summary>
    public bool ReadFails() => Fails(_scenario.Storage.FailingReads);

    /// <summary>Whether a part cannot be written.</summary>
    public bool WriteFails() => Fails(_scenario.Storage.FailingWrites);

    /// <summary>Whether events cannot be stored.</summary>
    public bool EventsFail() => Fails(_scenario.Storage.FailingEvents);

    /// <summary>What it all waits for, in words.</summary>
    public string Reason() =>
        Coordinator?.Run?.Reason(Coordinator.Now) ?? "no coordinator";

    public void Dispose()
    {
        foreach (SimulatedNode node in _nodes.Values)
        {
            node.Dispose();
        }

        Queue.Clear();
    }

    private bool Fails(double share) =>
        IsFaulty && (Storage.AwayUntil > Queue.Now || Timing.Fails(share));
}
