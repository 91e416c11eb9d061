using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.InMemory;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serialization;
using Backprop.Distributed.Serving;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Embedded;

/// <summary>What an embedded cluster is made of.</summary>
public sealed record EmbeddedOptions
{
    /// <summary>Workers, at least 1.</summary>
    public required int Workers { get; init; }

    /// <summary>Parameter servers, at least 1.</summary>
    public required int ParameterServers { get; init; }

    /// <summary>Threads of them all; each worker has its part, and at least one.</summary>
    public required int Threads { get; init; }

    /// <summary>Akka's configuration of journal and snapshot store.</summary>
    public required Config Persistence { get; init; }

    /// <summary>Opens data sources.</summary>
    public required IDataSourceOpener Data { get; init; }

    /// <summary>The plug-ins that runs may have layers of.</summary>
    public LayerPlugins Plugins { get; init; } = LayerPlugins.None;

    /// <summary>What training may allocate beside the data, in bytes.</summary>
    public required long MemoryLimitBytes { get; init; }

    /// <summary>Told, on any thread, when something computes far longer than it should: it cannot
    /// be stopped, and the process had better end.</summary>
    public required Action<string> OnHung { get; init; }

    /// <summary>What copies of slices in memory may cost. Default: none are made, since the nodes
    /// of one process are lost together.</summary>
    public CopyOptions Copies { get; init; } = new() { Share = 0 };

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Makes a node's links, over sockets of the loopback address; null: links are in
    /// memory.</summary>
    public Func<LinkIdentity, LinkOptions, ITensorTransport>? Links { get; init; }

    /// <summary>The most of either role. A worker has a thread that computes, and four for its
    /// links with each parameter server.</summary>
    public const int MaxNodes = 256;
}

/// <summary>
/// A whole cluster in one process: the same actors as anywhere, in one actor system without
/// remoting, with links in memory.
/// </summary>
public sealed class EmbeddedCluster : IAsyncDisposable
{
    private const string ClusterName = "embedded";
    private const string Loopback = "127.0.0.1";
    private const int AskAttempts = 60;

    private static readonly TimeSpan AskDeadline = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StopDeadline = TimeSpan.FromSeconds(30);

    private readonly ActorSystem _system;
    private readonly ImmutableArray<LinkHub> _hubs;

    /// <summary>Starts it; the database that the configuration names is ready.</summary>
    /// <param name="options">What it is made of.</param>
    /// <exception cref="ArgumentOutOfRangeException">There cannot be so many nodes.</exception>
    public EmbeddedCluster(EmbeddedOptions options)
    {
        Within(options.Workers, nameof(options.Workers));
        Within(options.ParameterServers, nameof(options.ParameterServers));
        _system = ActorSystem.Create(
            ClusterName, NodeDispatchers.Config.WithFallback(options.Persistence)
                .WithFallback(SerializationConfiguration.Config).WithFallback(Logging));
        Checkpoints = new CheckpointPieces(_system, StoragePatience.Default, options.Time);
        Files = new StoredFiles(_system, StoragePatience.Default, options.Time);
        Digests = new StoredDigests(_system, StoragePatience.Default, options.Time);
        Curves = new StoredCurves(_system, StoragePatience.Default, options.Time);
        var builder = new Builder(_system, options, Checkpoints, Files);
        AvailableNode[] nodes =
        [
            .. Enumerable.Range(1, options.ParameterServers)
                .Select(i => builder.Add($"server-{i}", NodeRoles.ParameterServer)),
            .. Enumerable.Range(1, options.Workers)
                .Select(i => builder.Add($"worker-{i}", NodeRoles.Worker)),
        ];
        _hubs = [.. builder.Hubs];
        foreach (NodeDirectory directory in builder.Directories)
        {
            Array.ForEach(nodes, node => directory.Add(node.Description));
        }

        var cluster = new NodesAvailable(
            ClusterName, new NodeId(ClusterName), [.. nodes], []);
        IActorRef membership = _system.ActorOf(
            Props.Create(() => new FixedMembership(cluster)), "membership");
        Coordinator = _system.ActorOf(
            Coordination.Coordinator.Props(new CoordinatorContext
            {
                Membership = membership,
                Checkpoints = Checkpoints,
                Digests = Digests,
                Curves = Curves,
                Plugins = options.Plugins,
                Time = options.Time,
            }),
            "coordinator");
        Client = new CoordinatorClient(Coordinator, AskAttempts, AskDeadline);
    }

