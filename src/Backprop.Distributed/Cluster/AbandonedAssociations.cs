using System.Reflection;
using Akka.Actor;
using Akka.Event;
using Akka.Remote;
using Akka.Remote.Transport;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>
/// Closes connections that Akka.Remote 1.5 makes and forgets. Where a process is started again at
/// its address, the others may be dialling it while it dials them. Who is dialled drops its own
/// attempt, since it was for the process before, but the connection comes about nevertheless and
/// is handed to an actor that has stopped. Nobody closes it, heartbeats keep it open, and the
/// process that was started again takes it for the one that it is to listen to: it never hears
/// another word. Here such a connection is found among the dead letters and closed, and what
/// stands between the two is taken down as well, so that it is made anew.
/// </summary>
public sealed class AbandonedAssociations : UntypedActor
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "abandoned-associations";

    // It is internal; a version without it, which may not need this either, fails every test.
    private static readonly PropertyInfo s_handle = typeof(IRemoteActorRefProvider).Assembly
        .GetType("Akka.Remote.EndpointWriter+Handle", throwOnError: true)!
        .GetProperty("ProtocolHandle")
        ?? throw new MissingMemberException("Akka.Remote.EndpointWriter+Handle", "ProtocolHandle");

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly IRemoteActorRefProvider _provider =
        (IRemoteActorRefProvider)((ExtendedActorSystem)Context.System).Provider;

    /// <summary>One a node.</summary>
    public static Props Props() =>
        Akka.Actor.Props.Create(() => new AbandonedAssociations())
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void PreStart() =>
        Context.System.EventStream.Subscribe(Self, typeof(DeadLetter));

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        if (message is DeadLetter letter
            && s_handle.DeclaringType!.IsInstanceOfType(letter.Message))
        {
            var abandoned = (AssociationHandle)s_handle.GetValue(letter.Message)!;
            _log.Info("An association with {0} was abandoned: reset", abandoned.RemoteAddress);
            abandoned.Disassociate("it was abandoned", _log);

            // Without an identity: no process is refused, the connections to it are closed.
            _provider.Quarantine(abandoned.RemoteAddress, uid: null);
        }
    }
}
