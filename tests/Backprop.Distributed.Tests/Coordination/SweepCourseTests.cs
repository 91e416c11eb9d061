using System.Collections.Immutable;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Serialization;
using Backprop.Distributed.Tests.Serialization;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Distributed.Tests.Coordination;

/// <summary>What a coordinator decides on sweeps, without a cluster.</summary>
public sealed class SweepCourseTests
{
    private const string Grid = "grid";
    private const string Halving = "{ halving { trials = 9, reduction = 3, first-epochs = 3 } }";

    private static readonly DateTimeOffset s_now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    private readonly List<RegistryEvent> _journal = [];
    private RegistryState _state = RegistryState.Empty;

    [Fact]
    public void A_grid_is_submitted_at_once_and_its_best_trial_is_told()
    {
        SweepId id = Submit(Grid);
        Assert.Equal(4, Proceed());
        Assert.Equal(
            ["trial-1-1", "trial-2-2", "trial-3-3", "trial-4-4"],
            _state.Runs.Values.Select(run => run.Id.Value));
        Assert.Equal(0, Proceed());

        foreach (RegisteredRun run in Open())
        {
            Assert.Null(_state.Find(id)!.Ended);
            Complete(run, metric: run.Registered.Trial!.Trial == 3 ? 0.25 : 0.5);
            Proceed();
        }

        SweepSummaryView summary = _state.Find(id)!.Ended!;
        Assert.Equal(SweepStanding.Completed, summary.Standing);
        Assert.Equal((3, 0.25), (summary.Best, summary.Metric));
        Assert.Equal(
            "trial 3 is the best of 4 trials: training loss 0.25", summary.Reason);
        Assert.Equal((1, 1, 4, 4), (summary.Round, summary.Rounds, summary.Trials, summary.Over));
    }

    [Fact]
    public void Rounds_of_halving_follow_each_other_and_train_for_longer()
    {
        SweepId id = Submit(Halving);
        List<(int Runs, int Epochs)> rounds = [];
        while (Proceed() > 0 && _state.Find(id)!.Ended is null)
        {
            RegisteredRun[] open = Open();
            rounds.Add((open.Length, Read(open[0]).Epochs));
            foreach (RegisteredRun run in open)
            {
                Complete(run, metric: run.Registered.Trial!.Trial);
            }
        }

        Assert.Equal([(9, 3), (3, 9), (1, 27)], rounds);
        Assert.Equal(1, _state.Find(id)!.Ended!.Best);
    }

    [Fact]
    public void Trials_that_fail_are_no_failure_of_the_sweep()
    {
        SweepId id = Submit(Grid);
        Proceed();
        RegisteredRun[] open = Open();
        Complete(open[0], metric: 0.1, StopKind.NonFinite);
        Apply(_state.Ended(open[1], RunStanding.Failed, "no such file", s_now));
        Apply(_state.Ended(open[2], RunStanding.Stopped, "stopped by the user", s_now));
        Complete(open[3], metric: 7);
        Proceed();

        Assert.Equal(4, _state.Find(id)!.Ended!.Best);
        Assert.Equal(
            [(4, "done"), (1, "done"), (2, "no such file"), (3, "stopped by the user")],
            SweepCourse.ProgressOf(_state, _state.Find(id)!, PlanOf(_state.Find(id)!)).Ranked
                .Select(outcome => (outcome.Trial, outcome.Ended)));
    }

    [Fact]
    public void A_sweep_of_which_every_trial_fails_fails()
    {
        SweepId id = Submit(Halving);
        Proceed();
        foreach (RegisteredRun run in Open())
        {
            Apply(_state.Ended(run, RunStanding.Failed, "no such file", s_now));
        }

        Proceed();
        SweepSummaryView summary = _state.Find(id)!.Ended!;
        Assert.Equal((SweepStanding.Failed, null), (summary.Standing, summary.Best));
        Assert.Equal("every trial failed, of 9 trials: no such file", summary.Reason);
    }

