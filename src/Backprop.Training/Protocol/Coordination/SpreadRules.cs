using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>
/// Which parameter servers a run is cut over, and when it is cut anew since others have come: a
/// server that was lost and is back would stand idle otherwise, and the run without the copies in
/// memory that several servers keep of each other.
/// </summary>
internal static class SpreadRules
{
    // A server whose slice has failed is not tried again for so long, if there are others.
    private static readonly TimeSpan s_unfit = TimeSpan.FromMinutes(10);

    /// <summary>The servers that a generation would have now, in the order of their slices; none:
    /// there is none.</summary>
    public static ImmutableArray<NodeId> Servers(RunCoordination run, DateTimeOffset now)
    {
        ImmutableArray<NodeId> present =
        [
            .. run.Observed.Nodes!.Value.Where(one => one is { IsServer: true, IsLeaving: false })
                .Select(one => one.Node).Order(),
        ];
        ImmutableArray<NodeId> fit = present.RemoveAll(
            node => run.Observed.Failed.TryGetValue(node, out DateTimeOffset failed)
                && now - failed < s_unfit);
        ImmutableArray<NodeId> servers = fit.IsEmpty ? present : fit;
        if (servers.IsEmpty)
        {
            return servers;
        }

        int slices = SlicePlan.SliceCountFor(run.Plan.Dimensions.Layout, servers.Length);
        return [.. servers.Take(slices)];
    }

    /// <summary>Whether training is to be brought to a stand, saved, and cut over more servers.
    /// </summary>
    public static bool IsDue(RunCoordination run, RunGeneration open, DateTimeOffset now) =>
        now - open.OpenedAt >= run.Plan.Options.SpreadAfter
        && Servers(run, now).Length > open.Servers.Length;
}
