using System.Collections.Immutable;
using Backprop.Chaos.Processes;

namespace Backprop.Chaos;

/// <summary>How the nodes of a chaos cluster are run.</summary>
internal sealed record ChaosOptions
{
    /// <summary>How long a node may be silent before it is suspected; null: as long as users'
    /// nodes, and all other waits are theirs as well. Default: shorter than usual, so that a
    /// schedule sees what comes after.</summary>
    public TimeSpan? Silence { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether proxies stand before the nodes; without them links cannot be disturbed, and
    /// cost no more than users' links. Default: yes.</summary>
    public bool HasProxies { get; init; } = true;

    /// <summary>What its nodes show each other; null: they speak without TLS. Default: none.
    /// </summary>
    public ClusterCertificates? Certificates { get; init; }

    /// <summary>HOCON of where the state lies; null: in SQLite's files, in the cluster's directory.
    /// </summary>
    public string? Persistence { get; init; }

    /// <summary>How long bytes between nodes are under way, through the proxies. Default: no time.
    /// </summary>
    public TimeSpan Delay { get; init; }

    /// <summary>The file <c>backprop.dll</c> that nodes run. Default: what was built beside this.
    /// </summary>
    public string Program { get; init; } = BackpropProgram.Built;

    /// <summary>Variables of each node's environment, by its number.</summary>
    public Func<int, ImmutableDictionary<string, string>> Variables { get; init; } =
        _ => ImmutableDictionary<string, string>.Empty;
}
