using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Distributed.Coordination;

/// <summary>Knows what the sweeps do that are not over, so that it is not read anew whenever one of
/// their runs ends; and shows them.</summary>
/// <param name="context">What the coordinator's actors share.</param>
internal sealed class SweepDesk(CoordinatorContext context)
{
    private readonly Dictionary<SweepId, SweepPlan> _plans = [];

    /// <summary>What is to happen to the sweeps.</summary>
    public ImmutableArray<RegistryEvent> Next(RegistryState state, DateTimeOffset now)
    {
        foreach (SweepId id in _plans.Keys.Where(id => state.Find(id)!.Ended is not null).ToArray())
        {
            _plans.Remove(id);
        }

        return SweepCourse.Next(state, PlanOf, now);
    }

    /// <summary>All of them, newest first.</summary>
    public CoordinatorAnswer List(RegistryState state) => new CoordinatorAnswer.Sweeps(
        [.. state.Sweeps.Values.Reverse().Select(sweep => Summarize(state, sweep))]);

    /// <summary>One of them.</summary>
    /// <param name="state">All runs and sweeps.</param>
    /// <param name="id">Which.</param>
    /// <param name="summarize">What a list shows of a run.</param>
    public CoordinatorAnswer Show(
        RegistryState state, SweepId id, Func<RegisteredRun, RunSummaryView> summarize)
    {
        if (state.Find(id) is not { } sweep)
        {
            return SweepCourse.NoSuchSweep(id).Answer!;
        }

        SweepRegistered registered = sweep.Registered;
        return new CoordinatorAnswer.Sweep(new SweepView(
            Summarize(state, sweep), registered.Specification, registered.Run, registered.Source,
            [
                .. from entry in sweep.Runs
                   let run = state.Find(entry.Value)!
                   let summary = summarize(run)
                   select new SweptRunView(
                       entry.Key.Round, entry.Key.Trial, run.Id, summary.Standing,
                       SweptRunView.Shorten(summary.Reason), run.Outcome),
            ]));
    }

    private SweepSummaryView Summarize(RegistryState state, RegisteredSweep sweep)
    {
        try
        {
            return sweep.Ended ?? SweepCourse.SummaryOf(state, sweep, PlanOf(sweep));
        }
        catch (SpecificationException mistake)
        {
            // It is about to fail for it.
            return SweepCourse.SummaryOf(
                sweep, null, null, SweepStanding.Training, mistake.Message);
        }
    }

    private SweepPlan PlanOf(RegisteredSweep sweep)
    {
        if (!_plans.TryGetValue(sweep.Id, out SweepPlan? plan))
        {
            SweepRegistered registered = sweep.Registered;
            plan = SweepCourse.PlanOf(
                registered.Specification, registered.Source, registered.Run, context.Plugins,
                context.FileRefusal);
            _plans.Add(sweep.Id, plan);
        }

        return plan;
    }
}
