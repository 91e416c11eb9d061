using Backprop.Distributed.Coordination;

namespace Backprop.Console.Rendering;

/// <summary>Nodes of a cluster in words.</summary>
internal static class NodeText
{
    private const int MostRuns = 2;

    /// <summary>What it does: <c>coordinator, server</c>.</summary>
    public static string Roles(NodeView node) => node.Description.Roles.ToString()
        .Replace("ParameterServer", "server").ToLowerInvariant();

    /// <summary>That a cluster has nodes of several versions, and of which; null: it has not.
    /// </summary>
    public static string? Versions(ClusterView cluster)
    {
        string[] versions =
        [
            .. cluster.Nodes
                .GroupBy(node => RunWatchText.Plain(node.Description.SoftwareVersion))
                .OrderBy(version => version.Key, StringComparer.Ordinal)
                .Select(version => $"{version.Key} on {NumberText.Count(version.Count())}"),
        ];
        return versions.Length > 1
            ? $"versions: {string.Join(", ", versions)}: an upgrade is under way"
            : null;
    }

    /// <summary>The runs that it works for.</summary>
    public static string Runs(NodeView node) => node.Runs.Length switch
    {
        0 => "-",
        <= MostRuns => string.Join(", ", node.Runs),
        _ => string.Join(", ", node.Runs.Take(MostRuns)) + $" +{node.Runs.Length - MostRuns}",
    };
}
