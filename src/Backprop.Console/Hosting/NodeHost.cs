using System.Collections.Immutable;
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
    private static readonly TimeSpan s_coordinatorAnswer = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_coordinatorSilence = TimeSpan.FromSeconds(5);

    private readonly NodeConfiguration _node;
    private readonly string _host;
    private readonly ActorSystem _system;
    private readonly Cluster _cluster;
    private readonly NodeId _id;
    private readonly LinkHub _links;
    private readonly StateOwnership? _ownership;
    private readonly KnownMembers? _members;
    private readonly ClusterEntry _entry;
    private readonly ICoordinatorClient _coordinator;
    private readonly TaskCompletionSource<NodeEnding> _mustEnd =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ApiServer? _api;

    private NodeHost(
        NodeConfiguration node, string host, ActorSystem system, LinkHub links,
        StateOwnership? ownership, ImmutableArray<NodeId>? known)
    {
        _node = node;
        _host = host;
        _system = system;
        _cluster = Cluster.Get(system);
        _id = Membership.NodeOf(_cluster.SelfUniqueAddress);
        _links = links;
        _ownership = ownership;
        _members = known is null ? null : new KnownMembers(node.State.Options);
        _entry = new ClusterEntry(node, system, known ?? []);
        _coordinator = CoordinatorSeat.Reach(system);
        _ = ownership?.Lost.ContinueWith(
            lost => End(lost.Result, mayReturn: false), TaskScheduler.Default);
        _ = system.WhenTerminated.ContinueWith(
            _ => End(
                "the node has been taken out of its cluster: it was unreachable for too long, or on"
                + " the smaller side of a split", mayReturn: true),
            TaskScheduler.Default);
    }

    /// <summary>Completes with the reason when the node cannot stay.</summary>
    public Task<NodeEnding> MustEnd => _mustEnd.Task;

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
        ImmutableArray<NodeId>? known = null;
        ActorSystem system;
        try
        {
            // With several coordinators, a new one finds the others where it is told to join.
            known = ownership is not null && node.Cluster.Join.IsEmpty
                ? await KnownMembers.ReadAsync(node.State.Options, cancellation)
                : null;
            system = StartSystem(node, host);
        }
        catch when (ownership is not null)
        {
            await ownership.DisposeAsync();
            throw;
        }

        var directory = new NodeDirectory();
        NodeId id = Membership.NodeOf(Cluster.Get(system).SelfUniqueAddress);
        var links = new LinkHub(
            id,
            new TcpTransport(
                new LinkIdentity(node.Cluster.Name, id.Value, Version), node.Links.Options),
            directory, TimeProvider.System);
        var started = new NodeHost(node, host, system, links, ownership, known);
        try
        {
            await started.StartActorsAsync(directory, cancellation);
            return started;
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }
    }

    /// <summary>Joins the cluster, or founds it.</summary>
    /// <param name="deadline">Gives up after so long.</param>
    /// <param name="cancellation">Before the next look.</param>
    /// <exception cref="IOException">It could not.</exception>
    public Task JoinAsync(TimeSpan deadline, CancellationToken cancellation) =>
        _entry.JoinAsync(deadline, MustEnd, cancellation);

    /// <summary>Hands over what the node does, so that nobody loses by its going; gives up when the
    /// coordinator does not answer, or the time is up.</summary>
    public async Task HandOverAsync()
    {
        long began = TimeProvider.System.GetTimestamp();
        long heard = began;
        while (TimeProvider.System.GetElapsedTime(began) < _node.Member.ShutdownGrace
            && TimeProvider.System.GetElapsedTime(heard) < s_coordinatorSilence
            && _cluster.SelfMember.Status is MemberStatus.Up or MemberStatus.WeaklyUp
            && !MustEnd.IsCompleted)
        {
            using var limit = new CancellationTokenSource(s_coordinatorAnswer);
            try
            {
                CoordinatorAnswer answer = await _coordinator.AskAsync(
                    new CoordinatorRequest.LetGo(_id), limit.Token);
                if (answer is CoordinatorAnswer.Done)
                {
                    return;
                }

                heard = TimeProvider.System.GetTimestamp();
                await Task.Delay(s_look);
            }
            catch (OperationCanceledException)
            {
                // It may be leaving as well.
            }
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
        if (_members is not null)
        {
            await _members.DisposeAsync();
        }

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
            BindHost = node.Member.BindHost.Length > 0 ? node.Member.BindHost : null,
            BindPort = node.Member.BindPort,
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

    private async Task StartActorsAsync(NodeDirectory directory, CancellationToken cancellation)
    {
        LinkAddress = Listen();
        StateConfiguration state = _node.State;
        var checkpoints = new CheckpointPieces(_system, state.Patience, TimeProvider.System);
        var files = new StoredFiles(_system, state.Patience, TimeProvider.System);
        var digests = new StoredDigests(_system, state.Patience, TimeProvider.System);
        NodeRoles roles = _node.Member.Roles;
        var context = new NodeContext
        {
            Node = _id,
            Links = _links,
            Threads = _node.EffectiveThreads,
            Checkpoints = checkpoints,
            Models = files,
            Data = new DataSourceOpener(
                _node.Data.Directory,
                new FileCache(_node.Data.Cache, new HttpDownload(new HttpLimits()))),
            MemoryLimitBytes = SpecificationFile.MemoryLimitBytes,
            Copies = _node.Copies,
        };
        context.Hung += reason => End($"a computation hangs: {reason}", mayReturn: false);
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
                        _id, roles, LinkAddress, Version, context.Threads, Processor),
                    WantsAnswer: true),
                directory, reason => End(reason, mayReturn: false),
                members => _members?.Keep(members)),
            Membership.Name);
        _system.ActorOf(
            EndedProcesses.Props(
                membership, _node.Cluster.AcceptablePause, _node.Cluster.Coordinators),
            EndedProcesses.Name);
        _system.ActorOf(
            Stranding.Props(
                [.. _node.Cluster.Join.Select(_entry.AddressOf)], _node.Cluster.Coordinators,
                reason => End(reason, mayReturn: true)),
            Stranding.Name);
        ClusterEntry.Announce(_system, _id);
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
                    _coordinator, files.ReadAsync, checkpoints, digests, Unready),
                cancellation);
        }
    }

    private void End(string reason, bool mayReturn) =>
        _mustEnd.TrySetResult(new NodeEnding(reason, mayReturn));

    // Others are told the port at which they reach it.
    private LinkAddress Listen()
    {
        LinksConfiguration links = _node.Links;
        string host = _node.Member.BindHost.Length > 0 ? _node.Member.BindHost : _host;
        LinkAddress bound = _links.Listen(
            new LinkAddress(host, links.BindPort > 0 ? links.BindPort : links.Port));
        return new LinkAddress(_host, links.BindPort > 0 ? links.Port : bound.Port);
    }

    private string? Unready() => _cluster.SelfMember.Status == MemberStatus.Up
        ? null
        : $"this node is {_cluster.SelfMember.Status.ToString().ToLowerInvariant()}, not up";

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
