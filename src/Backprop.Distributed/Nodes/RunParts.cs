using Akka.Actor;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Nodes;

/// <summary>The parts that a node's worker or parameter server has in runs: a child for each. Of a
/// run that is not known here it asks for the setup, and keeps the directive until that comes:
/// waiting until the directive is sent again would be most of what joining a run takes.</summary>
/// <param name="actor">The worker or parameter server.</param>
/// <param name="node">Its node.</param>
/// <param name="propsOf">What a child is made of.</param>
internal sealed class RunParts(IActorContext actor, NodeContext node, Func<RunId, Props> propsOf)
{
    // Who sends more of them has them sent again.
    private const int MostKept = 64;

    private readonly Dictionary<RunId, (object Directive, IActorRef Sender)> _kept = [];

    /// <summary>The part in a run; nobody: there is none.</summary>
    public IActorRef Of(RunId run) => actor.Child(run.Value);

    /// <summary>Passes a directive on to a run's part, or asks what the run is.</summary>
    public void Direct(RunId run, object directive)
    {
        IActorRef part = Of(run);
        if (!part.IsNobody())
        {
            part.Forward(directive);
            return;
        }

        if (_kept.Count < MostKept || _kept.ContainsKey(run))
        {
            _kept[run] = (directive, actor.Sender);
        }

        actor.Sender.Tell(new SetupRequest(run, node.Node));
    }

    /// <summary>Makes a run's part, if there is none yet, and tells it what the run is and what is
    /// wanted of it.</summary>
    public void SetUp(RunSetup setup)
    {
        IActorRef part = Of(setup.Run);
        if (part.IsNobody())
        {
            part = actor.ActorOf(propsOf(setup.Run), setup.Run.Value);
        }

        part.Forward(setup);
        if (_kept.Remove(setup.Run, out (object Directive, IActorRef Sender) kept))
        {
            part.Tell(kept.Directive, kept.Sender);
        }
    }

    /// <summary>Has a run's part tell its last steps.</summary>
    public void Tell(TimelineRequest request)
    {
        IActorRef part = Of(request.Run);
        if (part.IsNobody())
        {
            actor.Sender.Tell(TimelineAnswer.Nothing(request, node.Node, node.Time));
        }
        else
        {
            part.Forward(request);
        }
    }
}
