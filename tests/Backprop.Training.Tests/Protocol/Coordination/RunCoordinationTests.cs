using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>What a coordinator decides for a run, by what its nodes say.</summary>
public sealed class RunCoordinationTests
{
    [Fact]
    public void A_run_waits_for_nodes_opens_and_trains_to_the_end_of_its_epoch()
    {
        var cluster = new ScriptedCluster();
        Assert.Contains("waiting to hear", cluster.Last.Reason);
        cluster.Nodes(2, 0);
        Assert.Contains("0 of at least 1 worker", cluster.Last.Reason);

        cluster.Nodes(2, 2);
        Assert.IsType<RunPhase.Opening>(cluster.Phase);
        Assert.Equal(2, cluster.ToServers.Count);
        Assert.IsType<SliceOrigin.FirstWeights>(cluster.ToServers[S(0)].Origin);
        Assert.Equal(0, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.AllServers();
        cluster.Worker(1, status => status with { Phase = new WorkerPhase.Observing() });
        Assert.Contains("worker-1 gathers the weights", cluster.Last.Reason);

        cluster.OpenAll();
        cluster.Worker(1, status => status with { Phase = new WorkerPhase.Whole() });
        Assert.Equal(3, cluster.ToServers[S(1)].Lease.EndVersion);
        Assert.Equal(5, cluster.ToWorkers.Values.Sum(worker => worker.Assigned.Count));
        Assert.Equal(3, cluster.ToWorkers[W(0)].Lease.EndVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void Statuses_that_are_decided_on_together_come_to_what_each_by_itself_does()
    {
        ScriptedCluster cluster = InTraining(workers: 3);
        RunCoordination before = cluster.Run;
        WorkerStatus[] workers = [.. before.Observed.Workers.Values];
        CoordinatorInput[] statuses =
        [
            // The first is known already; the third replaces the second.
            new CoordinatorInput.WorkerReported(workers[0]),
            new CoordinatorInput.WorkerReported(
                workers[1] with { Number = 8, SecondsPerMicroBatch = 3 }),
            new CoordinatorInput.WorkerReported(
                workers[1] with { Number = 9, SecondsPerMicroBatch = 2 }),
            .. before.Observed.Servers.Values.Select(status => new CoordinatorInput.ServerReported(
                status with { Number = 8, Version = 1 })),
        ];

        Decision together = before.Decide(
            new CoordinatorInput.Reported([.. statuses]), cluster.Now);
        RunCoordination oneByOne = statuses.Aggregate(
            before, (run, status) => run.Decide(status, cluster.Now).Next);

        Assert.Null(together.Refusal);
        Assert.Equal(
            StructuralText.Of(oneByOne.Observed), StructuralText.Of(together.Next.Observed));
        Assert.Equal(StructuralText.Of(oneByOne.State), StructuralText.Of(together.Next.State));
        Assert.Contains("after", before.Decide(
            new CoordinatorInput.Reported([statuses[0]]), cluster.Now).Refusal);
    }

    /// <summary>Each assignment is a directive for everybody, and its answer.</summary>
    [Fact]
    public void Hundreds_of_workers_that_join_one_by_one_are_taken_in_by_some_assignments()
    {
        const int Workers = 200;
        var cluster = new ScriptedCluster();
        cluster.Nodes(2, Workers);
        cluster.OpenAll();
        cluster.Tick(1);

        Assert.Equal(Workers, cluster.State.Open!.Assigned.Length);
        Assert.InRange(cluster.Journal.OfType<WorkersAssigned>().Count(), 1, Workers / 4);
        // Who leaves is replaced at once.
        cluster.Nodes(2, Workers - 1);
        Assert.Equal(Workers - 1, cluster.State.Open!.Assigned.Length);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_worker_that_joins_observes_until_it_is_whole_and_one_that_leaves_is_replaced()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        cluster.Nodes(2, 3);
        Assert.Equal(MicroBatchRange.None, cluster.ToWorkers[W(2)].Assigned);
        Assert.Contains(W(2), cluster.ToServers[S(0)].Workers);
        cluster.Worker(2, status => status with { Phase = new WorkerPhase.Observing() });
        Assert.Equal(0, cluster.ToWorkers[W(2)].Assigned.Count);

        cluster.Worker(2, status => status with { Phase = new WorkerPhase.Whole() });
        Assert.NotEqual(0, cluster.ToWorkers[W(2)].Assigned.Count);
        Assert.Contains(
            "worker-2 joins", cluster.Journal.OfType<WorkersAssigned>().Last().Reason);

        cluster.Nodes([S(0), S(1)], [W(0), W(2)]);
        WorkersAssigned last = cluster.Journal.OfType<WorkersAssigned>().Last();
        Assert.Contains("worker-1 has left", last.Reason);
        Assert.Equal(4, last.Revision);
        Assert.Equal(5, last.Ranges.Sum(entry => entry.Range.Count));
        Assert.Single(cluster.Journal.OfType<GenerationOpened>());
        cluster.AssertReplays();
    }

    [Fact]
    public void With_too_few_workers_a_run_pauses_and_resumes_by_itself()
    {
        ScriptedCluster cluster = InTraining(options: new() { MinWorkers = 2 });
        cluster.Nodes(2, 1);
        Assert.Equal("1 of at least 2 workers are there", cluster.Last.Reason);
        Assert.Equal(MicroBatchRange.None, cluster.ToWorkers[W(0)].Assigned);

        cluster.Nodes(2, 2);
        Assert.IsType<RunPhase.Paused>(cluster.Phase);
        cluster.Worker(1);
        Assert.Equal(3, Assert.IsType<RunPhase.Training>(cluster.Phase).Lease.EndVersion);
        Assert.NotEqual(0, cluster.ToWorkers[W(0)].Assigned.Count);
        Assert.Single(cluster.Journal.OfType<GenerationOpened>());
        cluster.AssertReplays();
    }

    [Fact]
    public void A_lost_server_takes_the_run_back_to_its_newest_checkpoint()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        cluster.Epoch();
        cluster.Nodes([S(0), S(2), S(3)], [W(0), W(1)]);

        RunGeneration second = cluster.State.Open!;
        Assert.Equal(new Generation(2), second.Number);
        Assert.Equal([S(0), S(2), S(3)], second.Servers.ToArray());
        Assert.Equal(new SliceOrigin.Checkpoint(3, 3, 0), second.Origin);
        cluster.OpenAll();
        Assert.Equal(6, Assert.IsType<RunPhase.Training>(cluster.Phase).Lease.EndVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_lost_server_before_any_checkpoint_takes_the_run_back_to_its_first_weights()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        cluster.Reach(3);
        cluster.EvaluateAll();
        Assert.Single(cluster.State.Position.History);

        cluster.Nodes([S(1)], [W(0)]);
        Assert.IsType<SliceOrigin.FirstWeights>(cluster.State.Open!.Origin);
        Assert.Empty(cluster.State.Position.History);
        Assert.Null(cluster.State.BestVersion);
        cluster.AssertReplays();
    }

    [Fact]
    public void Servers_that_fail_are_tried_again_so_often_and_no_more()
    {
        ScriptedCluster cluster = InTraining(
            servers: 1, options: new() { MaxFailedGenerations = 3 });
        for (int i = 0; i < 3; i++)
        {
            Assert.IsNotType<RunPhase.Failed>(cluster.Phase);
            cluster.Server(0, status => status with
            {
                Phase = new SlicePhase.Failed("no memory"),
            });
            cluster.Tick(20);
        }

        Assert.Contains("no memory", Assert.IsType<RunPhase.Failed>(cluster.Phase).Reason);
        Assert.Equal(3, cluster.Journal.OfType<GenerationOpened>().Count());
        cluster.AssertReplays();
    }

    [Fact]
    public void Servers_that_do_not_open_in_time_are_named()
    {
        var cluster = new ScriptedCluster();
        cluster.Nodes(2, 1);
        cluster.Server(0);
        cluster.Tick(301);
        GenerationEnded ended = Assert.Single(cluster.Journal.OfType<GenerationEnded>());
        Assert.StartsWith("server-1 did not open", ended.Reason);
        Assert.True(ended.IsFailure);
    }

    [Fact]
    public void A_directive_is_sent_again_until_a_status_shows_it()
    {
        ScriptedCluster cluster = InTraining();
        cluster.AllServers();
        cluster.OpenAll();
        Assert.Empty(cluster.Tick(4).ToServers);
        Assert.Empty(cluster.Last.ToWorkers);
        Assert.Equal(2, cluster.Tick(1).ToServers.Length);
        Assert.Equal(2, cluster.Last.ToWorkers.Length);

        cluster.Nodes(2, 3);
        Assert.Equal(2, cluster.Last.ToServers.Length);
        Assert.Empty(cluster.Tick(0.5).ToServers);
        Assert.Equal([S(0), S(1)], cluster.Tick(0.6).ToServers.Select(order => order.To));
        DirectiveStamp stamp = cluster.ToServers[S(0)].Stamp;
        cluster.Server(0);
        Assert.Equal([S(1)], cluster.Tick(1.1).ToServers.Select(order => order.To));
        Assert.Equal(stamp, cluster.ToServers[S(0)].Stamp);
    }

    [Fact]
    public void What_is_stale_is_refused_by_its_reason()
    {
        ScriptedCluster cluster = InTraining();
        ServerStatus status = cluster.Run.Observed.Servers[S(0)];
        Refused(status, "after");
        Refused(status with { Number = 99, Run = new("other") }, "of run other");
        Refused(status with { Number = 99, Generation = new(7) }, "of g7");
        Refused(status with { Number = 99, Slice = 1 }, "does not hold slice 1");
        Refused(status with { Number = 99, Slice = -1 }, "does not hold slice -1");
        Refused(status with { Number = 99, Seen = new(new Term(2), 1) }, "has taken over");
        WorkerStatus worker = cluster.Run.Observed.Workers[W(0)];
        Assert.Contains(
            "after", cluster.Tell(new CoordinatorInput.WorkerReported(worker)).Refusal);
        Assert.Contains("no worker of the run", cluster.Tell(
            new CoordinatorInput.WorkerReported(worker with { Worker = W(9) })).Refusal);

        void Refused(ServerStatus stale, string reason)
        {
            RunCoordination before = cluster.Run;
            Decision decision = cluster.Tell(new CoordinatorInput.ServerReported(stale));
            Assert.Contains(reason, decision.Refusal);
            Assert.Same(before, cluster.Run);
            Assert.Empty(decision.Events);
        }
    }

    [Fact]
    public void Late_micro_batches_are_given_to_others_and_the_wait_has_a_name()
    {
        ScriptedCluster cluster = InTraining(workers: 4);
        MicroBatchRange late = cluster.ToWorkers[W(3)].Assigned;
        Wait(0.8);
        Assert.Equal(
            $"waiting for worker-3: micro-batches {late} of step 1, 0.8 s", cluster.Last.Reason);
        Assert.Equal([W(0)], Speculating());
        Assert.Equal(late, cluster.ToWorkers[W(0)].Speculation!.Ranges.Single());

        Wait(1.2);
        Assert.Single(Speculating());
        Wait(1.6);
        Assert.Equal([W(0), W(1)], Speculating());
        Wait(60);
        Assert.Equal(2, Speculating().Length);
        Assert.Equal(late, cluster.ToWorkers[W(3)].Assigned);

        void Wait(double seconds) => cluster.Server(1, status => status with
        {
            Wait = new SliceWait(1, [late], [], TimeSpan.FromSeconds(seconds)),
        });

        NodeId[] Speculating() =>
        [
            .. cluster.ToWorkers.Where(entry => entry.Value.Speculation is not null)
                .Select(entry => entry.Key).Order(),
        ];
    }

    [Fact]
    public void Whoever_is_faster_gets_more_from_the_next_epoch_on()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        cluster.Worker(0, status => status with { SecondsPerMicroBatch = 1 });
        cluster.Worker(1, status => status with { SecondsPerMicroBatch = 4 });
        cluster.Epoch();
        Assert.Equal(4, cluster.ToWorkers[W(0)].Assigned.Count);
        Assert.Equal(1, cluster.ToWorkers[W(1)].Assigned.Count);
    }

    [Fact]
    public void A_new_coordinator_goes_on_where_the_servers_still_hold_their_slices()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        CoordinatorState before = cluster.State;
        cluster.Recover();
        Assert.Equal(new Term(2), cluster.State.Term);
        Assert.Empty(cluster.Tick(1).ToServers);

        cluster.Nodes(2, 2);
        Assert.All(
            cluster.ToServers.Values, sent => Assert.Equal(new Term(2), sent.Stamp.Term));
        Assert.Equal(6, cluster.ToServers[S(0)].Lease.EndVersion);
        cluster.AllServers(status => status with { Version = 5 });
        cluster.Worker(0);
        cluster.Worker(1);
        Assert.Equal(before.Generation!.Number, cluster.State.Open!.Number);
        Assert.Equal(before.Generation.Revision, cluster.State.Open.Revision);
        Assert.Empty(cluster.Journal.OfType<RunPaused>());
        cluster.Epoch();
        Assert.Equal(2, cluster.State.Position.History.Length);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_new_coordinator_that_has_not_heard_of_the_workers_lets_them_go_on()
    {
        ScriptedCluster cluster = InTraining();
        MicroBatchRange before = cluster.ToWorkers[W(1)].Assigned;
        cluster.Recover();
        cluster.Nodes(2, 2);
        cluster.AllServers();
        Assert.IsType<RunPhase.Training>(cluster.Phase);
        Assert.Equal(new Term(2), cluster.ToWorkers[W(1)].Stamp.Term);
        Assert.Equal(before, cluster.ToWorkers[W(1)].Assigned);
    }

    [Fact]
    public void A_new_coordinator_goes_back_where_a_slice_is_gone()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        cluster.Recover();
        cluster.Nodes(2, 2);
        cluster.Server(0);
        cluster.Server(1, status => status with { Phase = new SlicePhase.Opening() });
        Assert.Equal(new Generation(2), cluster.State.Open!.Number);
        Assert.Equal(3, cluster.State.Open!.Origin.Version);
    }

    [Fact]
    public void A_user_ends_a_run_at_once()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        cluster.Tell(new CoordinatorInput.Stop());
        Assert.Contains("version 3 is kept", cluster.Last.Reason);
        Assert.All(cluster.ToServers.Values, directive => Assert.True(directive.Closed));
        Assert.All(cluster.ToWorkers.Values, directive => Assert.True(directive.Closed));
        Assert.Contains("over", cluster.Tell(new CoordinatorInput.Stop()).Refusal);
        Assert.NotNull(cluster.Tell(new CoordinatorInput.Pause()).Refusal);
        Assert.NotNull(cluster.Tell(new CoordinatorInput.Resume()).Refusal);
        cluster.AssertReplays();
    }
}
