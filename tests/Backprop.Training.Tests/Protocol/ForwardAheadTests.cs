using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using static Backprop.Training.Tests.Protocol.ProtocolFixtures;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A step is begun while its weights are coming, and what was begun counts only as long as
/// nothing has come between.</summary>
public sealed class ForwardAheadTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static readonly MicroBatchRange Assigned = new(0, 4);

    // 512 rows for this worker: any layer is worth a turn of the compute thread.
    private static readonly RunDimensions Wide = Dimensions with { Rows = 4096, BatchSize = 1024 };

    [Fact]
    public void Forward_goes_as_far_as_the_leading_layers_are_here()
    {
        // Layers: piece 0; pieces 1 and 2, of two slices; piece 3. Each has two views.
        WorkerState worker = Computed();
        Ahead(worker, version: 1, endView: 0);
        Assert.Equal(default, worker.TakeTask());
        Receive(worker, 0, 1);
        Ahead(worker, version: 1, endView: 2, continues: true);
        Receive(worker, 2, 1);
        Assert.Equal(default, worker.TakeTask());
        Receive(worker, 1, 1);
        Ahead(worker, version: 1, endView: 4, continues: true);
        Receive(worker, 3, 1);
        Take(worker, version: 1);
        Assert.Equal(Compute(1, continues: true), worker.TakeTask());
    }

    [Fact]
    public void What_is_waited_for_does_not_count_as_computing()
    {
        WorkerState worker = Whole();
        worker.TakeTask();
        worker.Computed(8 * Second);
        Ahead(worker, version: 1, endView: 0, took: Second);
        Receive(worker, 0, 1);
        Ahead(worker, version: 1, endView: 2, continues: true, took: Second);
        for (int piece = 1; piece < 4; piece++)
        {
            Receive(worker, piece, 1);
        }

        Take(worker, version: 1, Start + TimeSpan.FromHours(1));
        worker.TakeTask();
        worker.Computed(6 * Second);
        worker.Accept(ToWorker(sequence: 2), Start);
        Assert.True(worker.TryTakeStatus(out WorkerStatus? status));
        Assert.Equal(2, status.SecondsPerMicroBatch);
    }

    [Fact]
    public void Weights_that_are_whole_wait_for_the_part_under_way()
    {
        WorkerState worker = Computed();
        Assert.Equal(WorkerActivity.ComputeAhead, worker.TakeTask().Activity);
        ReceiveAll(worker, 1);
        Assert.Equal(default, worker.TakeTask());
        worker.ComputedAhead(Second);
        Take(worker, version: 1);
        Assert.Equal(Compute(1, continues: true), worker.TakeTask());
    }

    [Fact]
    public void A_newer_version_ends_what_was_begun_of_an_older_one()
    {
        WorkerState worker = Computed();
        Receive(worker, 0, 1);
        Ahead(worker, version: 1, endView: 2);
        Receive(worker, 0, 2);
        Ahead(worker, version: 2, endView: 2);
        for (int piece = 1; piece < 4; piece++)
        {
            Receive(worker, piece, 2);
        }

        Take(worker, version: 2);
        Assert.Equal(Compute(2, continues: true), worker.TakeTask());
    }

    [Fact]
    public void What_was_computed_with_weights_that_were_overwritten_is_not_used()
    {
        WorkerState worker = Computed();
        Receive(worker, 0, 1);
        Assert.Equal(2, worker.TakeTask().EndView);
        ReceiveAll(worker, 2);
        worker.ComputedAhead(Second);
        Take(worker, version: 2);
        Assert.Equal(Compute(2, continues: false), worker.TakeTask());
    }

    [Fact]
    public void Speculation_on_the_step_at_hand_goes_before_what_was_begun()
    {
        WorkerState worker = Computed();
        Ahead(worker, version: 1, endView: 0);
        worker.Accept(
            ToWorker(sequence: 2) with { Speculation = new Speculation(0, [new(6, 8)]) }, Start);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Compute, 0, new MicroBatchRange(6, 8)),
            worker.TakeTask());
        ReceiveAll(worker, 1);
        worker.Computed(Second);
        Take(worker, version: 1);
        Assert.Equal(Compute(1, continues: false), worker.TakeTask());
    }

    [Fact]
    public void Other_micro_batches_are_begun_anew()
    {
        WorkerState worker = Computed();
        Receive(worker, 0, 1);
        Ahead(worker, version: 1, endView: 2);
        var other = new MicroBatchRange(0, 2);
        worker.Accept(ToWorker(sequence: 2) with { Assigned = other }, Start);
        WorkerTask again = worker.TakeTask();
        Assert.Equal(new WorkerTask(WorkerActivity.ComputeAhead, 1, other, 2), again);
        worker.Accept(ToWorker(sequence: 3), Start);
        worker.ComputedAhead(Second);
        for (int piece = 1; piece < 4; piece++)
        {
            Receive(worker, piece, 1);
        }

        Take(worker, version: 1);
        Assert.Equal(Compute(1, continues: false), worker.TakeTask());
    }

    [Fact]
    public void Who_has_no_micro_batches_begins_nothing()
    {
        WorkerState worker = Computed();
        worker.Accept(
            ToWorker(sequence: 2) with { Assigned = MicroBatchRange.None }, Start);
        Receive(worker, 0, 1);
        Assert.Equal(default, worker.TakeTask());
    }

    [Fact]
    public void The_lease_bounds_what_is_begun()
    {
        WorkerState worker = Computed(lease: 1);
        Receive(worker, 0, 1);
        Assert.Equal(default, worker.TakeTask());
        worker.Accept(ToWorker(sequence: 2, lease: 2), Start);
        Ahead(worker, version: 1, endView: 2);
        worker.Accept(ToWorker(sequence: 3, lease: 1), Start);
        Receive(worker, 1, 1);
        Receive(worker, 2, 1);
        Assert.Equal(default, worker.TakeTask());
        Receive(worker, 3, 1);
        Take(worker, version: 1);
        Assert.Equal(default, worker.TakeTask());
        worker.Accept(ToWorker(sequence: 4, lease: 2), Start);
        Assert.Equal(Compute(1, continues: true), worker.TakeTask());
    }

    [Fact]
    public void An_evaluation_overwrites_what_was_begun()
    {
        WorkerState worker = Computed();
        Ahead(worker, version: 1, endView: 0);
        var request = new EvaluationRequest(1, new MicroBatchRange(2, 4));
        worker.Accept(ToWorker(sequence: 2) with { Evaluation = request }, Start);
        Receive(worker, 0, 1);
        Assert.Equal(default, worker.TakeTask());
        for (int piece = 1; piece < 4; piece++)
        {
            Receive(worker, piece, 1);
        }

        Take(worker, version: 1);
        Assert.Equal(WorkerActivity.Evaluate, worker.TakeTask().Activity);
        worker.Evaluated(new MetricsPart(2, [0.5, 0.25], [], []));
        Assert.Equal(Compute(1, continues: false), worker.TakeTask());
    }

    [Fact]
    public void A_run_that_is_over_waits_for_no_weights()
    {
        WorkerState between = Computed();
        Ahead(between, version: 1, endView: 0);
        between.Accept(ToWorker(sequence: 2) with { Closed = true }, Start);
        Assert.Equal(WorkerActivity.Close, between.TakeTask().Activity);

        WorkerState within = Computed();
        within.TakeTask();
        within.Accept(ToWorker(sequence: 2) with { Closed = true }, Start);
        Assert.Equal(default, within.TakeTask());
        within.ComputedAhead(Second);
        Assert.Equal(WorkerActivity.Close, within.TakeTask().Activity);

        WorkerState failed = Computed();
        failed.TakeTask();
        failed.Failed("no more data");
        ReceiveNothing(failed);
        Assert.Equal(default, failed.TakeTask());
    }

    [Fact]
    public void Pieces_that_are_missing_are_asked_for_while_a_part_is_computed()
    {
        WorkerState worker = Computed();
        Receive(worker, 0, 1);
        worker.TakeTask();
        WorkerResend resend = worker.Look(worker.NextLook)!;
        Assert.Equal([1, 2, 3], resend.Requests.SelectMany(entry => entry.Request.Pieces));
    }

    [Fact]
    public void A_step_that_takes_no_longer_than_a_turn_of_the_thread_is_not_begun()
    {
        WorkerState worker = Computed(dimensions: Dimensions);
        Receive(worker, 0, 1);
        Assert.Equal(default, worker.TakeTask());
    }

    [Fact]
    public void A_layer_that_is_not_worth_a_turn_waits_for_the_next()
    {
        // 32 rows: 32,896 parameters are not worth it, with 38,704 more they are.
        WorkerState worker = Computed(
            dimensions: Dimensions with { Rows = 256, BatchSize = 64 });
        Ahead(worker, version: 1, endView: 0);
        Receive(worker, 0, 1);
        Assert.Equal(default, worker.TakeTask());
        Receive(worker, 1, 1);
        Receive(worker, 2, 1);
        Ahead(worker, version: 1, endView: 4, continues: true);
    }

    private static WorkerTask Compute(long version, bool continues) =>
        new(WorkerActivity.Compute, version, Assigned, Continues: continues);

    private static void Ahead(
        WorkerState worker, long version, int endView, bool continues = false,
        TimeSpan took = default)
    {
        Assert.Equal(
            new WorkerTask(WorkerActivity.ComputeAhead, version, Assigned, endView, continues),
            worker.TakeTask());
        worker.ComputedAhead(took);
    }

    // It has computed its micro-batches of step 0.
    private static WorkerState Computed(long lease = 4, RunDimensions? dimensions = null)
    {
        WorkerState worker = Whole(lease, dimensions);
        Assert.Equal(Compute(0, continues: false), worker.TakeTask());
        worker.Computed(Second);
        return worker;
    }

    private static WorkerState Whole(long lease = 4, RunDimensions? dimensions = null)
    {
        var worker = new WorkerState(
            Run, dimensions ?? Wide, Self, ToWorker(lease: lease), Start);
        worker.TakeTask();
        worker.Opened(Start);
        ReceiveAll(worker, 0);
        Take(worker, version: 0);
        return worker;
    }

    private static void Receive(WorkerState worker, int piece, long version) => Assert.Equal(
        ArrivalVerdict.Entered, worker.EnterPiece(Weights(piece, version), LengthOf(piece)));

    private static void ReceiveNothing(WorkerState worker) => Assert.Equal(
        ArrivalVerdict.NotOpen, worker.EnterPiece(Weights(0, 1), LengthOf(0)));

    private static void ReceiveAll(WorkerState worker, long version)
    {
        for (int piece = 0; piece < Slices.Pieces.Length; piece++)
        {
            Receive(worker, piece, version);
        }
    }

    private static void Take(WorkerState worker, long version, TimeSpan? at = null)
    {
        Assert.Equal(
            new WorkerTask(WorkerActivity.TakeReplica, version, MicroBatchRange.None),
            worker.TakeTask());
        worker.ReplicaTaken(at ?? Start);
    }
}
