namespace Backprop.Chaos.Schedules;

/// <summary>What a node does in a chaos cluster; each does one thing.</summary>
internal enum NodePart
{
    /// <summary>It coordinates.</summary>
    Coordinator,

    /// <summary>It serves a slice.</summary>
    Server,

    /// <summary>It computes.</summary>
    Worker,
}

/// <summary>Something that goes wrong, or changes, in a cluster. Nodes are numbered: the
/// coordinator is 0, then come the servers, then the workers.</summary>
internal abstract record Fault
{
    private Fault()
    {
    }

    /// <summary>A node's process is killed; it is started again after a while.</summary>
    public sealed record Kill(int Node, TimeSpan Away) : Fault;

    /// <summary>A node's process stands still for a while.</summary>
    public sealed record Stop(int Node, TimeSpan Away) : Fault;

    /// <summary>A node is asked to leave; it is started again after a while.</summary>
    public sealed record Leave(int Node, TimeSpan Away) : Fault;

    /// <summary>Every process is killed at once; all are started again.</summary>
    public sealed record KillAll : Fault;

    /// <summary>Connections between two nodes are closed, and for a while no new ones are possible.
    /// </summary>
    public sealed record Cut(int One, int Other, TimeSpan Away) : Fault;

    /// <summary>Nothing gets from one node to another for a while, and nobody is told.</summary>
    public sealed record Black(int From, int To, TimeSpan Away) : Fault;

    /// <summary>A node is cut off from all others for a while, and nobody is told.</summary>
    public sealed record Isolate(int Node, TimeSpan Away) : Fault;

    /// <summary>What a node sends and receives is late for a while.</summary>
    public sealed record Slow(int Node, TimeSpan Away) : Fault;
}

/// <summary>A fault and when it happens.</summary>
/// <param name="AfterSteps">Once the run is so many steps further than at the fault before.</param>
/// <param name="AtMost">Or after so long, should it not get there.</param>
/// <param name="What">What happens.</param>
internal sealed record PlannedFault(int AfterSteps, TimeSpan AtMost, Fault What);
