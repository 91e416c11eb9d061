using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serving;
using Backprop.Distributed.Working;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Cluster;

/// <summary>
/// Follows the members of the cluster, at <c>/user/membership</c>: has nodes introduce themselves
/// to each other, fills the directory, and tells the coordinator who is there. The host of a node
/// is the membership's word, since nobody dials an address that a peer supplied.
/// </summary>
public sealed class Membership : UntypedActor, IWithTimers
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "membership";

    private const int MostWarnings = 20;
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    // A member has so long to say who it is.
    private static readonly TimeSpan s_introduction = TimeSpan.FromSeconds(5);

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Introduction _self;
    private readonly NodeDirectory _directory;
    private readonly Action<string> _refused;
    private readonly Action<ImmutableArray<NodeId>> _changed;
    private readonly Dictionary<NodeId, long> _seenAt = [];
    private readonly HashSet<NodeId> _strangers = [];
    private readonly HashSet<NodeId> _ended = [];
    private readonly List<string> _warnings = [];
    private IActorRef _coordinator = ActorRefs.Nobody;
    private ClusterEvent.CurrentClusterState _state = new();
    private bool _wasComplete;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public Membership(
        Introduction self, NodeDirectory directory, Action<string> refused,
        Action<ImmutableArray<NodeId>> changed)
    {
        _self = self with { WantsAnswer = false };
        _directory = directory;
        _refused = refused;
        _changed = changed;
        directory.Add(self.Node);
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The membership of a node.</summary>
    /// <param name="self">The node.</param>
    /// <param name="directory">Is filled.</param>
    /// <param name="refused">Told, on an actor's thread, why an older node will not have this one
    /// in its cluster: the process had better leave and end.</param>
    /// <param name="changed">Told, on an actor's thread, the members of now.</param>
    public static Props Props(
        Introduction self, NodeDirectory directory, Action<string> refused,
        Action<ImmutableArray<NodeId>> changed) =>
        Akka.Actor.Props.Create(() => new Membership(self, directory, refused, changed))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <summary>What a member is called.</summary>
    public static NodeId NodeOf(UniqueAddress member) =>
        new($"{member.Address.Host}:{member.Address.Port}#{(uint)member.Uid}");

    /// <summary>Whether a member has not been taken out.</summary>
    internal static bool IsIn(Member member) =>
        member.Status is not (MemberStatus.Down or MemberStatus.Removed);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents,
            typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Timers.StartPeriodicTimer(nameof(LookNow), LookNow.Instance, s_look);
    }

    /// <inheritdoc/>
    protected override void PostStop() => _cluster.Unsubscribe(Self);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ClusterEvent.IMemberEvent or ClusterEvent.IReachabilityEvent or LookNow:
                Look();
                break;
            case Introduction introduction:
                Meet(introduction);
                break;
            case NodeEnded ended:
                _ended.Add(ended.Node);
                Tell();
                break;
            case NodesRequest:
                _coordinator = Sender;
                Look();
                Tell();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // The cluster's own state is looked at, so that no order of events can mislead.
    private void Look()
    {
        ClusterEvent.CurrentClusterState now = _cluster.State;
        bool isChanged = !now.Members.SequenceEqual(_state.Members)
            || now.Members.Any(one => one.Status != StatusBefore(one))
            || !now.Unreachable.SetEquals(_state.Unreachable);
        _state = now;
        HashSet<NodeId> present = [.. now.Members.Select(one => NodeOf(one.UniqueAddress))];
        foreach (NodeDescription node in _directory.All)
        {
            if (!present.Contains(node.Node) && node.Node != _self.Node.Node)
            {
                _directory.Remove(node.Node);
                isChanged = true;
            }
        }

        _strangers.IntersectWith(present);
        _ended.IntersectWith(present);
        foreach (Member member in now.Members.Where(IsUnknown))
        {
            Context.ActorSelection(new RootActorPath(member.Address) / "user" / Name)
                .Tell(_self with { WantsAnswer = true });
        }

        NoteStrangers(now);
        if (isChanged)
        {
            _changed([.. now.Members.Select(one => NodeOf(one.UniqueAddress))]);
        }

        if (isChanged || (!_wasComplete && IsComplete))
        {
            Tell();
        }
    }

    private void NoteStrangers(ClusterEvent.CurrentClusterState now)
    {
        HashSet<NodeId> unknown =
            [.. now.Members.Where(IsUnknown).Select(one => NodeOf(one.UniqueAddress))];
        foreach (NodeId known in _seenAt.Keys.Except(unknown).ToArray())
        {
            _seenAt.Remove(known);
        }

        foreach (NodeId stranger in unknown)
        {
            _seenAt.TryAdd(stranger, TimeProvider.System.GetTimestamp());
        }
    }

    private bool IsComplete => _seenAt.Values.All(
        seen => TimeProvider.System.GetElapsedTime(seen) >= s_introduction);

    private MemberStatus? StatusBefore(Member member) =>
        _state.Members.FirstOrDefault(one => one.Equals(member))?.Status;

    private bool IsUnknown(Member member)
    {
        NodeId node = NodeOf(member.UniqueAddress);
        return member.Status is MemberStatus.Up or MemberStatus.WeaklyUp
            && _directory.Find(node) is null && !_strangers.Contains(node);
    }

    private void Meet(Introduction peer)
    {
        Member? member = _cluster.State.Members.FirstOrDefault(one =>
            one.Address.Equals(Sender.Path.Address)
            && NodeOf(one.UniqueAddress) == peer.Node.Node);
        if (member is null)
        {
            return; // It is asked again once it is a member here.
        }

        if (peer.WantsAnswer)
        {
            Sender.Tell(_self);
        }

        bool isOlder = member.IsOlderThan(_cluster.SelfMember);
        string? refusal = isOlder ? peer.Refusal(_self) : _self.Refusal(peer);
        if (refusal is null)
        {
            _directory.Add(peer.Node with
            {
                Links = peer.Node.Links with { Host = member.Address.Host },
            });
            _seenAt.Remove(peer.Node.Node);
            Tell();
        }
        else if (isOlder)
        {
            _refused(refusal);
        }
        else if (_strangers.Add(peer.Node.Node))
        {
            Warn(refusal);
        }
    }

    private void Warn(string refusal)
    {
        _log.Warning("Refused: {0}", refusal);
        if (_warnings.Count == MostWarnings)
        {
            _warnings.RemoveAt(0);
        }

        _warnings.Add(refusal);
        Tell();
    }

    private void Tell()
    {
        _wasComplete = IsComplete;
        _coordinator.Tell(new NodesAvailable(
            _self.Cluster, _self.Node.Node,
            [.. _state.Members.SelectMany(Available)], [.. _warnings])
        {
            IsComplete = _wasComplete,
        });
    }

    private IEnumerable<AvailableNode> Available(Member member)
    {
        if (_directory.Find(NodeOf(member.UniqueAddress)) is not { } node)
        {
            yield break;
        }

        bool hasEnded = _ended.Contains(node.Node);
        bool isUnreachable = _state.Unreachable.Contains(member);
        yield return new AvailableNode(
            node, $"{member.Address.Host}:{member.Address.Port}",
            hasEnded ? "ended"
                : isUnreachable ? "unreachable"
                : $"{member.Status}".ToLowerInvariant(),
            !hasEnded && member.Status is (MemberStatus.Up or MemberStatus.WeaklyUp),
            Reach(member, node, NodeRoles.ParameterServer, ParameterServer.Name),
            Reach(member, node, NodeRoles.Worker, Worker.Name));
    }

    private static ICanTell? Reach(
        Member member, NodeDescription node, NodeRoles role, string name) =>
        node.Roles.HasFlag(role)
            ? Context.ActorSelection(new RootActorPath(member.Address) / "user" / name)
            : null;
}
