using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>What holds for every directive, whomever it is for.</summary>
internal static class DirectiveCheck
{
    /// <summary>Why a directive cannot be followed; null: so far, it can.</summary>
    public static string? Refusal(
        RunId run, DirectiveStamp stamp, Generation generation, ImmutableArray<NodeId> servers,
        RunDimensions dimensions)
    {
        if (!run.IsValid)
        {
            return $"'{run}' names no run";
        }

        if (generation.Value < 1 || stamp.Term.Value < 1 || stamp.Sequence < 1)
        {
            return $"{generation}, {stamp}: each counts from 1";
        }

        int blocks = dimensions.Layout.BlockCount;
        if (servers.IsDefaultOrEmpty || servers.Length > blocks)
        {
            return $"{(servers.IsDefault ? 0 : servers.Length)} servers for {blocks} blocks";
        }

        return RefusalOfNodes(servers);
    }

    /// <summary>Why nodes cannot be those of a run; null: they can.</summary>
    public static string? RefusalOfNodes(ImmutableArray<NodeId> nodes)
    {
        var seen = new HashSet<NodeId>();
        foreach (NodeId node in nodes)
        {
            if (!node.IsValid || !seen.Add(node))
            {
                return $"'{node}' names no node, or stands twice";
            }
        }

        return null;
    }
}
