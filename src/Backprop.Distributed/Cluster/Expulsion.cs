using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>
/// Notices that the others have taken this node out while it was silent: they refuse every
/// connection of the process that they gave up. Akka leaves such a node to its own split-brain
/// resolver, for which it is the others who are silent, and which takes its time over that. One
/// node that refuses is the two nodes' own trouble, and not the cluster's word.
/// </summary>
public sealed class Expulsion : UntypedActor
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "expulsion";

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly HashSet<Address> _refusing = [];
    private readonly Action<string> _expelled;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public Expulsion(Action<string> expelled) => _expelled = expelled;

    /// <summary>One a node.</summary>
    /// <param name="expelled">Told, on an actor's thread, what is found.</param>
    public static Props Props(Action<string> expelled) =>
        Akka.Actor.Props.Create(() => new Expulsion(expelled))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void PreStart() =>
        Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        if (message is not ThisActorSystemQuarantinedEvent refused
            || !_refusing.Add(refused.RemoteAddress))
        {
            return;
        }

        Member[] others =
        [
            .. _cluster.State.Members.Where(member =>
                !member.UniqueAddress.Equals(_cluster.SelfUniqueAddress)
                && Membership.IsIn(member)),
        ];
        int refusing = others.Count(member => _refusing.Contains(member.Address));
        if (2 * refusing > others.Length)
        {
            _expelled(
                "the others have taken the node out of the cluster, since it was silent for too"
                + " long");
        }
    }
}
