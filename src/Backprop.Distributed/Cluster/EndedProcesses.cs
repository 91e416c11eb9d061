using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Cluster;

/// <summary>To the membership: the process of a node has ended.</summary>
/// <param name="Node">The node.</param>
public sealed record NodeEnded(NodeId Node) : INoSerializationVerificationNeeded;

/// <summary>
/// Finds nodes whose process has ended. Where a connection to a member breaks, its address is
/// dialled: a machine that refuses, again and again, has nobody there any more, which need not be
/// waited for as silence has to be. The membership hears of it at once. The cluster hears of it
/// when it has noticed the silence as well: a process that is started again at the same address
/// before takes the place of the one that ended by itself, and would otherwise have to wait until
/// then. Who does not answer at all is left to the split-brain resolver. A member that was taken
/// out by mistake comes back as a new node.
/// </summary>
public sealed class EndedProcesses : UntypedActor, IWithTimers
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "ended-processes";

    private const int Attempts = 6;
    private const int Refusals = 3;
    private static readonly TimeSpan s_between = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<UniqueAddress> _dialled = [];
    private readonly IActorRef _membership;
    private readonly TimeSpan _silence;
    private readonly bool _isOneOfMany;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public EndedProcesses(IActorRef membership, TimeSpan silence, int coordinators)
    {
        _membership = membership;
        _silence = silence;
        _isOneOfMany = coordinators > 1;
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>One a node.</summary>
    /// <param name="membership">Is told, by <see cref="NodeEnded"/>.</param>
    /// <param name="silence">After so long the cluster notices that a node is silent.</param>
    /// <param name="coordinators">How many the cluster has: where there are others, they need not
    /// wait for one that has ended.</param>
    public static Props Props(IActorRef membership, TimeSpan silence, int coordinators) =>
        Akka.Actor.Props.Create(() => new EndedProcesses(membership, silence, coordinators))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Context.System.EventStream.Subscribe(Self, typeof(DisassociatedEvent));
        Context.System.EventStream.Subscribe(Self, typeof(AssociationErrorEvent));
    }

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case AssociationEvent broken when broken.RemoteAddress is { } address:
                Dial(address);
                break;
            case Dialled dialled:
                End(dialled);
                break;
            case TakeOut gone when Find(gone.Node) is not null:
                _cluster.Down(gone.Node.Address);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Dial(Address address)
    {
        Member? member = _cluster.State.Members.FirstOrDefault(
            one => one.Address.Equals(address) && Membership.IsIn(one));
        // Connections go on failing once it is known to have ended: what was found is not to be
        // found again, or the cluster's hearing of it would be put off each time.
        if (member is null || member.UniqueAddress.Equals(_cluster.SelfUniqueAddress)
            || Timers.IsTimerActive(Membership.NodeOf(member.UniqueAddress))
            || !_dialled.Add(member.UniqueAddress))
        {
            return;
        }

        UniqueAddress node = member.UniqueAddress;
        IsRefusedAsync(address.Host, address.Port!.Value).PipeTo(
            Self, success: isRefused => new Dialled(node, isRefused));
    }

    private void End(Dialled dialled)
    {
        _dialled.Remove(dialled.Node);
        if (!dialled.IsRefused || Find(dialled.Node) is not { } member)
        {
            return;
        }

        NodeId node = Membership.NodeOf(dialled.Node);
        _log.Warning("The process of node {0} has ended", node);
        _membership.Tell(new NodeEnded(node));
        bool canBeReplaced = _isOneOfMany
            && member.HasRole(RoleNames.Of(NodeRoles.Coordinator));
        Timers.StartSingleTimer(
            node, new TakeOut(dialled.Node), canBeReplaced ? s_between : _silence);
    }

    private Member? Find(UniqueAddress node) => _cluster.State.Members.FirstOrDefault(
        one => one.UniqueAddress.Equals(node) && Membership.IsIn(one));

    // A process that ends closes its sockets one after the other, so the first attempt may find one
    // that still listens.
    private static async Task<bool> IsRefusedAsync(string host, int port)
    {
        int refusals = 0;
        for (int i = 0; i < Attempts && refusals < Refusals; i++)
        {
            using var limit = new CancellationTokenSource(s_patience);
            using var probe = new TcpClient();
            try
            {
                await probe.ConnectAsync(host, port, limit.Token).ConfigureAwait(false);
                refusals = 0;
            }
            catch (SocketException failure)
            {
                refusals = failure.SocketErrorCode == SocketError.ConnectionRefused
                    ? refusals + 1
                    : 0;
            }
            catch (OperationCanceledException)
            {
                return false; // Nobody refuses: it may be the network.
            }

            await Task.Delay(s_between).ConfigureAwait(false);
        }

        return refusals >= Refusals;
    }

    private sealed record TakeOut(UniqueAddress Node) : INoSerializationVerificationNeeded;

    private sealed record Dialled(UniqueAddress Node, bool IsRefused)
        : INoSerializationVerificationNeeded;
}
