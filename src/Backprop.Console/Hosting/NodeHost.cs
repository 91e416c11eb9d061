using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Backprop.Console.Api;
using Backprop.Console.Storage;
using Backprop.Data.Sources;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serving;
using Backprop.Engine.Simd;
using Backprop.Training.Protocol;

namespace Backprop.Console.Hosting;

/// <summary>A node of a cluster in this process: starts what its roles need, joins, and stays until
/// it is told to leave or has to.</summary>
internal sealed class NodeHost : IAsyncDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_probe = TimeSpan.FromSeconds(2);

    private readonly NodeConfiguration _node;
    private readonly string _host;
    private readonly ActorSystem _system;
    private readonly Cluster _cluster;
    private readonly LinkHub _links;
    private readonly StateOwnership? _ownership;
    private readonly TaskCompletionSource<string> _mustEnd =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ApiServer? _api;

    private NodeHost(
        NodeConfiguration node, string host, ActorSystem system, LinkHub links,
        StateOwnership? ownership)
    {
        _node = node;
        _host = host;
        _system = system;
        _cluster = Cluster.Get(system);
        _links = links;
        _ownership = ownership;
        _ = ownership?.Lost.ContinueWith(
            lost => _mustEnd.TrySetResult(lost.Result), TaskScheduler.Default);
        _ = system.WhenTerminated.ContinueWith(
            _ => _mustEnd.TrySetResult(
                "the node has been taken out of its cluster: it was unreachable for too long, or on"
                + " the smaller side of a split"),
            TaskScheduler.Default);
    }

    /// <summary>Completes with the reason when the node cannot stay.</summary>
    public Task<string> MustEnd => _mustEnd.Task;

    /// <summary>What it is, a line each.</summary>
    public IEnumerable<string> Description
    {
        get
        {
            Address self = _cluster.SelfAddress;
            yield return $"node      {self.Host}:{self.Port} of cluster {_node.Cluster.Name}";
            yield return $"roles     {string.Join(", ", RoleNames(_node.Member.Roles))}";
            yield return $"links     {LinkAddress}";
            yield return $"state     {Describe(_node.State.Options)}";
            yield return $"threads   {_node.EffectiveThreads}, {Processor}";
            if (_api is not null)
            {
                yield return $"api       {_api.Address}";
            }
        }
    }

    private LinkAddress LinkAddress { get; set; }

    private static string Version =>
        typeof(NodeHost).Assembly.GetName().Version!.ToString();

    private static string Processor =>
        $"{RuntimeInformation.ProcessArchitecture} with {(int)SimdWidths.Best * 32}-bit vectors";

    /// <summary>Starts a node; it has not joined yet.</summary>
    /// <exception cref="IOException">A port is taken, or an address is not this machine's.
    /// </exception>
    /// <exception cref="StateDatabaseException">The database cannot be used.</exception>
    /// <exception cref="MistakeException">It would found a cluster without a coordinator.
    /// </exception>
    public static async Task<NodeHost> StartAsync(
        NodeConfiguration node, CancellationToken cancellation)
    {
        if (node.Cluster.Join.IsEmpty && !node.Member.Roles.HasFlag(NodeRoles.Coordinator))
        {
            throw new MistakeException(
                "a node that founds a cluster has the role coordinator: give --join HOST:PORT of a"
                + " node to join, or add the role");
        }

        string host = node.Member.ResolveHost();
        await StateDatabase.PrepareAsync(
            node.State.Options, node.State.OpeningPatience, cancellation);
        // With several coordinators the cluster itself sees to it that one works at a time.
        StateOwnership? ownership =
            node.Member.Roles.HasFlag(NodeRoles.Coordinator) && node.Cluster.Coordinators == 1
                ? await StateOwnership.TakeAsync(
                    node.State.Options, node.Cluster.Name, node.State.OpeningPatience,
                    cancellation)
                : null;
        ActorSystem system;
        try
        {
            system = StartSystem(node, host);
        }
        catch when (ownership is not null)
        {
            await ownership.DisposeAsync();
            throw;
        }

        UniqueAddress self = Cluster.Get(system).SelfUniqueAddress;
        var directory = new NodeDirectory();
        NodeId id = Membership.NodeOf(self);
        var links = new LinkHub(
            id,
            new TcpTransport(
                new LinkIdentity(node.Cluster.Name, id.Value, Version), node.Links.Options),
            directory, TimeProvider.System);
        var started = new NodeHost(node, host, system, links, ownership);
        try
        {
            await started.StartActorsAsync(id, directory, cancellation);
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>Joins the cluster, or founds it.</summary>
    /// <exception cref="IOException">It could not, within the bound of the configuration.
    /// </exception>
    public async Task JoinAsync(CancellationToken cancellation)
    {
        ClusterConfiguration cluster = _node.Cluster;
        Address self = _cluster.SelfAddress;
        Address[] seeds =
        [
            .. cluster.Join.Select(address => new Address(
                self.Protocol, self.System, address.Host, address.Port)),
        ];
        _cluster.JoinSeedNodes(seeds.Length == 0 ? [self] : seeds);
        long began = TimeProvider.System.GetTimestamp();
        while (_cluster.SelfMember.Status is not MemberStatus.Up)
        {
            if (MustEnd.IsCompleted)
            {
                throw new IOException(await MustEnd);
            }

            if (TimeProvider.System.GetElapsedTime(began) >= cluster.JoinDeadline)
            {
                throw new IOException(
                    $"could not join cluster {cluster.Name} within"
                    + $" {cluster.JoinDeadline.TotalSeconds:0} s: {await WhyNotAsync(cluster)}");
            }

            await Task.Delay(s_look, cancellation);
        }
    }

    /// <summary>Leaves the cluster, and stops.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_api is not null)
        {
            await _api.DisposeAsync();
        }

        Task stopped = CoordinatedShutdown.Get(_system)
            .Run(CoordinatedShutdown.ClrExitReason.Instance);
        // What has not stopped by then ends with the process.
        await Task.WhenAny(stopped, Task.Delay(_node.Member.ShutdownGrace));
        _links.Dispose();
        if (_ownership is not null)
        {
            await _ownership.DisposeAsync();
        }
    }

    private static ActorSystem StartSystem(NodeConfiguration node, string host)
    {
        Config configuration = ClusterActorConfiguration.Of(new ClusterOptions
        {
            Host = host,
            Port = node.Member.Port,
            Roles = node.Member.Roles,
            Coordinators = node.Cluster.Coordinators,
            AcceptablePause = node.Cluster.AcceptablePause,
            StableAfter = node.Cluster.StableAfter,
            LeavingDeadline = node.Member.ShutdownGrace,
        });
        try
        {
            return ActorSystem.Create(
                ClusterActorConfiguration.SystemName,
                NodeLog.Config.WithFallback(configuration)
                    .WithFallback(PersistenceConfiguration.ToAkka(node.State.Options)));
        }
        catch (Exception failure)
        {
            Exception cause = failure;
            while (cause is { InnerException: { } inner } and not SocketException)
            {
                cause = inner;
            }

            if (cause is not SocketException refused)
            {
                throw;
            }

            throw new IOException(
                $"control messages cannot be taken at {host}:{node.Member.Port}:"
                + $" {refused.Message}; another port is set by --port or backprop.node.port",
                failure);
        }
    }

    private async Task StartActorsAsync(
        NodeId id, NodeDirectory directory, CancellationToken cancellation)
    {
        LinkAddress = _links.Listen(new LinkAddress(_host, _node.Links.Port));
        StateConfiguration state = _node.State;
        var checkpoints = new CheckpointPieces(_system, state.Patience, TimeProvider.System);
        var files = new StoredFiles(_system, state.Patience, TimeProvider.System);
        var digests = new StoredDigests(_system, state.Patience, TimeProvider.System);
        NodeRoles roles = _node.Member.Roles;
        var context = new NodeContext
        {
            Node = id,
            Links = _links,
            Threads = _node.EffectiveThreads,
            Checkpoints = checkpoints,
            Models = files,
            Data = new DataSourceOpener(
                _node.Data.Directory,
                new FileCache(_node.Data.Cache, new HttpDownload(new HttpLimits()))),
            MemoryLimitBytes = SpecificationFile.MemoryLimitBytes,
        };
        context.Hung += reason => _mustEnd.TrySetResult($"a computation hangs: {reason}");
        if (roles.HasFlag(NodeRoles.ParameterServer))
        {
            _system.ActorOf(ParameterServer.Props(context), ParameterServer.Name);
        }

        if (roles.HasFlag(NodeRoles.Worker))
        {
            _system.ActorOf(
                Distributed.Working.Worker.Props(context), Distributed.Working.Worker.Name);
        }

        IActorRef membership = _system.ActorOf(
            Membership.Props(
                new Introduction(
                    _node.Cluster.Name,
                    new NodeDescription(
                        id, roles, LinkAddress, Version, context.Threads, Processor),
                    WantsAnswer: true),
                directory, reason => _mustEnd.TrySetResult(reason)),
            Membership.Name);
        if (roles.HasFlag(NodeRoles.Coordinator))
        {
            CoordinatorSeat.Offer(_system, Coordinator.Props(new CoordinatorContext
            {
                Membership = membership,
                Checkpoints = checkpoints,
                Digests = digests,
            }));
            _api = await ApiServer.StartAsync(
                _node.Api.Host, _node.Api.Port,
                new ApiBackend(
                    CoordinatorSeat.Reach(_system), files.ReadAsync, checkpoints, digests, Unready),
                cancellation);
        }
    }

    private string? Unready() => _cluster.SelfMember.Status == MemberStatus.Up
        ? null
        : $"this node is {_cluster.SelfMember.Status.ToString().ToLowerInvariant()}, not up";

    private static async Task<string> WhyNotAsync(ClusterConfiguration cluster)
    {
        var reasons = new List<string>();
        foreach (NodeAddress address in cluster.Join)
        {
            using var limit = new CancellationTokenSource(s_probe);
            using var probe = new TcpClient();
            try
            {
                await probe.ConnectAsync(address.Host, address.Port, limit.Token);
                reasons.Add($"{address} answers, but has not let this node in");
            }
            catch (SocketException failure)
            {
                reasons.Add($"{address}: {failure.Message}");
            }
            catch (OperationCanceledException)
            {
                reasons.Add($"{address} does not answer");
            }
        }

        return string.Join("; ", reasons);
    }

    private static IEnumerable<string> RoleNames(NodeRoles roles) =>
        new[] { NodeRoles.Coordinator, NodeRoles.ParameterServer, NodeRoles.Worker }
            .Where(role => roles.HasFlag(role)).Select(ClusterActorConfiguration.NameOf);

    private static string Describe(PersistenceOptions options) => options switch
    {
        PersistenceOptions.Sqlite sqlite => Path.GetFullPath(sqlite.Directory),
        PersistenceOptions.PostgreSql postgres => $"PostgreSQL, schema {postgres.Schema}",
        _ => throw new ArgumentException($"unknown options {options}"),
    };
}