    [Fact]
    public void A_sweep_that_is_stopped_submits_no_more_and_is_over_once_its_runs_are()
    {
        SweepId id = Submit(Halving);
        Proceed();
        RegisteredRun[] open = Open();
        Apply(new RunOutlined(s_now, open[0].Id, Outline));
        Complete(open[1], metric: 1);
        RegistryDecision decision = SweepCourse.Stop(_state, id, s_now);
        Assert.IsType<CoordinatorAnswer.Done>(decision.Answer);
        Apply([.. decision.Events]);

        // Seven that have not begun are over at once; the one that has is told.
        Assert.Equal(7, Proceed());
        Assert.Equal([open[0].Id], SweepCourse.ToStop(_state).Select(run => run.Id));
        Assert.Equal(0, Proceed());
        Assert.Null(_state.Find(id)!.Ended);

        Apply(_state.Ended(_state.Find(open[0].Id)!, RunStanding.Stopped, "stopped", s_now));
        Assert.Empty(SweepCourse.ToStop(_state));
        Proceed();
        Assert.Equal(SweepStanding.Stopped, _state.Find(id)!.Ended!.Standing);
        Assert.Equal(9, _state.Runs.Count);
        Assert.Equal(RegistryState.MaxRuns - 9, _state.Room);
        Assert.Equal(
            RefusalKind.Conflict,
            Assert.IsType<CoordinatorAnswer.Refused>(
                SweepCourse.Stop(_state, id, s_now).Answer).Kind);
    }

    [Fact]
    public void Whoever_reads_the_journal_decides_as_who_wrote_it()
    {
        SweepId id = Submit(Halving);
        int decisions = 0;
        while (_state.Find(id)!.Ended is null)
        {
            string next = Text(SweepCourse.Next(_state, PlanOf, s_now));
            Assert.Equal(next, Text(SweepCourse.Next(Reread(), PlanOf, s_now)));
            decisions++;
            if (Proceed() == 0)
            {
                RegisteredRun run = Open()[0];
                int trial = run.Registered.Trial!.Trial;
                Complete(
                    run, metric: (trial * 5) % 9,
                    trial == 4 ? StopKind.NonFinite : StopKind.EpochsDone);
            }
        }

        Assert.Equal(17, decisions);
        Assert.Equal(_state.Find(id)!.Ended, Reread().Find(id)!.Ended);
    }

    [Fact]
    public void A_large_round_enters_the_queue_little_by_little()
    {
        Submit("{ random = 300 }");
        Assert.Equal(SweepCourse.MaxOpen, Proceed());
        Complete(Open()[0], metric: 1);
        Complete(Open()[0], metric: 1);
        Assert.Equal(2, Proceed());
        Assert.Equal(SweepCourse.MaxOpen, Open().Length);

        // What is still to come is kept free.
        Assert.Equal(RegistryState.MaxRuns - 300, _state.Room);
    }

    [Fact]
    public void A_submission_that_is_repeated_is_the_same_sweep()
    {
        CoordinatorRequest.SubmitSweep request = Request(Grid);
        SweepId id = Submit(Grid);
        RegistryDecision again = SweepCourse.Submit(_state, request, s_now);
        Assert.Empty(again.Events);
        Assert.Equal(
            id, Assert.IsType<CoordinatorAnswer.SubmittedSweep>(again.Answer).Id);

        var other = Assert.IsType<CoordinatorAnswer.Refused>(SweepCourse.Submit(
            _state, request with { Run = XorRun.Of(5, "") }, s_now).Answer);
        Assert.Equal(RefusalKind.Conflict, other.Kind);
        Assert.Equal(
            RefusalKind.NotFound,
            Assert.IsType<CoordinatorAnswer.Refused>(
                SweepCourse.Stop(_state, new SweepId("none-1"), s_now).Answer).Kind);
    }

    [Fact]
    public void Mistakes_are_told_before_the_first_run_is_submitted()
    {
        AssertRefused(Request("{ random = 0 }"), "from 1 to 10000");
        AssertRefused(
            Request(Grid) with { Run = XorRun.Of(27, "checkpoint { every-steps = 5 }") },
            "a cluster counts checkpoints in epochs or time");
        AssertRefused(
            Request(Grid) with { Specification = Sweep(Grid).Replace("0.4]", "fast]") },
            "fast");
        AssertRefused(
            Request(Grid) with { Specification = new string(' ', 1 << 19) },
            "a cluster takes specifications of at most 262,144");

        // A trial that names a file is held to the same rule as a run.
        const string File = "data { train { csv { files = a.csv, target { values = [y] } } } }";
        string run = XorRun.Of(27, "");
        int data = run.IndexOf("data {", StringComparison.Ordinal);
        int model = run.IndexOf("model =", StringComparison.Ordinal);
        AssertRefused(
            Request(Grid) with
            {
                Run = run[..data] + File + "\n" + run[model..],
                Specification = Sweep(Grid).Replace(
                    "optimizer.adam.learning-rate, values = [0.1, 0.2, 0.3, 0.4]",
                    "data.train.csv.files, values = [a.csv, secret.csv]"),
            },
            "not secret.csv", file => file == "secret.csv" ? "not secret.csv" : null);
    }

