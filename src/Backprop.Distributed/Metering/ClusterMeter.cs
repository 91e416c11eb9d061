using System.Collections.Immutable;
using System.Diagnostics.Metrics;
using Backprop.Distributed.Coordination;

namespace Backprop.Distributed.Metering;

/// <summary>Counts runs by what they are at and nodes by their status, where the coordinator
/// lives.</summary>
internal sealed class ClusterMeter : IDisposable
{
    private static readonly Watched<ClusterMeter> s_all = new();

    // A series that is there from the beginning can be compared with what it was before.
    private static readonly ImmutableDictionary<string, int> s_noNodes =
        ImmutableDictionary.CreateRange(
            new[] { "up", "unreachable", "ended" }.Select(name => KeyValuePair.Create(name, 0)));

    private static readonly ImmutableDictionary<string, int> s_noRuns =
        ImmutableDictionary.CreateRange(Enum.GetValues<RunStanding>().Select(
            standing => KeyValuePair.Create(NameOf(standing), 0)));

    private static readonly ObservableGauge<long> s_runs = NodeMeter.Meter.CreateObservableGauge(
        "backprop.runs", () => s_all.Measure(one => Count("standing", one._runs)), "{run}",
        "Runs of the cluster by what they are at");

    private static readonly ObservableGauge<long> s_nodes = NodeMeter.Meter.CreateObservableGauge(
        "backprop.nodes", () => s_all.Measure(one => Count("status", one._nodes)), "{node}",
        "Nodes of the cluster by their status");

    private ImmutableDictionary<string, int> _runs = s_noRuns;
    private ImmutableDictionary<string, int> _nodes = s_noNodes;

    public ClusterMeter() => s_all.Add(this);

    /// <summary>Whether anybody wants to know.</summary>
    public static bool IsWatched => s_runs.Enabled || s_nodes.Enabled;

    /// <summary>What a standing is called in a tag.</summary>
    public static string NameOf(RunStanding standing) => $"{standing}".ToLowerInvariant();

    /// <summary>What there is now.</summary>
    public void Update(IEnumerable<RunStanding> runs, IEnumerable<string> nodes)
    {
        Volatile.Write(ref _runs, CountBy(s_noRuns, runs.Select(NameOf)));
        Volatile.Write(ref _nodes, CountBy(s_noNodes, nodes));
    }

    /// <inheritdoc/>
    public void Dispose() => s_all.Remove(this);

    private static ImmutableDictionary<string, int> CountBy(
        ImmutableDictionary<string, int> none, IEnumerable<string> names)
    {
        var counts = none.ToBuilder();
        foreach (string name in names)
        {
            counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        return counts.ToImmutable();
    }

    private static IEnumerable<Measurement<long>> Count(
        string tag, ImmutableDictionary<string, int> counts) =>
        counts.Select(entry => new Measurement<long>(
            entry.Value, NodeMeter.Tag(tag, entry.Key)));
}
