using Akka.Actor;
using Akka.Cluster;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>
/// Notices that this node is in a cluster of its own, without a coordinator, while there is one
/// elsewhere: the coordinator could not reach the others when it started again, and founded a new
/// cluster. Clusters do not merge, so whoever is stranded leaves its own and joins again. While no
/// coordinator is to be found, nothing is given up: steps go on under the lease.
/// </summary>
public sealed class Stranding : UntypedActor, IWithTimers
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "stranding";

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(2);

    // A coordinator that starts again joins the others if it reaches any.
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(15);

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly Address[] _join;
    private readonly int _coordinators;
    private readonly Action<string> _stranded;
    private long? _foundAt;
    private bool _isLooking;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public Stranding(Address[] join, int coordinators, Action<string> stranded)
    {
        _join = join;
        _coordinators = coordinators;
        _stranded = stranded;
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private bool HasCoordinator => _cluster.State.Members.Count(member =>
        member.HasRole(RoleNames.Of(NodeRoles.Coordinator))
        && Membership.IsIn(member)) > _coordinators / 2;

    /// <summary>One a node.</summary>
    /// <param name="join">Where coordinators are to be found.</param>
    /// <param name="coordinators">How many there are in all.</param>
    /// <param name="stranded">Told, on an actor's thread, what is found.</param>
    public static Props Props(Address[] join, int coordinators, Action<string> stranded) =>
        Akka.Actor.Props.Create(() => new Stranding(join, coordinators, stranded))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void PreStart() =>
        Timers.StartPeriodicTimer(nameof(LookNow), LookNow.Instance, s_look);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case LookNow when HasCoordinator:
                _foundAt = null;
                break;
            case LookNow when !_isLooking:
                Look();
                break;
            case ActorIdentity:
                _isLooking = false;
                Found();
                break;
            case Status.Failure:
                _isLooking = false;
                _foundAt = null;
                break;
        }
    }

    private void Look()
    {
        Address? elsewhere = _join.FirstOrDefault(address =>
            !_cluster.State.Members.Any(member => member.Address.Equals(address)));
        if (elsewhere is not null)
        {
            _isLooking = true;
            Context.ActorSelection(new RootActorPath(elsewhere) / "user" / CoordinatorSeat.Name)
                .ResolveOne(s_answer).PipeTo(
                    Self, success: found => new ActorIdentity(Name, found));
        }
    }

    private void Found()
    {
        if (HasCoordinator)
        {
            return;
        }

        _foundAt ??= TimeProvider.System.GetTimestamp();
        if (TimeProvider.System.GetElapsedTime(_foundAt.Value) >= s_grace)
        {
            _stranded("a coordinator is elsewhere, and this node's cluster has none");
        }
    }
}
