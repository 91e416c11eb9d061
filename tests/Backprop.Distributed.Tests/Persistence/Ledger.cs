using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A journal whose state is the list of what was recorded. Its events are statuses, since
/// those can be stored; what they mean does not matter here.</summary>
internal sealed class Ledger : CoordinatorJournal<ImmutableList<string>, WorkerStatus>
{
    public Ledger(string persistenceId)
        : base(persistenceId, [], (lines, line) => lines.Add(line.Worker.Value))
    {
    }

    /// <summary>Answered with the number of lines, once they are durable.</summary>
    public sealed record Record(params string[] Lines);

    /// <summary>Answered with the lines.</summary>
    public sealed record Read;

    /// <summary>Lets the actor fail as a wrong belief would.</summary>
    public sealed record Fail;

    public static Props Props(string persistenceId) =>
        Akka.Actor.Props.Create(() => new Ledger(persistenceId));

    protected override void Recovered()
    {
    }

    protected override void OnCommand(object message)
    {
        IActorRef asker = Sender;
        switch (message)
        {
            case Record record:
                Decide([.. record.Lines.Select(Line)], () => asker.Tell(State.Count));
                break;
            case Read:
                asker.Tell(State);
                break;
            case Fail:
                throw new InvalidOperationException("a wrong belief");
        }
    }

    private static WorkerStatus Line(string text) => new()
    {
        Run = new RunId("r"),
        Worker = new NodeId(text),
        Generation = new Generation(1),
        Seen = DirectiveStamp.None,
        Number = 1,
        Phase = new WorkerPhase.Whole(),
        Version = 0,
    };
}
