using System.Net.Sockets;
using System.Runtime.InteropServices;
using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Akka.Event;
using Akka.Hosting;
using Backprop.Console.Api;
using Backprop.Console.Api.Access;
using Backprop.Console.Storage;
using Backprop.Data.Sources;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Security;
using Backprop.Distributed.Serving;
using Backprop.Distributed.Working;
using Backprop.Engine.Simd;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Backprop.Console.Hosting;

/// <summary>A node's links, open. They are not the host's to close, since it may wait for its
/// actors for longer than the node does.</summary>
/// <param name="Hub">Whoever has this closes them.</param>
/// <param name="Address">Where other nodes reach them.</param>
internal sealed record NodeLinks(LinkHub Hub, LinkAddress Address);

/// <summary>What a node's stay in its cluster is made of: a host, the services in it, and the
/// actors that start with it.</summary>
internal static class NodeServices
{
    private static readonly SoftwareVersion s_own = new(
        typeof(NodeServices).Assembly.GetName().Version!.ToString(), ProtocolSupport.Current);

    private static string Processor =>
        $"{RuntimeInformation.ProcessArchitecture} with {(int)SimdWidths.Best * 32}-bit vectors";

    /// <summary>The host of one stay. Its actor system runs when this returns; its actors start
    /// with the host, and the API after them.</summary>
    /// <param name="node">The node.</param>
    /// <param name="address">Where others reach it.</param>
    /// <param name="certificates">What it shows others; null: it speaks without TLS.</param>
    /// <exception cref="IOException">The port is taken, or the address is not this machine's.
    /// </exception>
    public static IHost Open(
        NodeConfiguration node, string address, NodeCertificates? certificates)
    {
        IHost host = Build(node, address, certificates);
        try
        {
            OpenSystem(host.Services, node, address);
            return host;
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    // The web application that serves the API is a host as good as any.
    private static IHost Build(
        NodeConfiguration node, string address, NodeCertificates? certificates)
    {
        if (!node.Member.ServesApi)
        {
            HostApplicationBuilder plain = Host.CreateEmptyApplicationBuilder(settings: null);
            Add(plain.Services, node, address, certificates);
            NodeTelemetry.Add(plain, node, address, VersionOf(node).Release);
            return plain.Build();
        }

        var shown = ServerCertificate.Of(node.Api.Certificate, certificates);
        WebApplicationBuilder serving = ApiServer.CreateBuilder(
            node.Api.Host, node.Api.Port, AccessOptions.Of(node), shown);
        if (shown is not null)
        {
            serving.Services.AddSingleton(shown);
        }

        Add(serving.Services, node, address, certificates);
        NodeTelemetry.Add(serving, node, address, VersionOf(node).Release);
        return serving.Build();
    }

    private static void Add(
        IServiceCollection services, NodeConfiguration node, string address,
        NodeCertificates? certificates)
    {
        if (certificates is not null)
        {
            services.AddSingleton(certificates);
            services.AddSingleton<CertificateMeter>();
        }

        services.AddSingleton<IHostLifetime, NoSignals>();
        services.AddSingleton(node);
        services.AddSingleton(node.State.Patience);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(node.Plugins.Load());
        services.AddSingleton(new DataRoots(node.Data.Directory, node.Data.Roots));
        services.AddSingleton<NodeReports>();
        services.AddSingleton<NodeDirectory>();
        services.AddSingleton<CheckpointPieces>();
        services.AddSingleton<StoredFiles>();
        services.AddSingleton<StoredDigests>();
        services.AddSingleton<StoredCurves>();
        services.AddSingleton(_ => new StateWatch(node.State.Options, TimeProvider.System));
        services.AddSingleton(Listen(address));
        services.AddSingleton(Describe);
        services.AddSingleton(Share);
        services.AddSingleton(provider =>
            CoordinatorSeat.Reach(provider.GetRequiredService<ActorSystem>()));
        services.AddAkka(ClusterActorConfiguration.SystemName, (akka, provider) =>
            Secure(akka, provider)
                .AddHocon(ConfigurationOf(node, address), HoconAddMode.Prepend)
                .WithActors((system, _) => ReportCertificates(system, provider))
                .WithActors((system, _) => StartRoles(system, provider))
                .WithActors((system, registry) => StartMembership(system, registry, provider))
                .WithActors((system, registry) => OfferSeat(system, registry, provider)));
    }

    // The certificates outlive no stay, since each stay reads them; the host ends their meter.
    private static void ReportCertificates(ActorSystem system, IServiceProvider provider)
    {
        if (provider.GetService<NodeCertificates>() is { } node)
        {
            node.Reread += line => system.Log.Info("{0}", line);
            node.RereadFailed += line => system.Log.Error("{0}", line);
            provider.GetRequiredService<CertificateMeter>();
        }

        if (provider.GetService<ServerCertificate>() is { } server)
        {
            server.RereadFailed += line => system.Log.Error("{0}", line);
        }
    }

    private static AkkaConfigurationBuilder Secure(
        AkkaConfigurationBuilder akka, IServiceProvider provider)
    {
        if (provider.GetService<NodeCertificates>() is { } certificates)
        {
            akka.AddSetup(AkkaTls.Setup(certificates));
        }

        return akka;
    }

    /// <summary>Akka's configuration of a node: Akka.Hosting may add to it, but changes nothing.
    /// </summary>
    public static Config ConfigurationOf(NodeConfiguration node, string address) =>
        NodeLog.ConfigOf(node.Log.Format ?? LogFormat.Text, node.Log.Level)
            .WithFallback(node.Tls is null ? Config.Empty : AkkaTls.Config)
            .WithFallback(ClusterActorConfiguration.Of(new ClusterOptions
            {
                Host = address,
                Port = node.Member.Port,
                BindHost = node.Member.BindHost.Length > 0 ? node.Member.BindHost : null,
                BindPort = node.Member.BindPort,
                Roles = node.Member.Roles,
                Coordinators = node.Cluster.Coordinators,
                MayFound = Founding.IsBy(
                    new NodeAddress(address, node.Member.Port), node.Cluster.Join),
                AcceptablePause = node.Cluster.AcceptablePause,
                StableAfter = node.Cluster.StableAfter,
                LeavingDeadline = node.Member.ShutdownGrace,
            }))
            .WithFallback(PersistenceConfiguration.ToAkka(node.State.Options));

    private static void OpenSystem(
        IServiceProvider services, NodeConfiguration node, string address)
    {
        try
        {
            services.GetRequiredService<ActorSystem>();
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
                $"control messages cannot be taken at {address}:{node.Member.Port}:"
                + $" {refused.Message}; another port is set by --port or backprop.node.port",
                failure);
        }
    }

    // Others are told the port at which they reach it.
    private static Func<IServiceProvider, NodeLinks> Listen(string address) => provider =>
    {
        var node = provider.GetRequiredService<NodeConfiguration>();
        LinksConfiguration links = node.Links;
        string host = node.Member.BindHost.Length > 0 ? node.Member.BindHost : address;
        NodeId id = IdOf(provider.GetRequiredService<ActorSystem>());
        string? unused = null;
        LocalSockets? local = links.AreLocal
            ? LocalSockets.Open(links.LocalDirectory, out unused)
            : null;
        var transport = new TcpTransport(
            new LinkIdentity(node.Cluster.Name, id.Value, VersionOf(node).Release),
            links.Options, provider.GetService<NodeCertificates>(), local);
        var hub = new LinkHub(
            id, transport, provider.GetRequiredService<NodeDirectory>(), TimeProvider.System);
        ILoggingAdapter log = provider.GetRequiredService<ActorSystem>().Log;
        hub.Refused += (remote, reason) =>
            log.Warning("{0}", new Refusal("tensor link", remote, reason));
        try
        {
            LinkAddress bound = hub.Listen(
                new LinkAddress(host, links.BindPort > 0 ? links.BindPort : links.Port));
            unused = transport.LocalRefusal ?? unused;
            if (!string.IsNullOrEmpty(unused))
            {
                log.Info("Nodes of this machine are linked over TCP: {0}", unused);
            }

            return new NodeLinks(
                hub, new LinkAddress(address, links.BindPort > 0 ? links.Port : bound.Port));
        }
        catch
        {
            hub.Dispose();
            throw;
        }
    };

    private static NodeDescription Describe(IServiceProvider provider)
    {
        var node = provider.GetRequiredService<NodeConfiguration>();
        return new NodeDescription(
            IdOf(provider.GetRequiredService<ActorSystem>()), node.Member.Roles,
            provider.GetRequiredService<NodeLinks>().Address, VersionOf(node).Release,
            node.EffectiveThreads, Processor)
        {
            Protocol = VersionOf(node).Protocol,
        };
    }

    private static SoftwareVersion VersionOf(NodeConfiguration node) =>
        node.Member.AnnouncedVersion ?? s_own;

    private static NodeContext Share(IServiceProvider provider)
    {
        var node = provider.GetRequiredService<NodeConfiguration>();
        var self = provider.GetRequiredService<NodeDescription>();
        var reports = provider.GetRequiredService<NodeReports>();
        var roots = provider.GetRequiredService<DataRoots>();
        var context = new NodeContext
        {
            Node = self.Node,
            Links = provider.GetRequiredService<NodeLinks>().Hub,
            Threads = self.Threads,
            Checkpoints = provider.GetRequiredService<CheckpointPieces>(),
            Models = provider.GetRequiredService<StoredFiles>(),
            Data = new DataSourceOpener(
                node.Data.Directory,
                new FileCache(node.Data.Cache, new HttpDownload(new HttpLimits())), roots),
            FileRefusal = roots.RefusalOf,
            Plugins = provider.GetRequiredService<LayerPlugins>(),
            MemoryLimitBytes = SpecificationFile.MemoryLimitBytes,
            Copies = node.Copies,
            TraceEvery = node.Otlp.TraceEvery,
        };
        context.Hung += reason => reports.End($"a computation hangs: {reason}", mayReturn: false);
        return context;
    }

    private static NodeId IdOf(ActorSystem system) =>
        Membership.NodeOf(Cluster.Get(system).SelfUniqueAddress);

    private static void StartRoles(ActorSystem system, IServiceProvider provider)
    {
        NodeRoles roles = provider.GetRequiredService<NodeConfiguration>().Member.Roles;
        var context = provider.GetRequiredService<NodeContext>();
        if (roles.HasFlag(NodeRoles.ParameterServer))
        {
            system.ActorOf(ParameterServer.Props(context), ParameterServer.Name);
        }

        if (roles.HasFlag(NodeRoles.Worker))
        {
            system.ActorOf(Worker.Props(context), Worker.Name);
        }
    }

    private static void StartMembership(
        ActorSystem system, IActorRegistry registry, IServiceProvider provider)
    {
        ClusterConfiguration cluster = provider.GetRequiredService<NodeConfiguration>().Cluster;
        var self = provider.GetRequiredService<NodeDescription>();
        var reports = provider.GetRequiredService<NodeReports>();
        IActorRef membership = system.ActorOf(
            Membership.Props(
                new Introduction(cluster.Name, self, WantsAnswer: true),
                provider.GetRequiredService<NodeDirectory>(),
                reason => reports.End(reason, mayReturn: false), reports.ChangeMembers),
            Membership.Name);
        registry.Register<Membership>(membership);
        system.ActorOf(AbandonedAssociations.Props(), AbandonedAssociations.Name);
        system.ActorOf(
            EndedProcesses.Props(membership, cluster.AcceptablePause, cluster.Coordinators),
            EndedProcesses.Name);
        system.ActorOf(
            Stranding.Props(
                [.. cluster.Join.Select(node => ClusterEntry.AddressOf(system, node))],
                cluster.Coordinators, reason => reports.End(reason, mayReturn: true)),
            Stranding.Name);
        system.ActorOf(
            Expulsion.Props(reason => reports.End(reason, mayReturn: true)), Expulsion.Name);
        ClusterEntry.Announce(system, self.Node);
    }

    private static void OfferSeat(
        ActorSystem system, IActorRegistry registry, IServiceProvider provider)
    {
        if (provider.GetRequiredService<NodeDescription>().Roles.HasFlag(NodeRoles.Coordinator))
        {
            system.ActorOf(JournalWarmUp.Props(Coordinator.JournalName));
            CoordinatorSeat.Offer(system, Coordinator.Props(new CoordinatorContext
            {
                Membership = registry.Get<Membership>(),
                Checkpoints = provider.GetRequiredService<CheckpointPieces>(),
                Digests = provider.GetRequiredService<StoredDigests>(),
                Curves = provider.GetRequiredService<StoredCurves>(),
                FileRefusal = provider.GetRequiredService<DataRoots>().RefusalOf,
                Plugins = provider.GetRequiredService<LayerPlugins>(),
            }));
        }
    }
}
