using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Tests.Persistence;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A sweep that nobody follows, over the end of the coordinator that began it.</summary>
public sealed class SweepTests
{
    private const string Sweep = """
        name = halves
        run = run.conf
        seed = 5
        parameters = [
          { key = optimizer.adam.learning-rate, log-uniform = [1e-4, 0.3] }
          { key = "model[0].dense.units", integers = [2, 9] }
        ]
        search { halving { trials = 6, reduction = 3, first-epochs = 5 } }
        """;

    private static readonly string s_run = XorRun.Of(epochs: 20, "seed = 3");

    [Fact]
    public async Task A_new_coordinator_goes_on_to_the_winner_of_a_single_process()
    {
        using var folder = new StateFolder();
        SweepId id;
        await using (EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 2))
        {
            var submitted = (CoordinatorAnswer.SubmittedSweep)await cluster.Client.AskAsync(
                new CoordinatorRequest.SubmitSweep(
                    Guid.NewGuid(), Sweep, s_run, "sweep.conf", 0),
                CancellationToken.None);
            id = submitted.Id;
            SweepView begun = await AwaitAsync(
                cluster, id, view => view.Runs.Any(run => run.IsOver));
            Assert.Equal(SweepStanding.Training, begun.Summary.Standing);
        }

        SweepView view;
        await using (EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 2))
        {
            view = await AwaitAsync(
                cluster, id, view => view.Summary.Standing != SweepStanding.Training);
        }

        Assert.Equal(SweepStanding.Completed, view.Summary.Standing);
        SweepPlan plan = SweepPlan.Of(
            SweepSpecificationReader.Read(Sweep, "sweep.conf"), s_run, "run.conf");
        SweepProgress alone = Train(plan);
        Assert.Equal([6, 2, 1], alone.Rounds.Select(round => round.Trials.Length));
        Assert.Equal(alone.Best!.Trial, view.Summary.Best);
        Assert.Equal(
            alone.Ranked.AsEnumerable(),
            SweepCourse.ProgressOf(plan, view).Ranked);
    }

    // In this process and one after the other, as 'backprop sweep' does without a cluster.
    private static SweepProgress Train(SweepPlan plan) => SweepProgress.Of(plan, (round, trial) =>
    {
        RunSpecification run = plan.RunOf(trial, plan.Rounds[round - 1]);
        TrainingResult result = TestRun.Train(run.ResolvedText);
        return new BegunTrial(TrialOutcome.Of(
            trial.Number, run.Epochs, result.Stop, result.BestMetric, result.WeightsSha256));
    });

    private static async Task<SweepView> AwaitAsync(
        EmbeddedCluster cluster, SweepId id, Func<SweepView, bool> isEnough)
    {
        while (true)
        {
            CoordinatorAnswer answer = await cluster.Client.AskAsync(
                new CoordinatorRequest.ShowSweep(id), CancellationToken.None);
            if (answer is CoordinatorAnswer.Sweep { View: var view } && isEnough(view))
            {
                return view;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50));
        }
    }
}
