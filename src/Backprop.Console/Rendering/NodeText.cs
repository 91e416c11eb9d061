using Backprop.Distributed.Coordination;

namespace Backprop.Console.Rendering;

/// <summary>Nodes of a cluster in words.</summary>
internal static class NodeText
{
    private const int MostRuns = 2;

    /// <summary>What it does: <c>coordinator, server</c>.</summary>
    public static string Roles(NodeView node) => node.Description.Roles.ToString()
        .Replace("ParameterServer", "server").ToLowerInvariant();

    /// <summary>The runs that it works for.</summary>
    public static string Runs(NodeView node) => node.Runs.Length switch
    {
        0 => "-",
        <= MostRuns => string.Join(", ", node.Runs),
        _ => string.Join(", ", node.Runs.Take(MostRuns)) + $" +{node.Runs.Length - MostRuns}",
    };
}
