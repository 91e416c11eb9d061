using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Distributed.Coordination;

/// <summary>
/// What is to happen to a cluster's sweeps: a function of the registry, so that any coordinator
/// goes on with a sweep from the registry's journal alone. Which trials a round has, who goes on
/// and who is the best follows from the sweep's text and its runs' outcomes, and is not stored.
/// </summary>
public static class SweepCourse
{
    /// <summary>Runs of a sweep that are in the queue at once: each has an actor, and a worker has
    /// to look at its data.</summary>
    public const int MaxOpen = 128;

    /// <summary>Decides on a submission.</summary>
    /// <param name="state">All runs and sweeps.</param>
    /// <param name="request">What is handed in.</param>
    /// <param name="now">The time.</param>
    /// <param name="fileRefusal">Why a trial may not name a file of data; null: it may name any.
    /// </param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    public static RegistryDecision Submit(
        RegistryState state, CoordinatorRequest.SubmitSweep request, DateTimeOffset now,
        Func<string, string?>? fileRefusal = null, LayerPlugins? plugins = null)
    {
        RegisteredSweep? known = state.Sweeps.Values.FirstOrDefault(
            sweep => sweep.Registered.Submission == request.Submission);
        if (known is not null)
        {
            return known.Registered.Specification == request.Specification
                && known.Registered.Run == request.Run
                ? new RegistryDecision([], new CoordinatorAnswer.SubmittedSweep(known.Id))
                : RegistryState.Refuse(
                    RefusalKind.Conflict,
                    $"the same key was used for sweep {known.Id}, which has another specification"
                    + " or another run");
        }

        string? refusal = RegistryState.LengthRefusal(request.Specification, request.Source)
            ?? RegistryState.LengthRefusal(request.Run, $"the run of {request.Source}")
            ?? (state.Sweeps.Count >= RegistryState.MaxSweeps
                ? $"the cluster keeps {RegistryState.MaxSweeps:N0} sweeps at most"
                : null);
        if (refusal is not null)
        {
            return RegistryState.Refuse(RefusalKind.Invalid, refusal);
        }

        try
        {
            SweepPlan plan = ClusterRules.ReadSweep(
                request.Specification, request.Source, request.Run,
                RegistryState.MaxSpecificationLength, fileRefusal, plugins);
            return Register(state, request, plan, now);
        }
        catch (SpecificationException mistakes)
        {
            return RegistryState.Refuse(RefusalKind.Invalid, mistakes.Message);
        }
    }

    /// <summary>Decides on the wish to end a sweep.</summary>
    /// <param name="state">All runs and sweeps.</param>
    /// <param name="id">The sweep.</param>
    /// <param name="now">The time.</param>
    public static RegistryDecision Stop(RegistryState state, SweepId id, DateTimeOffset now) =>
        state.Find(id) switch
        {
            null => NoSuchSweep(id),
            { Ended: { } summary } => RegistryState.Refuse(
                RefusalKind.Conflict, $"sweep {id} is over: {summary.Reason}"),
            { IsStopped: true } => new RegistryDecision([], new CoordinatorAnswer.Done()),
            _ => new RegistryDecision([new SweepStopped(now, id)], new CoordinatorAnswer.Done()),
        };

    /// <summary>That there is no such sweep.</summary>
    public static RegistryDecision NoSuchSweep(SweepId id) =>
        RegistryState.Refuse(RefusalKind.NotFound, $"there is no sweep '{id}'");

    /// <summary>What a sweep does that was taken on.</summary>
    /// <param name="specification">Its text.</param>
    /// <param name="source">Its file, for messages.</param>
    /// <param name="run">The text of the run that is swept.</param>
    /// <param name="plugins">The plug-ins that the run may have layers of.</param>
    /// <param name="fileRefusal">Why a trial may not name a file of data; null: it may name any.
    /// </param>
    /// <exception cref="SpecificationException">It cannot be read any more.</exception>
    public static SweepPlan PlanOf(
        string specification, string source, string run, LayerPlugins plugins,
        Func<string, string?>? fileRefusal = null)
    {
        SweepSpecification sweep = SweepSpecificationReader.Read(specification, source);
        return SweepPlan.Of(
            sweep, run, sweep.Run.Value, plugins: plugins, fileRefusal: fileRefusal);
    }

    /// <summary>What is to happen to the sweeps that are not over: runs are submitted, and sweeps
    /// end. Without events, each waits for runs.</summary>
    /// <param name="state">All runs and sweeps.</param>
    /// <param name="planOf">What a sweep does.</param>
    /// <param name="now">The time.</param>
    public static ImmutableArray<RegistryEvent> Next(
        RegistryState state, Func<RegisteredSweep, SweepPlan> planOf, DateTimeOffset now)
    {
        var events = ImmutableArray.CreateBuilder<RegistryEvent>();
        foreach (SweepId id in state.Sweeps.Values
            .Where(sweep => sweep.Ended is null).Select(sweep => sweep.Id))
        {
            // A run's name counts those before it.
            foreach (RegistryEvent happened in NextOf(state, state.Find(id)!, planOf, now))
            {
                events.Add(happened);
                state = state.Apply(happened);
            }
        }

        return events.ToImmutable();
    }

    /// <summary>Runs that have begun and are not over, though their sweep was ended or could not go
    /// on.</summary>
    public static IEnumerable<RegisteredRun> ToStop(RegistryState state) =>
        state.Sweeps.Values.Where(sweep => sweep is
                { IsStopped: true, Ended: null } or { Ended.Standing: SweepStanding.Failed })
            .SelectMany(sweep => sweep.Runs.Values).Select(run => state.Find(run)!)
            .Where(run => run is { Ended: null, Outline: not null });

    /// <summary>How far a sweep is.</summary>
    /// <param name="state">All runs and sweeps.</param>
    /// <param name="sweep">The sweep.</param>
    /// <param name="plan">What it does.</param>
    public static SweepProgress ProgressOf(
        RegistryState state, RegisteredSweep sweep, SweepPlan plan) =>
        SweepProgress.Of(plan, (round, trial) =>
            sweep.Runs.TryGetValue((round, trial.Number), out RunId run)
                ? BegunOf(plan, round, trial.Number, state.Find(run)!)
                : null);

    /// <summary>How far a sweep is that is shown.</summary>
    /// <param name="plan">What it does.</param>
    /// <param name="view">What is shown of it.</param>
    public static SweepProgress ProgressOf(SweepPlan plan, SweepView view)
    {
        Dictionary<(int, int), SweptRunView> runs =
            view.Runs.ToDictionary(run => (run.Round, run.Trial));
        return SweepProgress.Of(plan, (round, trial) =>
            runs.TryGetValue((round, trial.Number), out SweptRunView? run)
                ? BegunOf(plan, round, trial.Number, run.IsOver, run.Reason, run.Outcome)
                : null);
    }

    /// <summary>What a list shows of a sweep.</summary>
    /// <param name="sweep">The sweep.</param>
    /// <param name="plan">What it does; null: that cannot be read.</param>
    /// <param name="progress">How far it is; null: its plan cannot be read.</param>
    /// <param name="standing">What it is at.</param>
    /// <param name="reason">That in words.</param>
    public static SweepSummaryView SummaryOf(
        RegisteredSweep sweep, SweepPlan? plan, SweepProgress? progress, SweepStanding standing,
        string reason)
    {
        SweepRegistered registered = sweep.Registered;
        TrialOutcome? best = standing == SweepStanding.Completed ? progress?.Best : null;
        return new SweepSummaryView(
            sweep.Id, registered.Name, standing, reason, registered.Priority, registered.At,
            progress?.Round.Number ?? 0, plan?.Rounds.Length ?? 0,
            progress?.Round.Trials.Length ?? 0, progress?.Round.Outcomes.Length ?? 0,
            best?.Trial, best?.Metric);
    }

    /// <summary>That of one that is not over.</summary>
    public static SweepSummaryView SummaryOf(
        RegistryState state, RegisteredSweep sweep, SweepPlan plan)
    {
        SweepProgress progress = ProgressOf(state, sweep, plan);
        string at = At(plan, progress);
        return sweep.IsStopped
            ? SummaryOf(
                sweep, plan, progress, SweepStanding.Stopping,
                $"it is stopped once its runs are: {at}")
            : SummaryOf(
                sweep, plan, progress, SweepStanding.Training,
                $"{at}, {progress.Round.Open} in the queue");
    }

    /// <summary>The submission of a trial's run: the same whoever begins it.</summary>
    private static Guid SubmissionOf(SweepTrialId trial) => new(SHA256.HashData(
        Encoding.UTF8.GetBytes($"{trial.Sweep}/{trial.Round}/{trial.Trial}")).AsSpan(0, 16));

    private static RegistryDecision Register(
        RegistryState state, CoordinatorRequest.SubmitSweep request, SweepPlan plan,
        DateTimeOffset now)
    {
        if (plan.RunCount > state.Room)
        {
            return RegistryState.Refuse(
                RefusalKind.Invalid,
                $"{request.Source} has {Counted.Of(plan.RunCount, "run")} in all, and the cluster"
                + $" keeps {RegistryState.MaxRuns:N0} at most, of which {state.Room:N0} are free:"
                + " take fewer trials");
        }

        SweepSpecification sweep = SweepSpecificationReader.Read(
            request.Specification, request.Source);
        SweepId id = state.NewSweepId(sweep.Name);
        return new RegistryDecision(
            [
                new SweepRegistered(
                    now, id, request.Submission, sweep.Name, request.Specification, request.Run,
                    request.Source, request.Priority, plan.RunCount),
            ],
            new CoordinatorAnswer.SubmittedSweep(id));
    }

    private static IEnumerable<RegistryEvent> NextOf(
        RegistryState state, RegisteredSweep sweep, Func<RegisteredSweep, SweepPlan> planOf,
        DateTimeOffset now)
    {
        try
        {
            SweepPlan plan = planOf(sweep);
            SweepProgress progress = ProgressOf(state, sweep, plan);
            return sweep.IsStopped ? Stopping(state, sweep, plan, progress, now)
                : progress.IsOver ? [Over(sweep, plan, progress, now)]
                : Begin(state, sweep, plan, progress, now);
        }
        catch (SpecificationException mistake)
        {
            // It was taken on by a version, or with plug-ins, that understood it otherwise.
            return
            [
                new SweepEnded(now, sweep.Id, SummaryOf(
                    sweep, null, null, SweepStanding.Failed, mistake.Message)),
            ];
        }
    }

    private static List<RegistryEvent> Begin(
        RegistryState state, RegisteredSweep sweep, SweepPlan plan, SweepProgress progress,
        DateTimeOffset now)
    {
        RoundProgress round = progress.Round;
        List<RegistryEvent> events = [];
        foreach (SweepTrial trial in round.Missing.Take(MaxOpen - round.Open))
        {
            RunSpecification run = plan.RunOf(trial, round.Round);
            var name = new SweepTrialId(sweep.Id, round.Number, trial.Number);
            var registered = new RunRegistered(
                now, state.NewRunId(run.Name), SubmissionOf(name), run.Name, run.ResolvedText,
                sweep.Registered.Source, sweep.Registered.Priority)
            {
                Trial = name,
            };
            events.Add(registered);
            state = state.Apply(registered);
        }

        return events;
    }

    private static List<RegistryEvent> Stopping(
        RegistryState state, RegisteredSweep sweep, SweepPlan plan, SweepProgress progress,
        DateTimeOffset now)
    {
        RegisteredRun[] open =
        [
            .. sweep.Runs.Values.Select(run => state.Find(run)!).Where(run => run.Ended is null),
        ];
        List<RegistryEvent> events =
        [
            .. open.Where(run => run.Outline is null).Select(run => state.Ended(
                run, RunStanding.Stopped, "stopped with its sweep before it trained", now)),
        ];
        if (events.Count == open.Length)
        {
            events.Add(new SweepEnded(now, sweep.Id, SummaryOf(
                sweep, plan, progress, SweepStanding.Stopped,
                $"the user has stopped it: {At(plan, progress)}")));
        }

        return events;
    }

    private static SweepEnded Over(
        RegisteredSweep sweep, SweepPlan plan, SweepProgress progress, DateTimeOffset now)
    {
        string of = Counted.Of(plan.Trials.Length, "trial");
        return new SweepEnded(now, sweep.Id, progress.Best is { } best
            ? SummaryOf(
                sweep, plan, progress, SweepStanding.Completed,
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"trial {best.Trial} is the best of {of}: {plan.MetricName} {best.Metric:G6}"))
            : SummaryOf(
                sweep, plan, progress, SweepStanding.Failed,
                $"every trial failed, of {of}: {progress.Ranked[0].Ended}"));
    }

    private static string At(SweepPlan plan, SweepProgress progress) =>
        $"round {progress.Round.Number} of {plan.Rounds.Length}:"
        + $" {progress.Round.Outcomes.Length} of"
        + $" {Counted.Of(progress.Round.Trials.Length, "trial")} over";

    private static BegunTrial BegunOf(
        SweepPlan plan, int round, int trial, RegisteredRun run) => BegunOf(
        plan, round, trial, run.Ended is not null, run.Ended?.Reason ?? "", run.Outcome);

    // What has no outcome failed, or was stopped.
    private static BegunTrial BegunOf(
        SweepPlan plan, int round, int trial, bool isOver, string reason, RunOutcome? outcome) =>
        new(!isOver ? null
            : outcome is null
                ? new TrialOutcome(trial, plan.EpochsOf(round, trial), null, null, reason)
            : TrialOutcome.Of(
                trial, plan.EpochsOf(round, trial), outcome.Stop, outcome.BestMetric,
                outcome.WeightsSha256));
}
