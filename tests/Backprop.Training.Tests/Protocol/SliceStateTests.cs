using Backprop.Engine.Gradients;
using Backprop.Engine.Optimizers;
using Backprop.Training.Protocol;
using static Backprop.Training.Tests.Protocol.ProtocolFixtures;

namespace Backprop.Training.Tests.Protocol;

/// <summary>What a parameter server takes, what it refuses, and when it goes on.</summary>
public sealed class SliceStateTests
{
    private static readonly TreeNode Root = GradientTree.Root(8);

    private static readonly int OwnPieces = Slices.FirstPiece(1);

    private static readonly ParameterPieces AllSums = new(Dimensions.Layout);

    private static readonly int OwnSums = AllSums.FirstOfBlock(Slices.FirstBlock(1));

    [Fact]
    public void A_step_is_prepared_when_gradient_and_loss_are_whole_and_applied_with_all_sums()
    {
        SliceState slice = Open();
        for (int piece = 0; piece < OwnPieces; piece++)
        {
            Assert.Equal(SliceWork.None, slice.TakeWork());
            Push(slice, piece, Root);
        }

        Assert.Equal(SliceWork.None, slice.TakeWork());
        slice.EnterLoss(Loss(Root, 5));
        Assert.Equal(SliceWork.Prepare, slice.TakeWork());
        Assert.Equal(SliceWork.None, slice.TakeWork());
        slice.Prepared(SumsOf(OwnSums, 9));
        Assert.Equal(SliceWork.None, slice.TakeWork());
        Assert.Equal(
            ArrivalVerdict.Entered,
            slice.EnterSums(Sums(slice: 1), SumsOf(AllSums.All.Length - OwnSums, 16), out _));

        Assert.Equal(SliceWork.Apply, slice.TakeWork());
        double norm = Math.Sqrt((9.0 * OwnSums) + (16.0 * (AllSums.All.Length - OwnSums)));
        Assert.Equal(
            new UpdateStep(0, 0.5f, new Clipping(null, 1).ScaleFor(norm), 8), slice.Update);
        slice.Applied(Start);
        Assert.Equal(1, slice.Version);
        Assert.Equal(SliceWork.None, slice.TakeWork());
    }

