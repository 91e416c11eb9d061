using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Working;

/// <summary>A node's worker, at <c>/user/worker</c>: has a child for each run that it computes for,
/// asks for what a run is when it is told of one that it does not know, and looks at data and
/// checkpoints for the coordinator.</summary>
public sealed class Worker : UntypedActor
{
    /// <summary>The name of the actor.</summary>
    public const string Name = "worker";

    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly RunParts _runs;
    private readonly Inquiries _inquiries;
    private readonly OwnedThread _thread;

    // Who asks what; a question that is asked again while it waits is answered once.
    private readonly Dictionary<(Type Question, RunId Run), IActorRef> _askers = [];

    /// <summary>Of a node; made by <see cref="Props"/>.</summary>
    public Worker(NodeContext context)
    {
        _runs = new RunParts(Context, context, run => ReplicaActor.Props(context, run));
        _inquiries = new Inquiries(context);
        _thread = new OwnedThread($"inquiries of {context.Node}", () => { });
    }

    /// <summary>The worker of a node.</summary>
    public static Props Props(NodeContext context) =>
        Akka.Actor.Props.Create(() => new Worker(context))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case WorkerDirective directive when directive.Run.IsValid:
                _runs.Direct(directive.Run, directive);
                break;
            case RunSetup setup when setup.Run.IsValid:
                _runs.SetUp(setup);
                break;
            case TimelineRequest request when request.Run.IsValid:
                _runs.Tell(request);
                break;
            case OutlineRequest request when request.Run.IsValid:
                Inquire(request, request.Run, () => _inquiries.Answer(request));
                break;
            case ExaminationRequest request when request.Setup.Run.IsValid:
                Inquire(request, request.Setup.Run, () => _inquiries.Answer(request));
                break;
            case Answered answered when _askers.Remove(answered.Key, out IActorRef? asker):
                asker.Tell(answered.Answer);
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <inheritdoc/>
    protected override void PostStop() => _thread.Dispose();

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        // The next directive asks for the run's setup again, and begins anew.
        _log.Error(failure, "A run's part has stopped");
        return Directive.Stop;
    });

    // A question that there is no room for is asked again.
    private void Inquire(object question, RunId run, Func<object> answer)
    {
        var key = (question.GetType(), run);
        IActorRef self = Self;
        if (_askers.ContainsKey(key)
            || _thread.TryPost(() => self.Tell(new Answered(key, answer()))))
        {
            _askers[key] = Sender;
        }
    }

    private sealed record Answered((Type Question, RunId Run) Key, object Answer)
        : INoSerializationVerificationNeeded;
}
