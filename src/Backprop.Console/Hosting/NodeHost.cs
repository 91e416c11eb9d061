using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Backprop.Console.Api;
using Backprop.Console.Api.Access;
using Backprop.Data.Sources;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Security;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;

namespace Backprop.Console.Hosting;

/// <summary>A node of a cluster in this process: starts what its roles need, joins, and stays until
/// it is told to leave or has to.</summary>
internal sealed class NodeHost : IAsyncDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_coordinatorAnswer = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_coordinatorSilence = TimeSpan.FromSeconds(5);

    private readonly NodeConfiguration _node;
    private readonly IHost _host;
    private readonly NodeReports _reports;
    private readonly Cluster _cluster;
    private readonly NodeId _id;
    private readonly StateOwnership? _ownership;
    private readonly KnownMembers? _members;
    private readonly ClusterEntry _entry;
    private readonly ICoordinatorClient _coordinator;

    private readonly NodeHealth _health;

    private NodeLinks? _links;
    private ApiBackend? _backend;
    private MetricsListener? _metrics;
    private Uri? _api;

    private NodeHost(
        NodeConfiguration node, IHost host, StateOwnership? ownership,
        ImmutableArray<NodeId>? known)
    {
        var system = host.Services.GetRequiredService<ActorSystem>();
        _node = node;
        _host = host;
        _reports = host.Services.GetRequiredService<NodeReports>();
        _cluster = Cluster.Get(system);
        _id = Membership.NodeOf(_cluster.SelfUniqueAddress);
        _ownership = ownership;
        _members = known is null ? null : new KnownMembers(node.State.Options);
        _entry = new ClusterEntry(node, system, known ?? []);
        _coordinator = host.Services.GetRequiredService<ICoordinatorClient>();
        _health = NodeHealth.Of(_cluster, host.Services.GetRequiredService<StateWatch>());
        _reports.MembersChanged += members => _members?.Keep(members);
        _ = ownership?.Lost.ContinueWith(
            lost => _reports.End(lost.Result, mayReturn: false), TaskScheduler.Default);
        _ = system.WhenTerminated.ContinueWith(
            _ => _reports.End(
                "the node has been taken out of its cluster: it was unreachable for too long, or on"
                + " the smaller side of a split", mayReturn: true),
            TaskScheduler.Default);
    }

    /// <summary>Completes with the reason when the node cannot stay.</summary>
    public Task<NodeEnding> MustEnd => _reports.MustEnd;

    /// <summary>What it is, a line each.</summary>
    public IEnumerable<string> Description
    {
        get
        {
            Address self = _cluster.SelfAddress;
            var node = _host.Services.GetRequiredService<NodeDescription>();
            yield return $"node      {self.Host}:{self.Port} of cluster {_node.Cluster.Name}";
            string roles = string.Join(", ", RoleNames.OfEach(node.Roles));
            yield return $"roles     {roles}";
            yield return $"links     {node.Links}";
            yield return $"state     {Describe(_node.State.Options)}";
            yield return $"threads   {node.Threads}, {node.Processor}";
            yield return $"tls       {TlsDescription(self.Host)}";
            if (_api is not null)
            {
                yield return $"api       {_api}";
                yield return "access    "
                    + _host.Services.GetRequiredService<AccessPolicy>().Description;
            }

            if (_metrics is not null)
            {
                yield return $"metrics   {new Uri(_metrics.Address, MetricsListener.Path)}";
            }
        }
    }

    /// <summary>Starts a node; it has not joined yet.</summary>
    /// <param name="node">The node.</param>
    /// <param name="cancellation">Before it has started.</param>
    /// <param name="waits">Told what it waits for, if it has to.</param>
    /// <exception cref="IOException">A port is taken, or an address is not this machine's.
    /// </exception>
    /// <exception cref="StateDatabaseException">The database cannot be used.</exception>
    /// <exception cref="CertificateException">Its certificate cannot be used.</exception>
    /// <exception cref="MistakeException">It would found a cluster without a coordinator, or be
    /// reached without TLS and nobody has said that this is meant.</exception>
    public static async Task<NodeHost> StartAsync(
        NodeConfiguration node, CancellationToken cancellation, Action<string>? waits = null)
    {
        if (node.Cluster.Join.IsEmpty && !node.Member.Roles.HasFlag(NodeRoles.Coordinator))
        {
            throw new MistakeException(
                "a node that founds a cluster has the role coordinator: give --join HOST:PORT of a"
                + " node to join, or add the role");
        }

        string address = node.Member.ResolveHost();
        if (ExposedListeners.Refusal(node, address) is { } refusal)
        {
            throw new MistakeException(refusal);
        }

        NodeCertificates? certificates = node.Tls is { } tls
            ? NodeCertificates.Load(tls, node.Member.Roles, TimeProvider.System)
            : null;
        await StateDatabase.PrepareAsync(
            node.State.Options, node.State.OpeningPatience, cancellation, waits);
        // With several coordinators the cluster itself sees to it that one works at a time.
        StateOwnership? ownership =
            node.Member.Roles.HasFlag(NodeRoles.Coordinator) && node.Cluster.Coordinators == 1
                ? await StateOwnership.TakeAsync(
                    node.State.Options, node.Cluster.Name, node.State.OpeningPatience,
                    cancellation)
                : null;
        ImmutableArray<NodeId>? known = null;
        IHost host;
        try
        {
            // With several coordinators, a new one finds the others where it is told to join.
            known = ownership is not null && node.Cluster.Join.IsEmpty
                ? await KnownMembers.ReadAsync(node.State.Options, cancellation)
                : null;
            host = NodeServices.Open(node, address, certificates);
        }
        catch when (ownership is not null)
        {
            await ownership.DisposeAsync();
            throw;
        }

        var started = new NodeHost(node, host, ownership, known);
        try
        {
            await started.StartAsync(cancellation);
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
    /// <param name="began">From when on that counts: a timestamp.</param>
    /// <param name="cancellation">Before the next look.</param>
    /// <returns>That another node had better try; null: it is in.</returns>
    /// <exception cref="IOException">It could not.</exception>
    public Task<NodeEnding?> JoinAsync(
        TimeSpan deadline, long began, CancellationToken cancellation) =>
        _entry.JoinAsync(deadline, began, MustEnd, cancellation);

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
        // Whoever waits for an answer needs the actors.
        if (_backend is not null && _api is not null)
        {
            await ApiServer.StopServingAsync((WebApplication)_host, _backend);
        }

        if (_metrics is not null)
        {
            await _metrics.DisposeAsync();
        }

        // What has not stopped by then ends with the process. On a thread of its own: disposing a
        // host waits for its actor system as long as that takes.
        await Task.WhenAny(Task.Run(StopAsync), Task.Delay(_node.Member.ShutdownGrace));
        _links?.Hub.Dispose();
        if (_backend is not null)
        {
            await _backend.DisposeAsync();
        }

        if (_members is not null)
        {
            await _members.DisposeAsync();
        }

        if (_ownership is not null)
        {
            await _ownership.DisposeAsync();
        }
    }

    // What can fail comes before the host: of an actor that does not start, Akka.Hosting writes to
    // the console.
    private async Task StartAsync(CancellationToken cancellation)
    {
        _links = _host.Services.GetRequiredService<NodeLinks>();
        if (_node.Metrics.Enabled)
        {
            _metrics = await MetricsListener.StartAsync(
                _node.Metrics, _host.Services.GetRequiredService<MeterProvider>(), _health,
                _host.Services.GetService<NodeCertificates>(), cancellation);
        }

        if (_host is not WebApplication serving)
        {
            await _host.StartAsync(cancellation);
            return;
        }

        if (_node.Metrics.Enabled)
        {
            MetricsListener.MapMetrics(
                serving, serving.Services.GetRequiredService<MeterProvider>());
        }

        _backend = new ApiBackend(
            _coordinator, _host.Services.GetRequiredService<TimeProvider>(),
            _host.Services.GetRequiredService<LayerPlugins>())
        {
            ReadFile = _host.Services.GetRequiredService<StoredFiles>().ReadAsync,
            Checkpoints = _host.Services.GetRequiredService<CheckpointPieces>(),
            Digests = _host.Services.GetRequiredService<StoredDigests>(),
            FileRefusal = _host.Services.GetRequiredService<DataRoots>().RefusalOf,
            Health = _health,
        };
        _api = await ApiServer.StartAsync(
            serving, $"{_node.Api.Host}:{_node.Api.Port}", _backend, cancellation);
    }

    private string TlsDescription(string address)
    {
        if (_host.Services.GetService<NodeCertificates>() is { } certificates)
        {
            return certificates.Description;
        }

        return ExposedListeners.Find(_node, address) is { } exposed
            ? $"WARNING: none: other machines reach {exposed}"
            : ExposedListeners.None;
    }

    private async Task StopAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
    }

    private static string Describe(PersistenceOptions options) => options switch
    {
        PersistenceOptions.Sqlite sqlite => Path.GetFullPath(sqlite.Directory),
        PersistenceOptions.PostgreSql postgres => $"PostgreSQL, schema {postgres.Schema}",
        _ => throw new ArgumentException($"unknown options {options}"),
    };
}
