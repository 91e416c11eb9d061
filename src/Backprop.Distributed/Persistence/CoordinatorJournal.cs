using Akka.Actor;
using Akka.Event;
using Akka.Pattern;
using Akka.Persistence;

namespace Backprop.Distributed.Persistence;

/// <summary>Told on the event stream when a journal can neither be read nor written: its actor
/// stops and is started again after a while.</summary>
/// <param name="PersistenceId">Whose journal.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record JournalUnavailable(string PersistenceId, string Reason)
    : INoSerializationVerificationNeeded;

/// <summary>
/// An actor whose state is what its events say: it decides, its decisions are persisted, and only
/// then are they applied and acted upon. Started again, it replays them.
/// </summary>
/// <typeparam name="TState">Immutable; a function of the events.</typeparam>
/// <typeparam name="TEvent">What was decided, in the past tense.</typeparam>
public abstract class CoordinatorJournal<TState, TEvent> : UntypedPersistentActor
    where TState : class
    where TEvent : class
{
    private readonly Func<TState, TEvent, TState> _apply;
    private long _replayed;

    /// <summary>Before anything is replayed.</summary>
    /// <param name="persistenceId">Names the journal, for ever.</param>
    /// <param name="initial">The state without any event.</param>
    /// <param name="apply">Pure: times and random numbers stand in the events.</param>
    protected CoordinatorJournal(
        string persistenceId, TState initial, Func<TState, TEvent, TState> apply)
    {
        PersistenceId = persistenceId;
        State = initial;
        _apply = apply;
    }

    /// <inheritdoc/>
    public override string PersistenceId { get; }

    /// <summary>What the events so far have come to.</summary>
    protected TState State { get; private set; }

    /// <summary>Persists decisions, all or none; applies them; and then acts. Messages that come
    /// meanwhile wait.</summary>
    /// <param name="decisions">In order; with none, the action follows at once.</param>
    /// <param name="act">Answers and tells, on the state after all of them. It does not run if the
    /// decisions cannot be persisted: the actor stops, and nothing was decided.</param>
    protected void Decide(IReadOnlyCollection<TEvent> decisions, Action act)
    {
        if (decisions.Count == 0)
        {
            act();
            return;
        }

        int left = decisions.Count;
        PersistAll(decisions, decision =>
        {
            State = _apply(State, decision);
            left--;
            if (left == 0)
            {
                act();
            }
        });
    }

    /// <summary>Called once when every event has been replayed, before the first message.
    /// </summary>
    protected abstract void Recovered();

    /// <inheritdoc/>
    protected sealed override void OnRecover(object message)
    {
        switch (message)
        {
            case TEvent decision:
                // Nothing is ever deleted of a journal, and what follows a gap would mean
                // something else.
                _replayed++;
                if (LastSequenceNr != _replayed)
                {
                    throw new InvalidOperationException(
                        $"event {_replayed} is missing: {LastSequenceNr} comes after"
                        + $" {_replayed - 1}");
                }

                State = _apply(State, decision);
                break;
            case RecoveryCompleted:
                Recovered();
                break;
            default:
                throw new InvalidOperationException(
                    $"the journal of {PersistenceId} holds a {message.GetType()}, which is no"
                    + $" {typeof(TEvent).Name}");
        }
    }

    /// <inheritdoc/>
    protected sealed override void OnRecoveryFailure(Exception reason, object? message) =>
        Publish($"its events could not be replayed: {reason.Message}", reason);

    /// <inheritdoc/>
    protected sealed override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
        => Publish($"event {sequenceNr} could not be written: {cause.Message}", cause);

    /// <inheritdoc/>
    protected sealed override void OnPersistRejected(
        Exception cause, object @event, long sequenceNr)
    {
        Publish($"event {sequenceNr} was refused: {cause.Message}", cause);
        // Akka goes on after a refusal, as if nothing had been decided; but the decider believes
        // that it was.
        Context.Stop(Self);
    }

    private void Publish(string reason, Exception cause)
    {
        Context.GetLogger().Error(cause, "The journal of {0}: {1}", PersistenceId, reason);
        Context.System.EventStream.Publish(new JournalUnavailable(PersistenceId, reason));
    }
}

/// <summary>Starts a journal's actor again after it has stopped, later each time.</summary>
public static class JournalSupervision
{
    private const double RandomFactor = 0.2;

    /// <summary>A supervisor of one journal's actor. What is told to it reaches the actor.
    /// </summary>
    /// <param name="journal">The actor's.</param>
    /// <param name="name">The actor's name below the supervisor.</param>
    /// <param name="firstDelay">Before the first new start.</param>
    /// <param name="longestDelay">After many.</param>
    public static Props Of(
        Props journal, string name, TimeSpan firstDelay, TimeSpan longestDelay) =>
        BackoffSupervisor.Props(
            Backoff.OnStop(journal, name, firstDelay, longestDelay, RandomFactor, -1)
                .WithAutoReset(longestDelay)
                // An exception of the actor means that a belief of it is wrong: it starts from its
                // journal as well, and not sooner.
                .WithSupervisorStrategy(new OneForOneStrategy(_ => Directive.Stop)));
}
