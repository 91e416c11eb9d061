using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>What a coordinator decides. Whoever carries it out persists the events first, then
/// sends the directives.</summary>
/// <param name="Events">What has happened by it.</param>
/// <param name="ToServers">What to send parameter servers.</param>
/// <param name="ToWorkers">What to send workers.</param>
/// <param name="Reason">What the run is at and what it waits for, in words.</param>
/// <param name="Refusal">Why the input changed nothing, in words; null: it was taken.</param>
/// <param name="Next">What to decide on next.</param>
public sealed record Decision(
    ImmutableArray<RunEvent> Events, ImmutableArray<ServerOrder> ToServers,
    ImmutableArray<WorkerOrder> ToWorkers, string Reason, string? Refusal, RunCoordination Next);

/// <summary>
/// Decides for one run: what has happened by an input, and what every node is to hold by it. A
/// value: the same inputs at the same times lead to the same decisions, and what was persisted
/// leads to the same state again.
/// </summary>
/// <param name="Plan">The run.</param>
/// <param name="State">What is durably known of it.</param>
/// <param name="Observed">What is seen of the cluster.</param>
public sealed record RunCoordination(
    CoordinationPlan Plan, CoordinatorState State, Observations Observed)
{
    // One input leads to a few events: a generation, an assignment, a lease.
    private const int MaxEvents = 64;

    /// <summary>Takes a new run on.</summary>
    public static Decision Submit(CoordinationPlan plan, DateTimeOffset now)
    {
        var submitted = new RunSubmitted(now, plan.Run);
        var took = new CoordinatorTookOver(now, new Term(1));
        CoordinatorState state = CoordinatorState.Of(submitted).Apply(took);
        var next = new RunCoordination(plan, state, Observations.None);
        return new Decision([submitted, took], [], [], next.Reason(now), null, next);
    }

    /// <summary>Takes a run on again, from its events, in the next term. The nodes say the rest: a
    /// run whose servers still hold their slices goes on from where it is.</summary>
    /// <exception cref="ArgumentException">The events are not those of this run.</exception>
    public static Decision Recover(
        CoordinationPlan plan, IEnumerable<RunEvent> events, DateTimeOffset now) =>
        Recover(plan, CoordinatorState.Replay(events), now);

    /// <summary>Takes a run on again, from what its events have come to.</summary>
    /// <exception cref="ArgumentException">The state is not that of this run.</exception>
    public static Decision Recover(
        CoordinationPlan plan, CoordinatorState state, DateTimeOffset now)
    {
        if (state.Run != plan.Run)
        {
            throw new ArgumentException($"events of run {state.Run}, not {plan.Run}");
        }

        var took = new CoordinatorTookOver(now, state.Term.Next);
        var next = new RunCoordination(
            plan, state.Apply(took),
            Observations.None with { Excluded = VerificationRules.ExcludedBy(state) });
        return new Decision([took], [], [], next.Reason(now), null, next);
    }

    /// <summary>Decides on an input.</summary>
    /// <param name="input">What the coordinator is told.</param>
    /// <param name="now">The time.</param>
    public Decision Decide(CoordinatorInput input, DateTimeOffset now)
    {
        (Observations observed, string? refusal) = Observed.Take(
            Plan, State, input, now);
        (RunEvent? happened, refusal) = refusal is null
            ? Commands.EventOf(this, input, now)
            : (null, refusal);
        if (refusal is not null)
        {
            return new Decision([], [], [], Reason(now), refusal, this);
        }

        var events = ImmutableArray.CreateBuilder<RunEvent>();
        RunCoordination next = this with { Observed = observed };
        happened ??= next.NextEvent(now, out next);
        while (happened is not null)
        {
            if (events.Count == MaxEvents)
            {
                throw new InvalidOperationException(
                    $"run {Plan.Run} comes to no end, with {happened} in {next.State.Phase}");
            }

            events.Add(happened);
            CoordinatorState state = next.State.Apply(happened);
            next = next with
            {
                State = state,
                Observed = next.Observed.After(happened) with
                {
                    Excluded = VerificationRules.ExcludedBy(state),
                },
            };
            happened = next.NextEvent(now, out next);
        }

        (ImmutableArray<ServerOrder> toServers, ImmutableArray<WorkerOrder> toWorkers, observed) =
            DirectiveWriter.Write(Plan, next.State, next.Observed, now);
        next = next with { Observed = observed };
        return new Decision(
            events.ToImmutable(), toServers, toWorkers, next.Reason(now), null, next);
    }

    /// <summary>What the run is at and what it waits for, in words.</summary>
    public string Reason(DateTimeOffset now) => WaitingReason.Of(this, now);

    private RunEvent? NextEvent(DateTimeOffset now, out RunCoordination shared)
    {
        shared = this with { Observed = EvaluationRules.ShareOut(this) };
        return new PhaseRules(shared, now).NextEvent();
    }
}
