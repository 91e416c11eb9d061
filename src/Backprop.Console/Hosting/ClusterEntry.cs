using System.Collections.Immutable;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Console.Hosting;

/// <summary>How a node gets into its cluster, or founds it.</summary>
/// <param name="node">The node.</param>
/// <param name="system">Its actor system.</param>
/// <param name="known">Members that the cluster had, of a coordinator that may found it anew.
/// </param>
internal sealed class ClusterEntry(
    NodeConfiguration node, ActorSystem system, ImmutableArray<NodeId> known)
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_probe = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(5);

    // Who is not even welcomed for so long, by somebody that answers, starts over.
    private static readonly TimeSpan s_attempt = TimeSpan.FromSeconds(15);

    // Members that are silent may be beyond a network that is about to come back.
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(10);

    private readonly Cluster _cluster = Cluster.Get(system);

    private enum Answer
    {
        /// <summary>It is there, the same as before.</summary>
        There,

        /// <summary>Nobody is there any more, or somebody else.</summary>
        Gone,

        /// <summary>Nothing is heard of it.</summary>
        Silent,
    }

    /// <summary>Has other nodes find out that this one is there, and not another one at its
    /// address.</summary>
    public static void Announce(ActorSystem system, NodeId self) => system.ActorOf(
        Props.Create(() => new Presence()).WithDispatcher(NodeDispatchers.Nodes),
        PresenceName(IncarnationOf(self)));

    /// <summary>The address of another node's actor system.</summary>
    public static Address AddressOf(ActorSystem system, NodeAddress address)
    {
        Address self = Cluster.Get(system).SelfAddress;
        return new Address(self.Protocol, self.System, address.Host, address.Port);
    }

    /// <summary>Joins.</summary>
    /// <param name="deadline">Gives up after so long.</param>
    /// <param name="began">From when on that counts: a timestamp.</param>
    /// <param name="ending">Completes with a reason if the node cannot stay.</param>
    /// <param name="cancellation">Before the next look.</param>
    /// <returns>That another node had better try, since nothing comes over this one's connections,
    /// and another one gets others. Null: it is in.</returns>
    /// <exception cref="IOException">It could not.</exception>
    public async Task<NodeEnding?> JoinAsync(
        TimeSpan deadline, long began, Task<NodeEnding> ending, CancellationToken cancellation)
    {
        TimeSpan attempt = TimeProvider.System.GetElapsedTime(began) + s_attempt;
        bool wasLoneFounder = false;
        Address self = _cluster.SelfAddress;
        _cluster.JoinSeedNodes(node.Cluster.Join.IsEmpty
            ? [self, .. await OthersAsync(cancellation)]
            : node.Cluster.Join.Select(one => AddressOf(system, one)));
        while (_cluster.SelfMember.Status is not (MemberStatus.Up or MemberStatus.WeaklyUp))
        {
            if (ending.IsCompleted)
            {
                throw new IOException((await ending).Reason);
            }

            if (TimeProvider.System.GetElapsedTime(began) >= deadline)
            {
                throw new IOException(
                    $"could not join cluster {node.Cluster.Name} within"
                    + $" {deadline.TotalSeconds:0} s: {(await ProbeAsync()).WhyNot}");
            }

            if (TimeProvider.System.GetElapsedTime(began) >= attempt)
            {
                (HashSet<NodeAddress> answering, string whyNot) = await ProbeAsync();
                if (answering.Count > 0 && !IsWelcomed)
                {
                    return new NodeEnding(
                        whyNot, MayReturn: true, HadJoined: false,
                        Founds: IsCoordinator && Founding.IsUpTo(Self, node.Cluster, answering));
                }

                if (answering.Count > 0 && IsLoneFounder && wasLoneFounder)
                {
                    return new NodeEnding(
                        $"nobody has joined what this node has founded: {whyNot}",
                        MayReturn: true, HadJoined: false);
                }

                wasLoneFounder = IsLoneFounder;
                attempt += s_attempt;
            }

            await Task.Delay(s_look, cancellation);
        }

        return null;
    }

    private bool IsWelcomed => !_cluster.State.Members.IsEmpty;

    private bool IsCoordinator => node.Member.Roles.HasFlag(NodeRoles.Coordinator);

    // Others may have a cluster that this node did not hear of in time.
    private bool IsLoneFounder => IsWelcomed && node.Cluster.Coordinators > 1 && IsCoordinator
        && _cluster.State.Members.Count(
            one => one.HasRole(RoleNames.Of(NodeRoles.Coordinator))) == 1;

    private NodeAddress Self =>
        new(_cluster.SelfAddress.Host, _cluster.SelfAddress.Port!.Value);

    // Clusters do not merge: who founds one while others are in the old one has lost them.
    private async Task<Address[]> OthersAsync(CancellationToken cancellation)
    {
        (NodeId Node, Address Address)[] others =
        [
            .. known.Select(one => (Node: one, Address: AddressOf(system, ParseAddress(one))))
                .Where(one => !one.Address.Equals(_cluster.SelfAddress)),
        ];
        long began = TimeProvider.System.GetTimestamp();
        while (others.Length > 0)
        {
            Answer[] answers = await Task.WhenAll(
                others.Select(one => AskAsync(one.Node, one.Address)));
            if (answers.Contains(Answer.There))
            {
                return
                [
                    .. others.Where((_, i) => answers[i] == Answer.There)
                        .Select(one => one.Address),
                ];
            }

            if (!answers.Contains(Answer.Silent)
                || TimeProvider.System.GetElapsedTime(began) >= s_silence)
            {
                break;
            }

            await Task.Delay(s_look, cancellation);
        }

        return [];
    }

    private async Task<Answer> AskAsync(NodeId other, Address address)
    {
        using var limit = new CancellationTokenSource(s_probe);
        using var probe = new TcpClient();
        try
        {
            await probe.ConnectAsync(address.Host, address.Port!.Value, limit.Token);
            ActorIdentity found = await system
                .ActorSelection(new RootActorPath(address) / "user"
                    / PresenceName(IncarnationOf(other)))
                .Ask<ActorIdentity>(new Identify(other.Value), s_answer);
            return found.Subject is null ? Answer.Gone : Answer.There;
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode == SocketError.ConnectionRefused
                ? Answer.Gone
                : Answer.Silent;
        }
        catch (Exception silence)
            when (silence is OperationCanceledException or AskTimeoutException)
        {
            return Answer.Silent;
        }
    }

    // Which other nodes answer where this one is to join, and what each address says.
    private async Task<(HashSet<NodeAddress> Answering, string WhyNot)> ProbeAsync()
    {
        NodeAddress[] others = [.. node.Cluster.Join.Distinct().Where(one => one != Self)];
        if (others.Length == 0)
        {
            return ([], "no other node to join it at is configured");
        }

        string?[] failures = await Task.WhenAll(others.Select(FailureAsync));
        return (
            [.. others.Where((_, i) => failures[i] is null)],
            string.Join("; ", others.Select(
                (one, i) => failures[i] ?? $"{one} answers, but has not let this node in")));
    }

    // Why an address cannot be connected to; null: it can.
    private static async Task<string?> FailureAsync(NodeAddress address)
    {
        using var limit = new CancellationTokenSource(s_probe);
        using var probe = new TcpClient();
        try
        {
            await probe.ConnectAsync(address.Host, address.Port, limit.Token);
            return null;
        }
        catch (SocketException failure)
        {
            return $"{address}: {failure.Message}";
        }
        catch (OperationCanceledException)
        {
            return $"{address} does not answer";
        }
    }

    // A node's name is its address and its incarnation: host:port#number.
    private static NodeAddress ParseAddress(NodeId one)
    {
        string address = one.Value.Split('#')[0];
        int colon = address.LastIndexOf(':');
        return colon > 0 && int.TryParse(address.AsSpan(colon + 1), out int port)
            ? new NodeAddress(address[..colon], port)
            : throw new IOException($"a member of the cluster was called '{one}'");
    }

    private static string IncarnationOf(NodeId one) =>
        one.Value[(one.Value.LastIndexOf('#') + 1)..];

    private static string PresenceName(string incarnation) => $"node-{incarnation}";

    /// <summary>Is there: to be asked who it is is all that it is for.</summary>
    private sealed class Presence : UntypedActor
    {
        protected override void OnReceive(object message) => Unhandled(message);
    }
}
