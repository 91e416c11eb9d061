using Akka.Actor;
using Backprop.Data.Sources;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serving;
using Backprop.Distributed.Working;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A node with its actors, in an actor system that it shares with others.</summary>
internal sealed class TestNode
{
    private readonly ActorSystem _system;

    public TestNode(
        ActorSystem system, string name, NodeRoles roles,
        Func<LinkIdentity, ITensorTransport> links, CheckpointPieces checkpoints,
        IDataSourceOpener? data, long memoryLimitBytes, bool isMute,
        NodePatience? patience, CopyOptions? copies = null, LayerPlugins? plugins = null)
    {
        _system = system;
        Id = new NodeId(name);
        Roles = roles;
        Hub = new LinkHub(
            Id, links(new LinkIdentity("test", name, "1.0")), Directory, TimeProvider.System);
        Context = new NodeContext
        {
            Node = Id,
            Links = Hub,
            Threads = 1,
            Checkpoints = checkpoints,
            Models = new ModelsInMemory(),
            Data = data ?? new DataSourceOpener(),
            MemoryLimitBytes = memoryLimitBytes,
            LeastWorkAhead = 1,
            Copies = copies ?? new CopyOptions(),
            Plugins = plugins ?? LayerPlugins.None,
            Patience = patience ?? new NodePatience
            {
                Progress = TimeSpan.Zero,
                SlowReceiver = TimeSpan.FromSeconds(1),
            },
        };
        Description = new NodeDescription(
            Id, roles, Hub.Listen(new LinkAddress("127.0.0.1", 0)), "1.0", 1, "test");
        Server = IsServer
            ? system.ActorOf(ParameterServer.Props(Context), $"{name}-server")
            : ActorRefs.Nobody;
        Worker = IsWorker && !isMute
            ? system.ActorOf(Distributed.Working.Worker.Props(Context), $"{name}-worker")
            : ActorRefs.Nobody;
    }

    public NodeId Id { get; }

    public NodeRoles Roles { get; }

    public NodeDirectory Directory { get; } = new();

    public LinkHub Hub { get; }

    public NodeContext Context { get; }

    public NodeDescription Description { get; }

    public IActorRef Server { get; }

    public IActorRef Worker { get; }

    public bool IsServer => Roles.HasFlag(NodeRoles.ParameterServer);

    public bool IsWorker => Roles.HasFlag(NodeRoles.Worker);

    /// <summary>The node is gone, as if its process had died.</summary>
    public void Kill()
    {
        _system.Stop(Server);
        _system.Stop(Worker);
        Hub.Dispose();
    }
}
