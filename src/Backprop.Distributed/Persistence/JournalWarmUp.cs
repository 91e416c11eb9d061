using Akka.Actor;
using Akka.Event;
using Akka.Persistence;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Persistence;

/// <summary>Replays a journal for nobody, and stops. The first replay of a process opens the
/// database and has some thousands of methods compiled, which takes a second where training keeps
/// the cores busy: a node that may become the coordinator does it while it joins, and not when it
/// is waited for.</summary>
public sealed class JournalWarmUp : UntypedPersistentActor
{
    // Enough that all code of a replay has run once; more events would run the same again.
    private const long MostEvents = 64;

    /// <summary>Made by <see cref="Props"/>.</summary>
    public JournalWarmUp(string persistenceId) => PersistenceId = persistenceId;

    /// <inheritdoc/>
    public override string PersistenceId { get; }

    /// <inheritdoc/>
    public override Recovery Recovery =>
        new(SnapshotSelectionCriteria.Latest, long.MaxValue, MostEvents);

    /// <summary>The warm-up of a journal.</summary>
    public static Props Props(string persistenceId) =>
        Akka.Actor.Props.Create(() => new JournalWarmUp(persistenceId))
            .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void OnRecover(object message)
    {
        if (message is RecoveryCompleted)
        {
            Context.Stop(Self);
        }
    }

    /// <inheritdoc/>
    protected override void OnCommand(object message) => Unhandled(message);

    /// <inheritdoc/>
    // The actor stops. Whoever needs the journal later says what is wrong with it.
    protected override void OnRecoveryFailure(Exception reason, object? message) =>
        Context.GetLogger().Debug("{0} was not read ahead: {1}", PersistenceId, reason.Message);
}
