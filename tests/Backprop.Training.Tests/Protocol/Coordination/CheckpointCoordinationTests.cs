using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Epochs are judged, checkpoints committed, runs paused and concluded.</summary>
public sealed class CheckpointCoordinationTests
{
    [Fact]
    public void An_epoch_is_evaluated_by_all_and_judged_once()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3, lossSum: 84);
        Assert.Equal(3, cluster.ToWorkers[W(0)].Evaluation!.Value.Version);
        Assert.NotEqual(cluster.ToWorkers[W(0)].Evaluation, cluster.ToWorkers[W(1)].Evaluation);
        Assert.Contains("0 of 2 shares are done", cluster.Last.Reason);

        cluster.Evaluate(0, cluster.ToWorkers[W(0)]);
        Assert.IsType<RunPhase.Evaluating>(cluster.Phase);
        Assert.Equal(
            cluster.ToWorkers[W(1)].Evaluation, cluster.ToWorkers[W(0)].Evaluation);
        cluster.Evaluate(0, cluster.ToWorkers[W(0)]);

        EpochReport report = Assert.Single(cluster.State.Position.History);
        Assert.Equal(2, report.TrainingLoss);
        Assert.Equal(200.0 / 300, report.Validation!.Loss);
        Assert.Equal(180, report.Validation.Classification!.Confusion.Counts.Sum());
        Assert.True(report.IsBest);
        Assert.Equal(3, cluster.ToServers[S(0)].BestVersion);
        Assert.Equal(3, cluster.ToServers[S(0)].CheckpointVersion);
        Assert.Equal(6, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void Sums_of_other_data_are_refused()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3);
        EvaluationRequest request = cluster.ToWorkers[W(0)].Evaluation!.Value;
        cluster.Worker(0, status => status with
        {
            Evaluation = new EvaluationDone(request, new(request.Range.First, [1], [1, 2], [])),
        });
        Assert.Equal("worker-0 has evaluated other data, or another network", cluster.Last.Refusal);
    }

    [Fact]
    public void The_share_of_a_worker_that_leaves_is_evaluated_by_another()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3);
        EvaluationRequest lost = cluster.ToWorkers[W(1)].Evaluation!.Value;
        cluster.Evaluate(0, cluster.ToWorkers[W(0)]);
        cluster.Nodes(2, 1);
        Assert.Equal(lost, cluster.ToWorkers[W(0)].Evaluation);
    }

    [Fact]
    public void A_plateau_takes_effect_with_the_next_lease()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch(evaluationLoss: 100);
        Assert.Equal(0, cluster.ToServers[S(0)].Lease.PlateauReductions);
        cluster.Epoch(evaluationLoss: 100);
        Assert.Equal(new Lease(9, 1), cluster.ToServers[S(0)].Lease);
        Assert.Equal(new Lease(9, 1), cluster.ToWorkers[W(0)].Lease);
        Assert.Equal(3, cluster.ToServers[S(0)].BestVersion);
        Assert.Equal(0.02f, cluster.State.Position.History[1].LearningRate);
    }

    [Fact]
    public void A_checkpoint_is_committed_once_every_slice_is_saved_and_only_then()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3);
        cluster.EvaluateAll();
        cluster.Server(0, status => cluster.Saved(status));
        Assert.Empty(cluster.State.Checkpoints);
        cluster.Server(1, status => cluster.Saved(status) with { Version = 4 });

        CheckpointManifest manifest = Assert.Single(cluster.State.Checkpoints);
        Assert.Equal([0, 1], manifest.Parts.Select(part => part.FirstBlock));
        Assert.Equal(3, manifest.Parts[^1].EndBlock);
        Assert.Equal(3, manifest.BestVersion);
        Assert.Equal(42, manifest.Position.RunRows);
        Assert.Equal(cluster.State.Position.History, manifest.Position.History);
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_slice_with_a_gap_commits_nothing()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3);
        cluster.EvaluateAll();
        cluster.Server(0, status => cluster.Saved(status));
        cluster.Server(1, status =>
        {
            SavedSlice saved = cluster.Saved(status).Saved!;
            return status with { Saved = saved with { Parts = [] } };
        });
        Assert.Empty(cluster.State.Checkpoints);
        Assert.Equal(
            "server-1 saved parts end at block 1, not 3",
            Assert.Single(cluster.Journal.OfType<CheckpointAborted>()).Reason);
        Assert.IsType<RunPhase.Training>(cluster.Phase);
    }

    [Fact]
    public void A_lost_checkpoint_stops_no_training_and_is_begun_again()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Reach(3);
        cluster.EvaluateAll();
        cluster.Server(0, status => status with { Lost = new(3, "the database is away") });
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        cluster.Tick(20);
        cluster.Epoch();
        Assert.Equal(6, Assert.Single(cluster.State.Checkpoints).Version);
    }

    [Fact]
    public void The_newest_and_the_best_checkpoints_are_kept()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch(evaluationLoss: 1);
        cluster.Epoch(evaluationLoss: 2);
        cluster.Epoch(evaluationLoss: 2);
        cluster.Epoch(evaluationLoss: 2);
        Assert.Equal([3, 9, 12], cluster.State.Checkpoints.Select(kept => kept.Version));
        Assert.Equal(6, Assert.Single(cluster.Journal.OfType<CheckpointRetired>()).Version);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_damaged_checkpoint_is_tried_once_more_and_then_the_one_before_it()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        cluster.Epoch();
        cluster.Nodes(0, 2);
        cluster.Nodes(2, 2);
        cluster.Server(0, status => Damaged(status, 6));
        Assert.Equal([3, 6], cluster.State.Checkpoints.Select(kept => kept.Version));
        cluster.Tick(20);
        Assert.Equal(6, cluster.State.Open!.Origin.Version);
        cluster.Server(1, status => Damaged(status, 6));

        CheckpointRetired retired = Assert.Single(cluster.Journal.OfType<CheckpointRetired>());
        Assert.Equal((6, "a piece of 6 is damaged"), (retired.Version, retired.Damage));
        Assert.Equal(3, cluster.State.Open!.Origin.Version);
        cluster.OpenAll();
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        Assert.Equal(3, Assert.Single(cluster.State.Position.History).StepsDone);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_run_whose_every_checkpoint_is_damaged_fails_and_keeps_the_last()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        cluster.Epoch();
        cluster.Nodes(0, 2);
        cluster.Nodes(2, 2);
        for (int attempt = 0; attempt < 10 && !cluster.Phase.IsFinal; attempt++)
        {
            long newest = cluster.State.Newest!.Version;
            // Servers that have failed are passed over where there are others.
            int server = cluster.State.Open!.Servers[0] == S(0) ? 0 : 1;
            cluster.Server(server, status => Damaged(status, newest));
            cluster.Tick(20);
        }

        Assert.Contains(
            "a piece of 3 is damaged", Assert.IsType<RunPhase.Failed>(cluster.Phase).Reason);
        Assert.Equal(3, Assert.Single(cluster.State.Checkpoints).Version);
        cluster.AssertReplays();
    }

    private static ServerStatus Damaged(ServerStatus status, long version) => status with
    {
        Phase = new SlicePhase.Failed($"a piece of {version} is damaged"),
        DamagedCheckpoint = version,
    };

    [Fact]
    public void A_pause_stands_at_the_newest_version_saves_it_and_lets_go_of_the_nodes()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Tell(new CoordinatorInput.Pause());
        Assert.Equal(0, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.Server(0, status => status with { Version = 1 });
        Assert.Contains("stand", cluster.Last.Reason);
        cluster.Server(1, status => status with { Version = 2 });
        Assert.Equal(2, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.Reach(2);
        Assert.IsType<RunPhase.Checkpointing>(cluster.Phase);
        cluster.SaveAll(epochLossSum: 17.5);

        Assert.IsType<RunPhase.Paused>(cluster.Phase);
        Assert.True(cluster.ToServers[S(1)].Closed);
        Assert.Contains("already", cluster.Tell(new CoordinatorInput.Pause()).Refusal);
        TrainingPosition position = cluster.State.Newest!.Position;
        Assert.Equal((2, 32, 32, 17.5), (
            position.Step, position.EpochRows, position.RunRows, position.EpochLossSum));

        cluster.Tell(new CoordinatorInput.Resume());
        Assert.Equal(
            new SliceOrigin.Checkpoint(2, null, 17.5), cluster.State.Open!.Origin);
        cluster.OpenAll();
        Assert.Equal(3, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_run_that_is_to_pause_does_so_though_its_workers_are_gone()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Tell(new CoordinatorInput.Pause());
        cluster.Server(0, status => status with { Version = 2 });
        cluster.Server(1, status => status with { Version = 1 });
        cluster.Nodes([S(0), S(1)], []);
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        cluster.Server(1, status => status with { Version = 2 });
        cluster.SaveAll(epochLossSum: 1);
        Assert.Contains(
            "paused by the user at version 2",
            Assert.IsType<RunPhase.Paused>(cluster.Phase).Reason);
    }

    [Fact]
    public void A_checkpoint_by_time_stands_for_a_moment_and_training_goes_on_while_it_is_saved()
    {
        ScriptedCluster cluster = InTraining(
            options: new() { CheckpointInterval = TimeSpan.FromMinutes(1) });
        cluster.Tick(61);
        cluster.Server(0, status => status with { Version = 1 });
        cluster.Server(1, status => status with { Version = 1 });
        cluster.AllServers();
        Assert.Equal(3, cluster.ToServers[S(0)].Lease.EndVersion);
        Assert.Equal(1, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.SaveAll(epochLossSum: 5);
        Assert.Equal(5, cluster.State.Newest!.Position.EpochLossSum);
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_checkpoint_by_time_is_of_a_version_to_come_and_nobody_stands_for_it()
    {
        ScriptedCluster cluster = InLongEpoch();
        cluster.Tell(Pace(10), seconds: 61);
        Assert.Equal(13, cluster.ToServers[S(0)].CheckpointVersion);
        Assert.Equal(42, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.Tell(Pace(11), seconds: 0.4);
        Assert.Equal(13, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.SaveAll(epochLossSum: 5);
        TrainingPosition saved = cluster.State.Newest!.Position;
        Assert.Equal((13, 5), (saved.Step, saved.EpochLossSum));
        Assert.Empty(cluster.Journal.OfType<HaltOrdered>());
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void Servers_that_were_past_the_version_get_one_further_ahead_at_once()
    {
        ScriptedCluster cluster = InLongEpoch();
        cluster.Tell(Pace(10), seconds: 61);
        cluster.AllServers(status => status with { Lost = Past(13) });
        Assert.Equal(16, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.SaveAll(epochLossSum: 5);
        Assert.Equal(16, cluster.State.Newest!.Version);
        Assert.Empty(cluster.Journal.OfType<HaltOrdered>());

        cluster.Tell(Pace(18), seconds: 61);
        Assert.Equal(21, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void Servers_that_are_past_every_version_stand_for_the_next_one_at_once()
    {
        ScriptedCluster cluster = InLongEpoch();
        cluster.Tell(Pace(1), seconds: 61);
        for (int attempt = 0; attempt < 4; attempt++)
        {
            Assert.Empty(cluster.Journal.OfType<HaltOrdered>());
            long version = cluster.ToServers[S(0)].CheckpointVersion!.Value;
            cluster.AllServers(status => status with { Lost = Past(version) });
        }

        Assert.Equal(
            HaltCause.Checkpoint, Assert.Single(cluster.Journal.OfType<HaltOrdered>()).Cause);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_version_ahead_that_could_not_be_saved_is_followed_by_one_at_a_stand_and_later()
    {
        ScriptedCluster cluster = InLongEpoch();
        cluster.Tell(Pace(10), seconds: 61);
        cluster.AllServers(status => status with { Lost = new(13, "the disk is full") });
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        cluster.Tell(Pace(30), seconds: 16);
        Assert.Equal(
            HaltCause.Checkpoint, Assert.Single(cluster.Journal.OfType<HaltOrdered>()).Cause);
        cluster.AllServers(status => status with { Version = 31 });
        cluster.SaveAll(epochLossSum: 5);
        Assert.Equal(31, cluster.State.Newest!.Version);
        cluster.AssertReplays();
    }

    [Theory]
    [InlineData(39, false)] // Version 42 would be the one, with which the epoch ends anyway.
    [InlineData(10, true)] // A pause saves one.
    public void No_checkpoint_is_ahead_of_what_ends_training_anyway(long version, bool pauses)
    {
        ScriptedCluster cluster = InLongEpoch();
        if (pauses)
        {
            cluster.Tell(new CoordinatorInput.Pause());
        }

        cluster.Tell(Pace(version), seconds: 61);
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        Assert.DoesNotContain(
            cluster.Journal.OfType<HaltOrdered>(), halt => halt.Cause == HaltCause.Checkpoint);
    }

    [Fact]
    public void Who_pauses_before_the_version_saves_where_training_stands()
    {
        ScriptedCluster cluster = InLongEpoch();
        cluster.Tell(Pace(10), seconds: 61);
        cluster.Tell(new CoordinatorInput.Pause());
        cluster.AllServers(status => status with { Version = 11 });
        cluster.AllServers();
        Assert.Equal(11, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.SaveAll(epochLossSum: 5);
        Assert.IsType<RunPhase.Paused>(cluster.Phase);
        Assert.Equal(11, cluster.State.Newest!.Version);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_checkpoint_by_time_of_a_version_that_is_saved_costs_nothing()
    {
        ScriptedCluster cluster = InTraining(
            options: new() { CheckpointInterval = TimeSpan.FromMinutes(1) });
        for (int i = 0; i < 2; i++)
        {
            cluster.Tick(61);
            cluster.AllServers(status => status with { Version = 1 });
            if (cluster.ToServers[S(0)].CheckpointVersion is not null)
            {
                cluster.SaveAll(epochLossSum: 5);
            }
        }

        Assert.Equal(2, cluster.Journal.OfType<CheckpointCommitted>().Count());
        Assert.Single(cluster.State.Checkpoints);
        Assert.Equal(3, cluster.ToServers[S(0)].Lease.EndVersion);
        Assert.Null(cluster.ToServers[S(0)].CheckpointVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_value_that_is_not_finite_ends_the_run_at_the_last_good_version()
    {
        ScriptedCluster cluster = InTraining();
        var found = new NonFiniteStop(2, "in step 2, the loss is not finite", 2);
        cluster.Server(1, status => status with { Version = 2, NonFinite = found });
        Assert.Equal(2, cluster.ToServers[S(0)].CheckpointVersion);
        cluster.SaveAll(epochLossSum: 1);
        RunPhase.Concluding end = Assert.IsType<RunPhase.Concluding>(cluster.Phase);
        Assert.Equal(new StopDecision(StopKind.NonFinite, found.What), end.Stop);
        Assert.Equal(2, end.Checkpoint);
    }

    [Fact]
    public void Servers_go_back_together_from_weights_that_are_not_finite()
    {
        ScriptedCluster cluster = InTraining();
        var found = new NonFiniteStop(2, "step 2 made weights that are not finite", 2);
        cluster.Server(0, status => status with { Version = 2 });
        cluster.Server(1, status => status with { Version = 3, NonFinite = found });
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        cluster.Server(0, status => status with { Version = 3 });
        ServerDirective directive = cluster.ToServers[S(0)];
        Assert.Equal((2, 2), (directive.CheckpointVersion!.Value, directive.Lease.EndVersion));
    }

    [Fact]
    public void When_the_time_is_over_the_epoch_is_cut_short_and_judged()
    {
        TrainingPlan plan = ThreeBlocks();
        ScriptedCluster cluster = InTraining(plan: plan with
        {
            Stop = plan.Stop with { MaxTime = TimeSpan.FromMinutes(1) },
        });
        cluster.Tick(61);
        cluster.AllServers(status => status with { Version = 2 });
        cluster.AllServers();
        cluster.Reach(2, lossSum: 64);
        cluster.EvaluateAll();
        EpochReport report = Assert.Single(cluster.State.Position.History);
        Assert.Equal((2, 2.0), (report.StepsDone, report.TrainingLoss));
        Assert.Equal(
            StopKind.MaxTime, Assert.IsType<RunPhase.Checkpointing>(cluster.Phase).Stop!.Kind);
    }

    [Fact]
    public void The_last_checkpoint_is_tried_so_often_and_no_more()
    {
        ScriptedCluster cluster = InTraining(
            plan: ThreeBlocks() with { Epochs = 1 },
            options: new() { MaxCheckpointAttempts = 3 });
        cluster.Reach(3);
        cluster.EvaluateAll();
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(3, cluster.ToServers[S(0)].CheckpointVersion);
            cluster.Server(0, status => status with { Lost = new(3, "the disk is full") });
            cluster.Server(0, status => status with { Lost = null });
            cluster.Tick(20);
        }

        Assert.Contains("3 times", Assert.IsType<RunPhase.Failed>(cluster.Phase).Reason);
    }

    [Fact]
    public void A_run_comes_to_a_result()
    {
        ScriptedCluster cluster = AtItsEnd();
        Assert.Equal(15, Assert.IsType<RunPhase.Concluding>(cluster.Phase).Checkpoint);
        Assert.All(cluster.ToServers.Values, directive => Assert.True(directive.Closed));
        var found = new FinalExamination(15, "weights", "state", null, null, []);
        Assert.NotNull(cluster.Tell(
            new CoordinatorInput.Examined(found with { Checkpoint = 12 })).Refusal);
        cluster.Tell(new CoordinatorInput.Examined(found));
        TrainingResult result = Assert.IsType<RunPhase.Completed>(cluster.Phase).Result;
        Assert.Equal(new StopDecision(StopKind.EpochsDone, "all 5 epochs are done"), result.Stop);
        Assert.Equal((15, 5, 4), (result.Steps, result.Epochs, result.BestEpoch));
        Assert.True(result.FinalIsBest);
        Assert.Equal(result.Stop.Reason, cluster.Last.Reason);
        cluster.AssertReplays();
    }

    [Fact]
    public void Damaged_final_weights_are_made_again_from_the_checkpoint_before()
    {
        ScriptedCluster cluster = AtItsEnd();
        for (int damaged = 1; damaged <= 3; damaged++)
        {
            cluster.Tell(Damage(15));
            Assert.Equal(
                (15, "a piece is damaged"),
                (cluster.Journal.OfType<CheckpointRetired>().Last().Version,
                    cluster.Journal.OfType<CheckpointRetired>().Last().Damage));
            Assert.Equal(
                12, Assert.IsType<SliceOrigin.Checkpoint>(cluster.State.Open!.Origin).Saved);
            cluster.OpenAll();
            cluster.Epoch(evaluationLoss: 6);
            Assert.Equal(15, Assert.IsType<RunPhase.Concluding>(cluster.Phase).Checkpoint);
        }

        Assert.Equal(5, cluster.State.Position.History.Length);
        cluster.AssertReplays();

        // A storage that damages whatever it is given does not keep a run for ever.
        cluster.Tell(Damage(15));
        Assert.Contains(
            "a piece is damaged", Assert.IsType<RunPhase.Failed>(cluster.Phase).Reason);
    }

    [Fact]
    public void Final_weights_that_nobody_can_examine_for_another_reason_fail_the_run()
    {
        ScriptedCluster cluster = AtItsEnd();
        cluster.Tell(Damage(15) with { IsDamage = false });
        Assert.IsType<RunPhase.Failed>(cluster.Phase);
        Assert.Equal(15, cluster.State.Newest!.Version);
    }

    private static CoordinatorInput.ExaminationFailed Damage(long checkpoint) =>
        new(checkpoint, "a piece is damaged") { IsDamage = true };

    private static ScriptedCluster AtItsEnd()
    {
        ScriptedCluster cluster = InTraining();
        for (int epoch = 0; epoch < 5; epoch++)
        {
            cluster.Epoch(evaluationLoss: 10 - epoch);
        }

        return cluster;
    }

    // 42 steps an epoch.
    private static ScriptedCluster InLongEpoch() => InTraining(
        plan: ThreeBlocks() with { BatchSize = 1, MicroBatches = 1 },
        options: new() { CheckpointInterval = TimeSpan.FromMinutes(1) });

    private static LostCheckpoint Past(long version) =>
        new(version, $"version {version} is past", CheckpointLoss.Passed);

    // Half a second's notice is two steps, and one may be under way.
    private static CoordinatorInput.Progressed Pace(long version) =>
        new(new Generation(1), version, TimeSpan.FromSeconds(0.25));
}