    [Fact]
    public void What_sweeps_are_to_submit_is_not_given_away()
    {
        Submit("{ random = 9999 }");
        Assert.Equal(1, _state.Room);
        AssertRefused(
            Request(Grid) with { Submission = Guid.NewGuid() },
            "sweep.conf has 4 runs in all, and the cluster keeps 10,000 at most, of which 1 are"
            + " free");

        CoordinatorRequest.Submit run = new(Guid.NewGuid(), XorRun.Of(3, ""), "run.conf", 0);
        Apply([.. _state.Submit(run, s_now).Events]);
        Assert.Equal(0, _state.Room);
        Assert.Contains(
            "those that its sweeps are to submit among them",
            Assert.IsType<CoordinatorAnswer.Refused>(_state.Submit(
                run with { Submission = Guid.NewGuid() }, s_now).Answer).Reason);
    }

    [Fact]
    public void A_sweep_that_cannot_be_read_any_more_fails_with_the_reason()
    {
        SweepId id = Submit(Grid);
        ImmutableArray<RegistryEvent> events = SweepCourse.Next(
            _state,
            _ => throw new SpecificationException(
                [new SpecificationError(new SourcePosition("run.conf", 1, 1), "", "unknown")]),
            s_now);

        var ended = Assert.IsType<SweepEnded>(Assert.Single(events));
        Assert.Equal((id, SweepStanding.Failed), (ended.Sweep, ended.Summary.Standing));
        Assert.Contains("unknown", ended.Summary.Reason);
    }

    private static RunOutline Outline =>
        ((OutlineAnswer)RecordSamples.All[nameof(OutlineAnswer)]).Outline!;

    private static SweepPlan PlanOf(RegisteredSweep sweep) => SweepCourse.PlanOf(
        sweep.Registered.Specification, sweep.Registered.Source, sweep.Registered.Run,
        LayerPlugins.None);

    private static RunSpecification Read(RegisteredRun run) =>
        RunSpecificationReader.Read(run.Registered.Specification, run.Registered.Source);

    private static string Sweep(string search) => $$"""
        name = trial
        run = run.conf
        parameters = [
          { key = optimizer.adam.learning-rate, values = [0.1, 0.2, 0.3, 0.4] }
        ]
        search = {{search}}
        """;

    private static CoordinatorRequest.SubmitSweep Request(string search) => new(
        new Guid("00112233-4455-6677-8899-aabbccddeeff"), Sweep(search), XorRun.Of(27, ""),
        "sweep.conf", 3);

    private static string Text(ImmutableArray<RegistryEvent> events) => string.Join(
        '\n', events.Select(happened => RegistryMessages.ToWire(happened).ToString()));

    private SweepId Submit(string search)
    {
        RegistryDecision decision = SweepCourse.Submit(_state, Request(search), s_now);
        Apply([.. decision.Events]);
        return Assert.IsType<CoordinatorAnswer.SubmittedSweep>(decision.Answer).Id;
    }

    private void AssertRefused(
        CoordinatorRequest.SubmitSweep request, string reason,
        Func<string, string?>? fileRefusal = null)
    {
        RegistryDecision decision = SweepCourse.Submit(_state, request, s_now, fileRefusal);
        Assert.Empty(decision.Events);
        var refused = Assert.IsType<CoordinatorAnswer.Refused>(decision.Answer);
        Assert.Equal(RefusalKind.Invalid, refused.Kind);
        Assert.Contains(reason, refused.Reason);
    }

    private int Proceed()
    {
        ImmutableArray<RegistryEvent> events = SweepCourse.Next(_state, PlanOf, s_now);
        Apply([.. events]);
        return events.Length;
    }

    private void Complete(
        RegisteredRun run, double metric, StopKind kind = StopKind.EpochsDone)
    {
        string sha = string.Concat(Enumerable.Repeat("a0b1c2d3", 8));
        Apply(_state.Ended(run, RunStanding.Completed, "done", s_now) with
        {
            Outcome = new RunOutcome(new StopDecision(kind, "done"), metric, sha),
        });
    }

    private RegisteredRun[] Open() => [.. _state.Runs.Values.Where(run => run.Ended is null)];

    private void Apply(params RegistryEvent[] events)
    {
        foreach (RegistryEvent happened in events)
        {
            _journal.Add(happened);
            _state = _state.Apply(happened);
        }
    }

    // As another coordinator would.
    private RegistryState Reread() => _journal
        .Select(happened => RegistryMessages.FromWire(RegistryMessages.ToWire(happened)))
        .Aggregate(RegistryState.Empty, (state, happened) => state.Apply(happened));
}
