using Backprop.Engine.Losses;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Ensembles;
using Backprop.Training.Metrics;
using Backprop.Training.Tests.Checkpoints;

namespace Backprop.Training.Tests.Ensembles;

public sealed class EnsembleTrainerTests
{
    private static readonly TrainingPlan Plan = TestPlans.Everything() with { Epochs = 8 };

    [Fact]
    public void A_member_is_the_plan_with_its_own_seed()
    {
        EnsembleResult result = Train(members: 3);

        Assert.Equal(
            [
                OracleTests.Train(Plan, 1).WeightsSha256,
                OracleTests.Train(Plan with { Seed = 43 }, 1).WeightsSha256,
                OracleTests.Train(Plan with { Seed = 44 }, 1).WeightsSha256,
            ],
            result.Members.Select(member => member.WeightsSha256));
    }

    [Fact]
    public void The_average_is_surer_than_its_members_are_on_average()
    {
        EnsembleResult result = Train(members: 4);

        // Jensen's inequality: −ln of a mean is at most the mean of −ln.
        Assert.True(
            result.Validation!.Loss < result.Members.Average(m => m.Validation!.Loss),
            $"the ensemble's loss is {result.Validation.Loss}");
        Assert.Equal(300, result.Validation.Rows);
        Assert.Equal(20, result.Test!.Rows);
    }

    [Fact]
    public void One_member_alone_is_judged_as_it_is()
    {
        EnsembleResult result = Train(members: 1);

        Assert.Equal(result.Members[0].Validation!.Loss, result.Validation!.Loss);
    }

    [Fact]
    public void The_model_holds_every_member()
    {
        using var pool = new ComputePool(1);
        using var observer = new RecordingObserver();
        using var trainer = new EnsembleTrainer(Plan, 2, pool, new ManualTime());
        Assert.Throws<InvalidOperationException>(trainer.Model);
        EnsembleResult result = trainer.Run(
            _ => new MemberRun(observer), CancellationToken.None);
        using TrainedModel model = trainer.Model();

        Assert.Equal(
            result.Members.Select(member => member.WeightsSha256), model.Header.WeightsSha256);
        Assert.Equal<string>(["left", "middle", "right"], [.. model.Header.TargetNames]);
    }

    [Fact]
    public void An_interrupted_ensemble_goes_on_where_it_stood()
    {
        EnsembleResult undisturbed = Train(members: 2);
        InMemoryCheckpointStore[] stores = [new(), new()];
        using var pool = new ComputePool(1);
        using var interrupter = new RecordingObserver(interruptAfterStep: 5);
        using var first = new EnsembleTrainer(Plan, 2, pool, new ManualTime());
        using var quiet = new RecordingObserver();
        EnsembleResult interrupted = first.Run(
            member => new MemberRun(
                member == 1 ? interrupter : quiet, new CheckpointPolicy(stores[member])),
            interrupter.Interruption);
        Assert.Null(interrupted.Validation);

        using Checkpoint ended = stores[0].Load()!, standing = stores[1].Load()!;
        using var second = new EnsembleTrainer(Plan, 2, pool, new ManualTime());
        EnsembleResult resumed = second.Run(
            member => new MemberRun(quiet, ResumeFrom: member == 0 ? ended : standing),
            CancellationToken.None);

        Assert.Equal(undisturbed.Validation!.Loss, resumed.Validation!.Loss);
        Assert.Throws<CheckpointException>(() => second.Run(
            member => new MemberRun(quiet, ResumeFrom: standing), CancellationToken.None));
    }

    // Probabilities ¼ and ¾ against ¾ and ¼: each class is as likely as the other.
    [Fact]
    public void Logits_are_averaged_as_probabilities()
    {
        float ln3 = (float)Math.Log(3);
        float[] softmax = Average(new SoftmaxCrossEntropy(), 2, [0, ln3, 5 + ln3, 5]);
        Assert.Equal(softmax[0], softmax[1], 1e-6f);
        Assert.Equal(Math.Log(0.5), softmax[0], 1e-6);

        // The mean of ½ and ¾ is ⅝, and ln(⅝ : ⅜) is its logit.
        float[] sigmoid = Average(new BinaryCrossEntropy(), 1, [0, ln3]);
        Assert.Equal(Math.Log(5.0 / 3), sigmoid[0], 1e-6);
    }

    [Fact]
    public void Values_are_averaged_as_they_are()
    {
        Assert.Equal([2f, 4f], Average(new MeanSquaredError(), 2, [1, 3, 3, 5]));
    }

    [Fact]
    public void Certainty_stays_finite()
    {
        Assert.All(
            Average(new SoftmaxCrossEntropy(), 2, [1000, -1000, 1000, -1000]),
            output => Assert.True(float.IsFinite(output)));
        Assert.All(
            Average(new BinaryCrossEntropy(), 1, [1000, 1000]),
            output => Assert.True(float.IsFinite(output)));
    }

    private static float[] Average(Loss loss, int outputs, float[] members)
    {
        var average = new float[outputs];
        new OutputAverage(loss, outputs).Average(members, average);
        return average;
    }

    private static EnsembleResult Train(int members)
    {
        using var pool = new ComputePool(1);
        using var observer = new RecordingObserver();
        using var trainer = new EnsembleTrainer(Plan, members, pool, new ManualTime());
        return trainer.Run(_ => new MemberRun(observer), CancellationToken.None);
    }
}
