using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving;

/// <summary>A node's parameter server, at <c>/user/parameter-server</c>: has a child for each run
/// that it owns a slice of, and asks for what a run is when it is told of one that it does not
/// know.</summary>
public sealed class ParameterServer : UntypedActor
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "parameter-server";

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly RunParts _runs;

    /// <summary>Of a node; made by <see cref="Props"/>.</summary>
    public ParameterServer(NodeContext context) =>
        _runs = new RunParts(Context, context, run => SliceActor.Props(context, run));

    /// <summary>The parameter server of a node.</summary>
    public static Props Props(NodeContext context) =>
        Akka.Actor.Props.Create(() => new ParameterServer(context))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case ServerDirective directive when directive.Run.IsValid:
                _runs.Direct(directive.Run, directive);
                break;
            case RunSetup setup when setup.Run.IsValid:
                _runs.SetUp(setup);
                break;
            case TimelineRequest request when request.Run.IsValid:
                _runs.Tell(request);
                break;
            case ManifestAnswer answer when answer.Run.IsValid:
                _runs.Of(answer.Run).Forward(answer);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        // The next directive asks for the run's setup again, and begins anew.
        _log.Error(failure, "A run's part has stopped");
        return Directive.Stop;
    });
}