    [Fact]
    public void What_is_pushed_is_refused_by_name()
    {
        SliceState slice = Open();
        int length = LengthOf(0);
        GradientHeader right = Gradient(0, new TreeNode(1, 1));
        Assert.Equal(ArrivalVerdict.Entered, slice.EnterGradient(right, length));
        Assert.Equal(ArrivalVerdict.Duplicate, slice.EnterGradient(right, length));
        Assert.Equal(
            ArrivalVerdict.Duplicate,
            slice.EnterGradient(right with { Node = new TreeNode(0, 2) }, length));
        Assert.Equal(
            ArrivalVerdict.OtherRun,
            slice.EnterGradient(right with { Run = new RunId("x") }, length));
        Assert.Equal(
            ArrivalVerdict.StaleGeneration,
            slice.EnterGradient(right with { Generation = new Generation(2) }, length));
        Assert.Equal(
            ArrivalVerdict.UnknownGeneration,
            slice.EnterGradient(right with { Generation = new Generation(4) }, length));
        Assert.Equal(
            ArrivalVerdict.FutureStep, slice.EnterGradient(right with { Step = 1 }, length));
        Assert.Equal(
            ArrivalVerdict.StaleStep, slice.EnterGradient(right with { Step = -1 }, length));
        Assert.Equal(
            ArrivalVerdict.OtherSlice, slice.EnterGradient(right with { Piece = -1 }, length));
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            slice.EnterGradient(right with { Piece = OwnPieces }, length));
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            slice.EnterGradient(right with { Piece = int.MaxValue }, length));
        Assert.Equal(ArrivalVerdict.WrongLength, slice.EnterGradient(right, length - 1));
        Assert.Equal(
            ArrivalVerdict.NotInTree,
            slice.EnterGradient(right with { Node = new TreeNode(0, 8) }, length));
        Assert.Equal(
            ArrivalVerdict.NotInTree,
            slice.EnterGradient(right with { Node = new TreeNode(-1, 0) }, length));
    }

    [Fact]
    public void Before_it_is_open_nothing_is_entered()
    {
        var slice = new SliceState(Server, Self, ToServer(), Start);
        Assert.Equal(
            ArrivalVerdict.NotOpen, slice.EnterGradient(Gradient(0, Root), LengthOf(0)));
        Assert.Equal(ArrivalVerdict.NotOpen, slice.EnterLoss(Loss(Root, 1)));
    }

    [Fact]
    public void A_larger_node_supersedes_what_it_covers()
    {
        SliceState slice = Open();
        slice.EnterGradient(Gradient(0, new TreeNode(0, 1)), LengthOf(0));
        slice.EnterGradient(Gradient(0, new TreeNode(0, 3)), LengthOf(0));
        Assert.False(slice.TryFold(0, out _));
        Assert.Equal(
            ArrivalVerdict.Entered,
            slice.EnterGradient(Gradient(0, new TreeNode(2, 0)), LengthOf(0)));
        Assert.Equal([1, 3], slice.Superseded.Order());
        slice.EnterGradient(Gradient(0, new TreeNode(2, 1)), LengthOf(0));
        Assert.Empty(slice.Superseded);
        Assert.True(slice.TryFold(0, out Fold fold));
        Assert.Equal(new Fold(0, 4), fold);
        Assert.False(slice.TryFold(0, out _));
        Assert.True(slice.IsWhole(0));
    }

    [Fact]
    public void Directives_of_earlier_terms_sequences_and_generations_are_refused()
    {
        SliceState slice = Open();
        ServerDirective next = ToServer(sequence: 2);
        Assert.Equal(DirectiveVerdict.Accepted, slice.Accept(next, Start).Verdict);
        Assert.Equal(DirectiveVerdict.Seen, slice.Accept(next, Start).Verdict);
        Assert.Equal(DirectiveVerdict.Seen, slice.Accept(ToServer(), Start).Verdict);
        Assert.Equal(
            DirectiveVerdict.Stale,
            slice.Accept(
                next with { Stamp = new DirectiveStamp(new Term(1), 99) }, Start).Verdict);
        ServerDirective third = ToServer(sequence: 3);
        Assert.Equal(
            DirectiveVerdict.Stale,
            slice.Accept(third with { Generation = new Generation(2) }, Start).Verdict);
        Assert.Equal(
            DirectiveVerdict.Reopen,
            slice.Accept(third with { Generation = new Generation(4) }, Start).Verdict);
        Assert.Equal(
            DirectiveVerdict.Accepted,
            slice.Accept(
                third with { Stamp = new DirectiveStamp(new Term(3), 1) }, Start).Verdict);
    }

    [Fact]
    public void A_directive_that_does_not_fit_is_refused_with_its_reason()
    {
        SliceState slice = Open();
        ServerDirective next = ToServer(sequence: 2);
        ServerDirective[] wrong =
        [
            next with { Run = new RunId("x") },
            next with { Servers = [Self] },
            next with { Servers = [Other, Self] },
            next with { Servers = [Self, Self] },
            next with { Slice = 1 },
            next with { Slice = -1 },
            next with { Origin = new SliceOrigin.Checkpoint(2, null, 0) },
            next with { Lease = new Lease(5, 0) },
            next with { Lease = new Lease(4, -1) },
            next with { CheckpointVersion = 11 },
            next with { BestVersion = -1 },
            next with { Workers = default },
        ];
        foreach (ServerDirective directive in wrong)
        {
            DirectiveAnswer answer = slice.Accept(directive, Start);
            Assert.Equal(DirectiveVerdict.Invalid, answer.Verdict);
            Assert.NotEmpty(answer.Reason);
        }

        Assert.Equal(DirectiveVerdict.Accepted, slice.Accept(next, Start).Verdict);
    }

    [Fact]
    public void A_directive_that_is_repeated_is_answered_by_the_status_again()
    {
        SliceState slice = Open();
        Assert.True(slice.TryTakeStatus(out ServerStatus? first));
        Assert.IsType<SlicePhase.Open>(first.Phase);
        Assert.False(slice.TryTakeStatus(out _));
        slice.Accept(ToServer(), Start);
        Assert.True(slice.TryTakeStatus(out ServerStatus? again));
        Assert.Equal(first with { Number = first.Number + 1 }, again);
    }

    [Fact]
    public void The_lease_bounds_what_is_applied_and_its_end_is_reported()
    {
        SliceState slice = Open(lease: 1);
        Step(slice, loss: 5);
        slice.TryTakeStatus(out _);
        Assert.Equal(SliceWork.CheckWeights, slice.TakeWork());
        slice.WeightsChecked(areFinite: true);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal((1, 5.0), (status.Lease!.Version, status.Lease.LossSum));
        Assert.Equal(3, status.Lease.Layers.Length);
        MakeWhole(slice, loss: 1);
        Assert.Equal(SliceWork.None, slice.TakeWork());
        slice.Accept(ToServer(sequence: 2, lease: 4), Start);
        Assert.Equal(SliceWork.Prepare, slice.TakeWork());
    }

    [Fact]
    public void The_epochs_loss_is_added_step_by_step_and_begins_anew_with_the_epoch()
    {
        SliceState slice = Open();
        foreach (double loss in new[] { 0.1, 0.2, 0.3, 1e9 })
        {
            Step(slice, loss);
        }

        Assert.Equal(0.1 + 0.2 + 0.3 + 1e9, LeaseEnd(slice).LossSum);
        slice.Accept(ToServer(sequence: 2, lease: 5), Start);
        Step(slice, 7);
        Assert.Equal(7, LeaseEnd(slice).LossSum);
    }

    [Fact]
    public void Numbers_that_are_not_finite_stop_it_before_anything_is_written()
    {
        SliceState slice = Open();
        Step(slice, 1);
        MakeWhole(slice, 1);
        slice.TakeWork();
        slice.Prepared(SumsOf(OwnSums, 1));
        PieceSums[] others = SumsOf(AllSums.All.Length - OwnSums, 1);
        others[0] = new PieceSums(double.NaN, 0, 0);
        slice.EnterSums(Sums(1, step: 1), others, out _);
        Assert.Equal(SliceWork.None, slice.TakeWork());
        Assert.Equal(1, slice.NonFinite!.Step);
        Assert.Equal(1, slice.NonFinite.LastGoodVersion);
        Assert.Contains("gradient of", slice.NonFinite.What);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal(slice.NonFinite, status.NonFinite);
        Assert.Equal(SliceWork.None, slice.TakeWork());
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_every_server()
    {
        SliceState slice = Open();
        Step(slice, 1);
        MakeWhole(slice, double.PositiveInfinity);
        slice.TakeWork();
        slice.Prepared(SumsOf(OwnSums, 1));
        Assert.Equal(double.PositiveInfinity, slice.HeaderOfSums(to: 1).LossSum);
        slice.EnterSums(
            Sums(1, step: 1), SumsOf(AllSums.All.Length - OwnSums, 1), out _);
        Assert.Equal(SliceWork.None, slice.TakeWork());
        Assert.Contains("the loss", slice.NonFinite!.What);
    }

    [Fact]
    public void Weights_that_are_not_finite_are_undone_to_the_version_before()
    {
        SliceState slice = Open();
        Step(slice, 1);
        MakeWhole(slice, 1);
        slice.TakeWork();
        PieceSums[] sums = SumsOf(OwnSums, 1);
        sums[^1] = new PieceSums(0, double.PositiveInfinity, 0);
        slice.Prepared(sums);
        slice.EnterSums(
            Sums(1, step: 1), SumsOf(AllSums.All.Length - OwnSums, 1), out _);
        Assert.Equal(SliceWork.None, slice.TakeWork());
        Assert.Equal(0, slice.NonFinite!.LastGoodVersion);
    }

    [Fact]
    public void At_the_end_of_a_run_that_is_not_finite_it_goes_back_by_one_and_no_further()
    {
        SliceState slice = Open(lease: 2);
        Step(slice, 3);
        Step(slice, 4);
        slice.TakeWork();
        slice.WeightsChecked(areFinite: false);
        slice.Accept(ToServer(sequence: 2, lease: 1) with { CheckpointVersion = 1 }, Start);
        Assert.Equal(SliceWork.GoBack, slice.TakeWork());
        slice.WentBack();
        Assert.Equal(1, slice.Version);
        Assert.Equal(
            ArrivalVerdict.StaleStep,
            slice.EnterGradient(Gradient(0, Root, step: 1), LengthOf(0)));
        Assert.Equal(SliceWork.CopyCheckpoint, slice.TakeWork());
        slice.CheckpointCopied();
        slice.CheckpointSaved([]);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal((1, 3.0), (status.Saved!.Version, status.Saved.EpochLossSum!.Value));
        slice.Accept(ToServer(sequence: 3, lease: 0) with { CheckpointVersion = 0 }, Start);
        slice.TakeWork();
        Assert.True(slice.TryTakeStatus(out status));
        Assert.Equal(0, status.Lost!.Version);
    }

    [Fact]
    public void A_status_does_not_say_that_it_stands_while_a_version_is_being_written()
    {
        SliceState slice = Open();
        MakeWhole(slice, 1);
        slice.TakeWork();
        slice.Prepared(SumsOf(OwnSums, 1));
        slice.EnterSums(Sums(1), SumsOf(AllSums.All.Length - OwnSums, 1), out _);
        Assert.Equal(SliceWork.Apply, slice.TakeWork());
        slice.Accept(ToServer(sequence: 2, lease: 0), Start);
        Assert.False(slice.TryTakeStatus(out _));
        slice.Applied(Start);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal((2, 1), (status.Seen.Sequence, status.Version));
    }

    [Fact]
    public void What_is_late_stays_late_when_training_stands_for_a_moment()
    {
        SliceState slice = Open();
        TimeSpan time = Start, most = Start + (2 * StepTimes.Initial);
        for (long sequence = 2; time < most; sequence += 2)
        {
            time += StepTimes.Initial / 3;
            slice.Accept(ToServer(sequence, lease: 0), time);
            slice.Accept(ToServer(sequence + 1), time);
            slice.Look(time);
            slice.TryTakeStatus(out ServerStatus? status);
            if (status?.Wait is { } wait)
            {
                Assert.Equal(new MicroBatchRange(0, 8), Assert.Single(wait.Missing));
                return;
            }
        }

        Assert.Fail("it never says what is late");
    }

    [Fact]
    public void Sums_are_checked_and_sent_again_to_those_who_ask()
    {
        SliceState slice = Open();
        PieceSums[] theirs = SumsOf(AllSums.All.Length - OwnSums, 1);
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            slice.EnterSums(Sums(0, asks: true), theirs, out bool answer));
        Assert.False(answer);
        Assert.Equal(ArrivalVerdict.OtherSlice, slice.EnterSums(Sums(2), theirs, out _));
        Assert.Equal(
            ArrivalVerdict.WrongLength, slice.EnterSums(Sums(1), theirs.AsSpan(1), out _));
        Assert.Equal(
            ArrivalVerdict.Entered, slice.EnterSums(Sums(1, asks: true), theirs, out answer));
        Assert.False(answer, "there are none yet");
        Assert.Equal(ArrivalVerdict.Duplicate, slice.EnterSums(Sums(1), theirs, out _));
        MakeWhole(slice, 1);
        slice.TakeWork();
        slice.Prepared(SumsOf(OwnSums, 1));
        slice.EnterSums(Sums(1, asks: true), theirs, out answer);
        Assert.True(answer);
        Assert.Equal(SliceWork.Apply, slice.TakeWork());
        slice.Applied(Start);
        Assert.Equal(
            ArrivalVerdict.StaleStep, slice.EnterSums(Sums(1, asks: true), theirs, out answer));
        Assert.True(answer, "they are kept until those of the next step");
        Assert.Equal(0, slice.HeaderOfSums(1).Step);
        Assert.False(slice.HeaderOfSums(1).Asks);
    }

    [Fact]
    public void What_is_late_is_reported_and_no_longer_when_it_has_come()
    {
        SliceState slice = Open();
        slice.TryTakeStatus(out _);
        for (int piece = 0; piece < OwnPieces; piece++)
        {
            Push(slice, piece, new TreeNode(2, 0));
        }

        Push(slice, 0, new TreeNode(2, 1));
        slice.EnterLoss(Loss(new TreeNode(2, 0), 1));
        Assert.False(slice.Look(Start + StepTimes.Initial - TimeSpan.FromTicks(1)));
        Assert.False(slice.TryTakeStatus(out _));
        Assert.False(slice.Look(Start + StepTimes.Initial));
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal(0, status.Wait!.Step);
        Assert.Equal(new MicroBatchRange(4, 8), Assert.Single(status.Wait.Missing));
        Assert.Empty(status.Wait.SlicesWithoutSums);
        Assert.Equal(StepTimes.Initial, status.Wait.Waited);
        MakeWhole(slice, 1);
        Finish(slice);
        Assert.True(slice.TryTakeStatus(out status));
        Assert.Null(status.Wait);
    }

    [Fact]
    public void Sums_that_are_late_are_asked_for()
    {
        SliceState slice = Open();
        MakeWhole(slice, 1);
        slice.TakeWork();
        slice.Prepared(SumsOf(OwnSums, 1));
        Assert.True(slice.Look(Start + StepTimes.Initial));
        Assert.True(slice.LacksSumsOf(1));
        Assert.True(slice.HeaderOfSums(1).Asks);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal(1, Assert.Single(status.Wait!.SlicesWithoutSums));
        Assert.Empty(status.Wait.Missing);
    }

    [Fact]
    public void A_checkpoint_is_copied_at_its_version_and_reported_when_it_is_durable()
    {
        SliceState slice = Open();
        slice.Accept(ToServer(sequence: 2) with { CheckpointVersion = 1, BestVersion = 1 }, Start);
        Step(slice, 3);
        Assert.Equal(SliceWork.KeepBest, slice.TakeWork());
        slice.BestKept();
        Assert.Equal(SliceWork.CopyCheckpoint, slice.TakeWork());
        slice.CheckpointCopied();
        Step(slice, 4);
        slice.CheckpointSaved([new CheckpointPart(0, 1, "00")]);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal(1, status.BestVersion);
        Assert.Equal((1, 1, 3.0), (
            status.Saved!.Version, status.Saved.BestVersion!.Value,
            status.Saved.EpochLossSum!.Value));
        Assert.Null(status.Lost);
    }

    [Fact]
    public void A_checkpoint_whose_version_is_past_is_reported_as_lost()
    {
        SliceState slice = Open();
        Step(slice, 1);
        Step(slice, 1);
        slice.Accept(ToServer(sequence: 2) with { CheckpointVersion = 1 }, Start);
        Assert.Equal(SliceWork.None, slice.TakeWork());
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        Assert.Equal((1, CheckpointLoss.Passed), (status.Lost!.Version, status.Lost.Cause));
    }

    [Fact]
    public void Workers_are_answered_in_the_version_of_now()
    {
        SliceState slice = Open();
        Step(slice, 1);
        PiecesRequest request = new(Run, new Generation(3), 1, [0]);
        Assert.Equal(ArrivalVerdict.Entered, slice.Judge(request));
        Assert.Equal(ArrivalVerdict.FutureStep, slice.Judge(request with { AtLeast = 2 }));
        Assert.Equal(ArrivalVerdict.OtherSlice, slice.Judge(request with { Pieces = [OwnPieces] }));
        Assert.Equal(ArrivalVerdict.OtherSlice, slice.Judge(request with { Pieces = [-1] }));
        Assert.Equal(ArrivalVerdict.OtherSlice, slice.Judge(request with { Pieces = default }));
        Assert.Equal(
            ArrivalVerdict.OtherRun, slice.Judge(request with { Run = new RunId("x") }));
    }

    [Fact]
    public void The_average_is_sent_at_the_version_that_is_evaluated_where_the_run_has_one()
    {
        PiecesRequest request = new(Run, new Generation(3), 1, [Slices.Pieces.Length]);
        SliceState without = Open();
        Step(without, 1);
        Assert.Equal(ArrivalVerdict.OtherSlice, without.Judge(request));
        var slice = new SliceState(
            Server with { Dimensions = Dimensions with { EvaluatesAverage = true } }, Self,
            ToServer(), Start);
        slice.TakeWork();
        slice.Opened(Start);
        Assert.Equal(ArrivalVerdict.FutureStep, slice.Judge(request));
        Step(slice, 1);
        Assert.Equal(ArrivalVerdict.Entered, slice.Judge(request));
        Assert.Equal(ArrivalVerdict.StaleStep, slice.Judge(request with { AtLeast = 0 }));
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            slice.Judge(request with { Pieces = [Slices.Pieces.Length + OwnPieces] }));
        Assert.Equal(
            ArrivalVerdict.OtherSlice,
            slice.Judge(request with { Pieces = [0, Slices.Pieces.Length] }));
    }

    [Fact]
    public void Restored_in_the_middle_of_an_epoch_it_goes_on_adding_its_loss()
    {
        ServerDirective directive = ToServer(lease: 4) with
        {
            Origin = new SliceOrigin.Checkpoint(3, 2, 0.75),
            BestVersion = 2,
        };
        var slice = new SliceState(Server, Self, directive, Start);
        Assert.Equal(SliceWork.Open, slice.TakeWork());
        slice.Opened(Start);
        Assert.Equal(3, slice.Version);
        Step(slice, 0.5);
        Assert.Equal(1.25, LeaseEnd(slice).LossSum);
        Assert.Equal(SliceWork.None, slice.TakeWork());
    }

    [Fact]
    public void A_closed_run_is_let_go_of()
    {
        SliceState slice = Open();
        slice.Accept(ToServer(sequence: 2) with { Closed = true }, Start);
        Assert.Equal(SliceWork.Close, slice.TakeWork());
        slice.Closed();
        Assert.Equal(
            ArrivalVerdict.NotOpen, slice.EnterGradient(Gradient(0, Root), LengthOf(0)));
        Assert.Equal(SliceWork.None, slice.TakeWork());
    }

    [Fact]
    public void A_step_of_pushes_allocates_nothing()
    {
        var run = Server with { Dimensions = Dimensions with { Rows = 1_600, TotalSteps = 100 } };
        var slice = new SliceState(run, Self, ToServer(lease: 100), Start);
        slice.TakeWork();
        slice.Opened(Start);
        PieceSums[] own = SumsOf(OwnSums, 1), others = SumsOf(AllSums.All.Length - OwnSums, 1);
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            for (int step = 0; step < 10; step++)
            {
                TrainOneStep();
            }
        }));
        Assert.InRange(slice.Version, 30, 70);

        void TrainOneStep()
        {
            for (int piece = 0; piece < OwnPieces; piece++)
            {
                for (int microBatch = 7; microBatch >= 0; microBatch--)
                {
                    Push(slice, piece, new TreeNode(0, microBatch));
                    Push(slice, piece, new TreeNode(0, microBatch));
                }
            }

            slice.EnterLoss(Loss(new TreeNode(2, 1), 1, slice.Version));
            slice.EnterLoss(Loss(new TreeNode(2, 0), 1, slice.Version));
            slice.TakeWork();
            slice.Prepared(own);
            slice.EnterSums(Sums(1, slice.Version), others, out _);
            slice.TakeWork();
            slice.Applied(Start);
            slice.TryTakeStatus(out _);
        }
    }

    private static SliceState Open(long lease = 4)
    {
        var slice = new SliceState(Server, Self, ToServer(lease: lease), Start);
        Assert.Equal(SliceWork.Open, slice.TakeWork());
        slice.Opened(Start);
        return slice;
    }

    private static void Push(SliceState slice, int piece, TreeNode node)
    {
        slice.EnterGradient(Gradient(piece, node, slice.Version), LengthOf(piece));
        while (slice.TryFold(piece, out _))
        {
            // The values are of no interest here.
        }
    }

    private static void MakeWhole(SliceState slice, double loss)
    {
        for (int piece = 0; piece < OwnPieces; piece++)
        {
            Push(slice, piece, Root);
        }

        slice.EnterLoss(Loss(Root, loss, slice.Version));
    }

    private static void Finish(SliceState slice)
    {
        Assert.Equal(SliceWork.Prepare, slice.TakeWork());
        slice.Prepared(SumsOf(OwnSums, 1));
        slice.EnterSums(
            Sums(1, slice.Version), SumsOf(AllSums.All.Length - OwnSums, 1), out _);
        Assert.Equal(SliceWork.Apply, slice.TakeWork());
        slice.Applied(Start);
    }

    private static void Step(SliceState slice, double loss)
    {
        MakeWhole(slice, loss);
        Finish(slice);
    }

    private static LeaseSummary LeaseEnd(SliceState slice)
    {
        Assert.Equal(SliceWork.CheckWeights, slice.TakeWork());
        slice.WeightsChecked(areFinite: true);
        Assert.True(slice.TryTakeStatus(out ServerStatus? status));
        return status.Lease!;
    }

    private static PieceSums[] SumsOf(int count, double gradientSquares) =>
        [.. Enumerable.Repeat(new PieceSums(gradientSquares, 1, 0), count)];
}