    /// <summary>The coordinator.</summary>
    public IActorRef Coordinator { get; }

    /// <summary>The trained models.</summary>
    public StoredFiles Files { get; }

    /// <summary>The pieces of checkpoints.</summary>
    public CheckpointPieces Checkpoints { get; }

    /// <summary>The digests of the runs' versions.</summary>
    public StoredDigests Digests { get; }

    /// <summary>The runs' curves.</summary>
    public StoredCurves Curves { get; }

    /// <summary>Asks the coordinator.</summary>
    public ICoordinatorClient Client { get; }

    /// <summary>Where its actors live.</summary>
    internal ActorSystem System => _system;

    private static Config Logging { get; } = ConfigurationFactory.ParseString("""
        akka {
          loglevel = WARNING
          stdout-loglevel = OFF
          loggers = []
          coordinated-shutdown.run-by-clr-shutdown-hook = off
        }
        """);

    /// <summary>Stops it; what was persisted stays.</summary>
    public async ValueTask DisposeAsync()
    {
        await _system.Terminate().WaitAsync(StopDeadline).ConfigureAwait(false);
        foreach (LinkHub hub in _hubs)
        {
            hub.Dispose();
        }
    }

    private static void Within(int count, string what)
    {
        if (count is < 1 or > EmbeddedOptions.MaxNodes)
        {
            throw new ArgumentOutOfRangeException(
                what, count, $"1 to {EmbeddedOptions.MaxNodes} would be right");
        }
    }

    /// <summary>Makes the nodes.</summary>
    private sealed class Builder(
        ActorSystem system, EmbeddedOptions options, CheckpointPieces checkpoints,
        StoredFiles files)
    {
        private static readonly string Version =
            typeof(EmbeddedCluster).Assembly.GetName().Version!.ToString();

        private readonly InMemoryNetwork _network = new();

        // Two links with every other node, one that each of them dials.
        private readonly LinkOptions _links = new()
        {
            SmallBuffers = 2 * (options.Workers + options.ParameterServers)
                * new LinkOptions().SmallWindow,
        };

        public List<LinkHub> Hubs { get; } = [];

        public List<NodeDirectory> Directories { get; } = [];

        public AvailableNode Add(string name, NodeRoles role)
        {
            var id = new NodeId(name);
            var directory = new NodeDirectory();
            var hub = new LinkHub(
                id,
                LinksOf(new LinkIdentity(ClusterName, name, Version)), directory, options.Time);
            Hubs.Add(hub);
            Directories.Add(directory);
            int nodes = role == NodeRoles.Worker ? options.Workers : options.ParameterServers;
            var context = new NodeContext
            {
                Node = id,
                Links = hub,
                Threads = Math.Max(1, options.Threads / nodes),
                Checkpoints = checkpoints,
                Models = files,
                Data = options.Data,
                Plugins = options.Plugins,
                Time = options.Time,
                Copies = options.Copies,
                MemoryLimitBytes =
                    options.MemoryLimitBytes / (options.Workers + options.ParameterServers),
            };
            context.Hung += options.OnHung;
            var description = new NodeDescription(
                id, role,
                hub.Listen(new LinkAddress(options.Links is null ? name : Loopback, 0)), Version,
                context.Threads, "");
            return new AvailableNode(
                description, name, "up", IsUsable: true,
                role == NodeRoles.ParameterServer
                    ? system.ActorOf(ParameterServer.Props(context), name)
                    : null,
                role == NodeRoles.Worker
                    ? system.ActorOf(Working.Worker.Props(context), name)
                    : null);
        }

        private ITensorTransport LinksOf(LinkIdentity identity) =>
            options.Links?.Invoke(identity, _links)
            ?? new InMemoryTransport(identity, _links, _network);
    }

    /// <summary>The nodes are these, always.</summary>
    private sealed class FixedMembership(NodesAvailable cluster) : UntypedActor
    {
        protected override void OnReceive(object message)
        {
            if (message is NodesRequest)
            {
                Sender.Tell(cluster);
            }
            else
            {
                Unhandled(message);
            }
        }
    }
}
