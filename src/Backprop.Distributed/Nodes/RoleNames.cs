using System.Collections.Immutable;

namespace Backprop.Distributed.Nodes;

/// <summary>What roles are called: in configurations, in the cluster, in certificates.</summary>
public static class RoleNames
{
    private static readonly ImmutableArray<(string Name, NodeRoles Role)> s_roles =
    [
        ("coordinator", NodeRoles.Coordinator),
        ("parameter-server", NodeRoles.ParameterServer),
        ("worker", NodeRoles.Worker),
        ("console", NodeRoles.Console),
    ];

    /// <summary>Every role's name.</summary>
    public static ImmutableArray<string> All { get; } = [.. s_roles.Select(known => known.Name)];

    /// <summary>What one role is called.</summary>
    public static string Of(NodeRoles role) =>
        s_roles.FirstOrDefault(known => known.Role == role).Name
        ?? throw new ArgumentException($"{role} is not one role");

    /// <summary>What each of some roles is called.</summary>
    public static IEnumerable<string> OfEach(NodeRoles roles) =>
        s_roles.Where(known => roles.HasFlag(known.Role)).Select(known => known.Name);

    /// <summary>The role of a name; <see cref="NodeRoles.None"/>: there is no such role.</summary>
    public static NodeRoles Find(string name) =>
        s_roles.FirstOrDefault(known => known.Name == name).Role;
}
