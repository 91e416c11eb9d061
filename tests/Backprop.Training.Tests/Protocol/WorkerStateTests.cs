using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using static Backprop.Training.Tests.Protocol.ProtocolFixtures;

namespace Backprop.Training.Tests.Protocol;

/// <summary>What a worker computes, when, and what it does about what is lost.</summary>
public sealed class WorkerStateTests
{
    private static readonly int PieceCount = Slices.Pieces.Length;

    [Fact]
    public void It_observes_until_its_replica_is_whole_and_then_computes_its_micro_batches()
    {
        WorkerState worker = Open();
        Assert.True(worker.TryTakeStatus(out WorkerStatus? status));
        Assert.IsType<WorkerPhase.Observing>(status.Phase);
        for (int piece = 0; piece < PieceCount; piece++)
        {
            Assert.Equal(default, worker.TakeTask());
            Receive(worker, piece, 0);
        }

        Take(worker, version: 0);
        Assert.True(worker.TryTakeStatus(out status));
        Assert.IsType<WorkerPhase.Whole>(status.Phase);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Compute, 0, new MicroBatchRange(0, 4)),
            worker.TakeTask());
        Assert.Equal(default, worker.TakeTask());
        worker.Computed(TimeSpan.FromSeconds(2));
        Assert.Equal(default, worker.TakeTask());
        worker.Accept(ToWorker(), Start);
        Assert.True(worker.TryTakeStatus(out status));
        Assert.Equal(0.5, status.SecondsPerMicroBatch);
    }

    [Fact]
    public void Pieces_are_refused_by_name()
    {
        WorkerState worker = Open();
        WeightsHeader right = Weights(0, 3);
        int length = LengthOf(0);
        Assert.Equal(ArrivalVerdict.Entered, worker.EnterPiece(right, length));
        Assert.Equal(ArrivalVerdict.Duplicate, worker.EnterPiece(right, length));
        Assert.Equal(
            ArrivalVerdict.StaleStep, worker.EnterPiece(right with { Version = 2 }, length));
        Assert.Equal(
            ArrivalVerdict.OtherRun,
            worker.EnterPiece(right with { Run = new RunId("x") }, length));
        Assert.Equal(
            ArrivalVerdict.StaleGeneration,
            worker.EnterPiece(right with { Generation = new Generation(2) }, length));
        Assert.Equal(
            ArrivalVerdict.UnknownGeneration,
            worker.EnterPiece(right with { Generation = new Generation(4) }, length));
        Assert.Equal(
            ArrivalVerdict.OtherSlice, worker.EnterPiece(right with { Piece = -1 }, length));
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            worker.EnterPiece(right with { Piece = PieceCount }, length));
        Assert.Equal(ArrivalVerdict.WrongLength, worker.EnterPiece(right, length + 1));
        Assert.Equal(
            ArrivalVerdict.FutureStep, worker.EnterPiece(right with { Version = 11 }, length));
        Assert.Equal(
            ArrivalVerdict.FutureStep, worker.EnterPiece(right with { Version = -1 }, length));
    }

    [Fact]
    public void A_newer_version_takes_the_place_of_one_that_is_not_whole()
    {
        WorkerState worker = Open();
        for (int piece = 1; piece < PieceCount; piece++)
        {
            Receive(worker, piece, 2);
        }

        Receive(worker, 0, 3);
        Assert.Equal(3, worker.PendingVersion);
        Assert.Equal(ArrivalVerdict.StaleStep, worker.EnterPiece(Weights(0, 2), LengthOf(0)));
        Assert.Equal(default, worker.TakeTask());
        for (int piece = 1; piece < PieceCount; piece++)
        {
            Receive(worker, piece, 3);
        }

        Take(worker, version: 3);
    }

    [Fact]
    public void The_replica_is_not_taken_while_it_is_computed_with()
    {
        WorkerState worker = Whole();
        Assert.Equal(WorkerActivity.Compute, worker.TakeTask().Activity);
        ReceiveAll(worker, 1);
        Assert.Equal(default, worker.TakeTask());
        worker.Computed(TimeSpan.FromSeconds(1));
        Take(worker, version: 1);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Compute, 1, new MicroBatchRange(0, 4)),
            worker.TakeTask());
    }

    [Fact]
    public void A_new_assignment_in_the_middle_of_a_step_adds_what_is_not_computed_yet()
    {
        WorkerState worker = Whole();
        worker.TakeTask();
        worker.Computed(TimeSpan.FromSeconds(1));
        worker.Accept(ToWorker(sequence: 2) with { Assigned = new MicroBatchRange(2, 6) }, Start);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Compute, 0, new MicroBatchRange(4, 6)),
            worker.TakeTask());
        worker.Computed(TimeSpan.FromSeconds(1));
        Assert.Equal(default, worker.TakeTask());
        ReceiveAll(worker, 1);
        Take(worker, version: 1);
        Assert.Equal(new MicroBatchRange(2, 6), worker.TakeTask().Range);
    }

    [Fact]
    public void What_is_late_elsewhere_is_computed_as_well_in_that_step_alone()
    {
        WorkerState worker = Whole();
        worker.TakeTask();
        worker.Computed(TimeSpan.FromSeconds(1));
        worker.Accept(
            ToWorker(sequence: 2) with
            {
                Speculation = new Speculation(0, [new(3, 5), new(6, 8)]),
            },
            Start);
        Assert.Equal(new MicroBatchRange(4, 5), worker.TakeTask().Range);
        worker.Computed(TimeSpan.FromSeconds(1));
        Assert.Equal(new MicroBatchRange(6, 8), worker.TakeTask().Range);
        worker.Computed(TimeSpan.FromSeconds(1));
        ReceiveAll(worker, 1);
        Take(worker, version: 1);
        Assert.Equal(new MicroBatchRange(0, 4), worker.TakeTask().Range);
        worker.Computed(TimeSpan.FromSeconds(1));
        Assert.Equal(default, worker.TakeTask());
    }

    [Fact]
    public void The_lease_bounds_what_is_computed()
    {
        WorkerState worker = Whole(lease: 1);
        worker.TakeTask();
        worker.Computed(TimeSpan.FromSeconds(1));
        ReceiveAll(worker, 1);
        Take(worker, version: 1);
        Assert.Equal(default, worker.TakeTask());
        Assert.Contains("lease", worker.Wait);
        Assert.Null(worker.Look(Start + TimeSpan.FromHours(1)));
        worker.Accept(ToWorker(sequence: 2, lease: 4), Start);
        Assert.Equal(WorkerActivity.Compute, worker.TakeTask().Activity);
    }

    [Fact]
    public void It_evaluates_the_version_asked_for_once()
    {
        WorkerState worker = Whole(lease: 1);
        var request = new EvaluationRequest(1, new MicroBatchRange(2, 4));
        worker.TakeTask();
        worker.Computed(TimeSpan.FromSeconds(1));
        worker.Accept(ToWorker(sequence: 2, lease: 1) with { Evaluation = request }, Start);
        Assert.Equal(default, worker.TakeTask());
        ReceiveAll(worker, 1);
        Take(worker, version: 1);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Evaluate, 1, request.Range), worker.TakeTask());
        var part = new MetricsPart(2, [0.5, 0.25], [], []);
        worker.Evaluated(part);
        Assert.True(worker.TryTakeStatus(out WorkerStatus? status));
        Assert.Equal(new EvaluationDone(request, part), status.Evaluation);
        worker.Accept(ToWorker(sequence: 3, lease: 1) with { Evaluation = request }, Start);
        Assert.Equal(default, worker.TakeTask());
    }

    [Fact]
    public void It_asks_for_the_average_that_it_is_to_evaluate_until_that_is_whole()
    {
        WorkerState worker = Whole(lease: 0, evaluatesAverage: true);
        var request = new EvaluationRequest(0, new MicroBatchRange(2, 4));
        Assert.Null(worker.Look(Start));
        worker.Accept(ToWorker(sequence: 2, lease: 0) with { Evaluation = request }, Start);
        Assert.Equal(default, worker.TakeTask());
        WorkerResend asks = worker.Look(Start)!;
        Assert.False(asks.PushAgain);
        Assert.All(asks.Requests, one => Assert.Equal(0, one.Request.AtLeast));
        Assert.Equal(
            Enumerable.Range(PieceCount, PieceCount),
            asks.Requests.SelectMany(one => one.Request.Pieces));

        // The last one is lost, and asked for again.
        for (int piece = 0; piece < PieceCount - 1; piece++)
        {
            Receive(worker, PieceCount + piece, 0);
            Assert.Equal(default, worker.TakeTask());
        }

        int last = (2 * PieceCount) - 1;
        Assert.Equal(
            last, worker.Look(worker.NextLook)!.Requests.Single().Request.Pieces.Single());
        Assert.Equal(ArrivalVerdict.Duplicate, Enter(worker, PieceCount, 0));
        Assert.Equal(ArrivalVerdict.StaleStep, Enter(worker, last, 1));
        Assert.Equal(ArrivalVerdict.OtherSlice, Enter(worker, last + 1, 0));
        Receive(worker, last, 0);
        Assert.Equal(
            new WorkerTask(WorkerActivity.Evaluate, 0, request.Range), worker.TakeTask());
        Assert.Equal(ArrivalVerdict.StaleStep, Enter(worker, last, 0));
        Assert.Null(worker.Look(worker.NextLook));
        worker.Evaluated(new MetricsPart(2, [0.5, 0.25], [], []));
        Assert.Equal(default, worker.TakeTask());
        Assert.Null(worker.Look(worker.NextLook));
    }

    [Fact]
    public void When_nothing_comes_it_pushes_again_and_asks_for_what_it_lacks()
    {
        WorkerState worker = Whole();
        worker.TakeTask();
        Assert.Null(worker.Look(Start + StepTimes.Initial));
        worker.Computed(TimeSpan.FromSeconds(1));
        Receive(worker, 0, 1);
        WorkerResend resend = worker.Look(worker.NextLook)!;
        Assert.True(resend.PushAgain);
        Assert.Equal([0, 1], resend.Requests.Select(entry => entry.Slice));
        Assert.All(resend.Requests, entry => Assert.Equal(1, entry.Request.AtLeast));
        Assert.Equal(
            Enumerable.Range(1, PieceCount - 1),
            resend.Requests.SelectMany(entry => entry.Request.Pieces));
    }

    [Fact]
    public void What_is_late_is_asked_for_though_training_stands_for_a_moment_again_and_again()
    {
        WorkerState worker = Whole();
        worker.TakeTask();
        worker.Computed(TimeSpan.Zero);
        TimeSpan time = Start;
        WorkerResend? resend = null;
        for (long sequence = 2; sequence < 20 && resend is null; sequence += 2)
        {
            time += StepTimes.Initial / 3;
            worker.Accept(ToWorker(sequence, lease: 0), time);
            worker.Accept(ToWorker(sequence + 1), time);
            resend = worker.Look(time);
        }

        Assert.True(resend?.PushAgain);
    }

    [Fact]
    public void Directives_of_earlier_terms_sequences_and_generations_are_refused()
    {
        WorkerState worker = Open();
        WorkerDirective next = ToWorker(sequence: 2);
        Assert.Equal(DirectiveVerdict.Accepted, worker.Accept(next, Start).Verdict);
        Assert.Equal(DirectiveVerdict.Seen, worker.Accept(ToWorker(), Start).Verdict);
        WorkerDirective third = ToWorker(sequence: 3);
        Assert.Equal(
            DirectiveVerdict.Stale,
            worker.Accept(
                third with { Stamp = new DirectiveStamp(new Term(1), 3) }, Start).Verdict);
        Assert.Equal(
            DirectiveVerdict.Stale,
            worker.Accept(third with { Generation = new Generation(2) }, Start).Verdict);
        Assert.Equal(
            DirectiveVerdict.Reopen,
            worker.Accept(third with { Generation = new Generation(4) }, Start).Verdict);
        WorkerDirective[] wrong =
        [
            third with { Run = new RunId("x") },
            third with { Run = new RunId("not a name") },
            third with { Servers = [Other] },
            third with { Assigned = new MicroBatchRange(0, 9) },
            third with { Assigned = new MicroBatchRange(4, 2) },
            third with { Assigned = new MicroBatchRange(-1, 2) },
            third with { Speculation = new Speculation(0, [new(2, 4), new(3, 5)]) },
            third with { Speculation = new Speculation(-1, []) },
            third with { Verifies = new MicroBatchRange(0, 9) },
            third with { Recheck = new Recheck(-1, new MicroBatchRange(0, 1)) },
            third with { Recheck = new Recheck(1, new MicroBatchRange(0, 9)) },
            third with { Lease = new Lease(11, 0) },
            third with { Evaluation = new EvaluationRequest(1, new MicroBatchRange(0, 7)) },
        ];
        Assert.All(wrong, directive => Assert.Equal(
            DirectiveVerdict.Invalid, worker.Accept(directive, Start).Verdict));
    }

    [Fact]
    public void Another_workers_micro_batches_are_verified_after_the_own_and_in_the_same_version()
    {
        WorkerState worker = Whole(verifies: new MicroBatchRange(4, 8));
        Assert.Equal(WorkerActivity.Compute, worker.TakeTask().Activity);
        ReceiveAll(worker, 1);
        worker.Computed(TimeSpan.FromSeconds(1));

        Assert.Equal(
            new WorkerTask(WorkerActivity.Verify, 0, new MicroBatchRange(4, 8)),
            worker.TakeTask());
        Assert.Null(worker.Look(Start + TimeSpan.FromHours(1)));
        worker.Verified();
        Take(worker, version: 1);
        Assert.Equal(WorkerActivity.Compute, worker.TakeTask().Activity);
    }

    [Fact]
    public void Nothing_is_verified_that_others_have_gone_on_from_before_the_own_was_computed()
    {
        WorkerState worker = Whole(verifies: new MicroBatchRange(4, 8));
        ReceiveAll(worker, 1);

        Take(worker, version: 1);
    }

    [Fact]
    public void A_third_vote_is_given_past_the_lease_and_again_when_it_is_asked_for_again()
    {
        WorkerState worker = Whole(lease: 0);
        Assert.Equal(default, worker.TakeTask());
        WorkerDirective asks = ToWorker(sequence: 2, lease: 0) with
        {
            Recheck = new Recheck(0, new MicroBatchRange(2, 4)),
        };
        worker.Accept(asks, Start);

        for (int vote = 0; vote < 2; vote++)
        {
            Assert.Equal(
                new WorkerTask(WorkerActivity.Verify, 0, new MicroBatchRange(2, 4)),
                worker.TakeTask());
            worker.Verified();
            Assert.Equal(default, worker.TakeTask());
            Assert.Equal(DirectiveVerdict.Seen, worker.Accept(asks, Start).Verdict);
        }
    }

    private static WorkerState Open(
        long lease = 4, MicroBatchRange verifies = default, bool evaluatesAverage = false)
    {
        var worker = new WorkerState(
            Run, Dimensions with { EvaluatesAverage = evaluatesAverage }, Self,
            ToWorker(lease: lease) with { Verifies = verifies }, Start)
        {
            Verification = new VerificationRule(1, 1),
        };
        Assert.Equal(WorkerActivity.Open, worker.TakeTask().Activity);
        Assert.Equal(
            ArrivalVerdict.NotOpen, worker.EnterPiece(Weights(0, 0), LengthOf(0)));
        worker.Opened(Start);
        return worker;
    }

    private static WorkerState Whole(
        long lease = 4, MicroBatchRange verifies = default, bool evaluatesAverage = false)
    {
        WorkerState worker = Open(lease, verifies, evaluatesAverage);
        ReceiveAll(worker, 0);
        Take(worker, version: 0);
        return worker;
    }

    private static void Receive(WorkerState worker, int piece, long version) =>
        Assert.Equal(ArrivalVerdict.Entered, Enter(worker, piece, version));

    private static ArrivalVerdict Enter(WorkerState worker, int piece, long version) =>
        worker.EnterPiece(Weights(piece, version), Slices.PieceOf(piece).Length);

    private static void ReceiveAll(WorkerState worker, long version)
    {
        for (int piece = 0; piece < PieceCount; piece++)
        {
            Receive(worker, piece, version);
        }
    }

    private static void Take(WorkerState worker, long version)
    {
        Assert.Equal(
            new WorkerTask(WorkerActivity.TakeReplica, version, MicroBatchRange.None),
            worker.TakeTask());
        worker.ReplicaTaken(Start);
        Assert.Equal(version, worker.Version);
    }
}
