using Backprop.Distributed.Links;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Nodes;

/// <summary>What a node does in its cluster.</summary>
[Flags]
public enum NodeRoles
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The coordinator may live here.</summary>
    Coordinator = 1,

    /// <summary>It owns slices.</summary>
    ParameterServer = 2,

    /// <summary>It computes.</summary>
    Worker = 4,

    /// <summary>It takes users' requests and shows the page, as coordinators do; nothing else.
    /// </summary>
    Console = 8,
}

/// <summary>A node as the others know it.</summary>
/// <param name="Node">Its name, with its incarnation.</param>
/// <param name="Roles">What it does.</param>
/// <param name="Links">Where it takes tensor links.</param>
/// <param name="SoftwareVersion">The version of its software, for people: which versions work
/// together is said by <see cref="Protocol"/>.</param>
/// <param name="Threads">Threads that it computes with.</param>
/// <param name="Processor">Its processor and vector width, for people.</param>
public sealed record NodeDescription(
    NodeId Node, NodeRoles Roles, LinkAddress Links, string SoftwareVersion, int Threads,
    string Processor)
{
    /// <summary>What its software can work with.</summary>
    public ProtocolSupport Protocol { get; init; } = ProtocolSupport.Current;
}
