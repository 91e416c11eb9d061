using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Models.Plugins;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Configuration;

/// <summary>Where a node's control messages are taken.</summary>
/// <param name="Host">A host's name or address.</param>
/// <param name="Port">Its port.</param>
public sealed record NodeAddress(string Host, int Port)
{
    /// <summary>As it is written.</summary>
    public override string ToString() => $"{(Host.Contains(':') ? $"[{Host}]" : Host)}:{Port}";
}

/// <summary>The cluster that a node is of; the same on all its nodes, but for
/// <paramref name="Join"/>.</summary>
/// <param name="Name">Tells it from other clusters.</param>
/// <param name="Join">Nodes to join it at; empty: this node founds it.</param>
/// <param name="Coordinators">Nodes with the role coordinator: 1, or an odd number of which the
/// majority decides.</param>
/// <param name="AcceptablePause">A node may be silent for so long before it is suspected.</param>
/// <param name="StableAfter">Suspected nodes are taken out after so long without a change.</param>
/// <param name="JoinDeadline">A node gives up if it could not join for so long.</param>
/// <param name="RejoinDeadline">The same, for one that was in the cluster before.</param>
public sealed record ClusterConfiguration(
    string Name, ImmutableArray<NodeAddress> Join, int Coordinators, TimeSpan AcceptablePause,
    TimeSpan StableAfter, TimeSpan JoinDeadline, TimeSpan RejoinDeadline);

/// <summary>A node as it presents itself.</summary>
/// <param name="Host">Where others reach it; <see cref="AutoHost"/>: see
/// <see cref="ResolveHost"/>.</param>
/// <param name="Port">For control messages; 0: any free one.</param>
/// <param name="Roles">What it does, at least one thing.</param>
/// <param name="ShutdownGrace">What it may take to hand over and leave.</param>
/// <param name="BindHost">Where it listens; empty: at <paramref name="Host"/>.</param>
/// <param name="BindPort">The port that it listens on; 0: <paramref name="Port"/>.</param>
public sealed record MemberConfiguration(
    string Host, int Port, NodeRoles Roles, TimeSpan ShutdownGrace, string BindHost = "",
    int BindPort = 0)
{
    /// <summary>Stands for this machine's own name.</summary>
    public const string AutoHost = "auto";

    /// <summary>The version that it says it is, in tests of upgrades; null: its own.</summary>
    public SoftwareVersion? AnnouncedVersion { get; init; }

    /// <summary>Whether users' requests are taken here.</summary>
    public bool ServesApi => (Roles & (NodeRoles.Coordinator | NodeRoles.Console)) != 0;

    /// <summary>The host that others reach the node at. Asks the resolver where it is
    /// <see cref="AutoHost"/>.</summary>
    /// <exception cref="NodeConfigurationException">This machine's name has no address.</exception>
    public string ResolveHost() => Host == AutoHost ? MachineName.Resolve() : Host;

    /// <summary>Where others reach its control messages. As <see cref="ResolveHost"/>.</summary>
    /// <exception cref="NodeConfigurationException">This machine's name has no address.</exception>
    public NodeAddress ResolveAddress() => new(ResolveHost(), Port);
}

/// <summary>A node's tensor links.</summary>
/// <param name="Port">Where they are taken; 0: any free one.</param>
/// <param name="Options">Their limits and times.</param>
/// <param name="BindPort">The port that is listened on; 0: <paramref name="Port"/>.</param>
public sealed record LinksConfiguration(int Port, LinkOptions Options, int BindPort = 0)
{
    /// <summary>Whether nodes of this user on this machine are linked by Unix sockets.</summary>
    public bool AreLocal { get; init; } = true;

    /// <summary>The directory of these sockets; empty: the user's usual one.</summary>
    public string LocalDirectory { get; init; } = "";
}

/// <summary>The files, in PEM, of a node that speaks TLS with others and with users.</summary>
/// <param name="Authority">Certificates of the authorities whose certificates are believed.</param>
/// <param name="Certificate">The node's certificate.</param>
/// <param name="Key">Its key.</param>
public sealed record TlsConfiguration(string Authority, string Certificate, string Key);

/// <summary>The files, in PEM, that the API is served with.</summary>
/// <param name="Certificate">A certificate, and those that lead from it to one that browsers know.
/// </param>
/// <param name="Key">Its key.</param>
public sealed record ApiCertificate(string Certificate, string Key);

/// <summary>The state database and how long it is waited for.</summary>
/// <param name="Options">Which it is.</param>
/// <param name="Patience">For pieces of checkpoints and files.</param>
/// <param name="OpeningPatience">For a connection and for the lock of another process, at the
/// start.</param>
public sealed record StateConfiguration(
    PersistenceOptions Options, StoragePatience Patience, TimeSpan OpeningPatience);

/// <summary>Where a node finds data.</summary>
/// <param name="Directory">What relative paths of a specification are relative to.</param>
/// <param name="Cache">The directory for data that were fetched over HTTP.</param>
public sealed record DataConfiguration(string Directory, string Cache)
{
    /// <summary>Directories that files of runs which are handed in must lie in; empty: only
    /// <see cref="Directory"/>.</summary>
    public ImmutableArray<string> Roots { get; init; } = [];
}

/// <summary>Code that a node may load.</summary>
/// <param name="Folder">Where plug-ins lie.</param>
/// <param name="Allow">Which of them are loaded; the folder is not looked at where there are none.
/// </param>
public sealed record PluginConfiguration(string Folder, ImmutableArray<AllowedPlugin> Allow)
{
    /// <summary>Loads them.</summary>
    /// <exception cref="Engine.Plugins.LayerPluginException">One cannot be used.</exception>
    /// <exception cref="IOException">One cannot be read.</exception>
    public LayerPlugins Load() => PluginFolder.Load(Folder, Allow);
}

/// <summary>Whether requests need a token.</summary>
public enum TokenUse
{
    /// <summary>Where more than this machine reaches the address.</summary>
    Auto,

    /// <summary>Always.</summary>
    Required,

    /// <summary>Never.</summary>
    Off,
}

/// <summary>Where users' requests are taken, on a node with the role coordinator or console.
/// </summary>
/// <param name="Host">The address that is listened on.</param>
/// <param name="Port">The port; 0: any free one.</param>
public sealed record ApiConfiguration(string Host, int Port)
{
    /// <summary>Whether requests need a token.</summary>
    public TokenUse Tokens { get; init; } = TokenUse.Auto;

    /// <summary>Whether it is meant that others than this machine may do everything.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>What it shows browsers; null: the node's certificate, if that has one.</summary>
    public ApiCertificate? Certificate { get; init; }

    /// <summary>Names that it is reached by, beside localhost and <see cref="Host"/>.</summary>
    public ImmutableArray<string> Names { get; init; } = [];
}
