using Backprop.Training.Stopping;

namespace Backprop.Training.Tests.Stopping;

public sealed class StoppingStateTests
{
    private static readonly StopRules Loss = new(StopMetric.ValidationLoss, Patience: 2);
    private static readonly StopRules Accuracy = new(StopMetric.ValidationAccuracy, Patience: 2);

    [Fact]
    public void Patience_ends_the_run_after_so_many_epochs_without_improvement()
    {
        EpochVerdict[] verdicts = Judge(Loss, 0.9, 0.5, 0.6, 0.5);

        Assert.Equal([true, true, false, false], verdicts.Select(v => v.IsBest));
        Assert.All(verdicts[..3], v => Assert.Null(v.Stop));
        Assert.Equal(StopKind.Patience, verdicts[3].Stop?.Kind);
        Assert.Contains("0.5 for 2 epochs", verdicts[3].Stop!.Reason, StringComparison.Ordinal);
        Assert.Equal(1, verdicts[3].Next.BestEpoch);
        Assert.Equal(0.5, verdicts[3].Next.BestMetric);
    }

    [Fact]
    public void An_improvement_starts_the_waiting_anew()
    {
        EpochVerdict[] verdicts = Judge(Loss, 0.9, 0.95, 0.8, 0.85);

        Assert.All(verdicts, v => Assert.Null(v.Stop));
        Assert.Equal(1, verdicts[^1].Next.EpochsWaited);
    }

    [Fact]
    public void Accuracy_improves_upwards()
    {
        EpochVerdict[] verdicts = Judge(Accuracy, 0.5, 0.6, 0.55, 0.6);

        Assert.Equal([true, true, false, false], verdicts.Select(v => v.IsBest));
        Assert.Equal(StopKind.Patience, verdicts[3].Stop?.Kind);
    }

    [Fact]
    public void Small_gains_keep_the_weights_but_do_not_end_the_waiting()
    {
        EpochVerdict[] verdicts = Judge(
            Loss with { MinimumImprovement = 0.1 }, 0.5, 0.45, 0.41, 0.40);

        Assert.All(verdicts, v => Assert.True(v.IsBest));
        Assert.Equal(StopKind.Patience, verdicts[2].Stop?.Kind);
        Assert.Equal(0.5, verdicts[2].Next.Reference);
    }

    [Fact]
    public void Small_gains_add_up_to_an_improvement()
    {
        EpochVerdict[] verdicts = Judge(
            Loss with { MinimumImprovement = 0.1 }, 0.5, 0.45, 0.35, 0.3);

        Assert.All(verdicts, v => Assert.Null(v.Stop));
        Assert.Equal(0.35, verdicts[^1].Next.Reference);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    public void A_metric_that_is_not_finite_is_no_improvement(double metric)
    {
        EpochVerdict[] verdicts = Judge(Loss, metric, 0.5, metric);

        Assert.Equal([false, true, false], verdicts.Select(v => v.IsBest));
        Assert.Equal(0.5, verdicts[^1].Next.BestMetric);
    }

    [Theory]
    [InlineData(0.101, false)]
    [InlineData(0.1, true)]
    [InlineData(0.05, true)]
    public void The_training_loss_ends_the_run_at_its_target(double loss, bool stops)
    {
        var rules = new StopRules(StopMetric.ValidationLoss, TargetLoss: 0.1);

        StopDecision? stop = StoppingState.Initial.Judge(rules, 0, loss, 1).Stop;

        Assert.Equal(stops ? StopKind.TargetLoss : null, stop?.Kind);
    }

    [Theory]
    [InlineData(StopMetric.ValidationAccuracy, 0.94, false)]
    [InlineData(StopMetric.ValidationAccuracy, 0.95, true)]
    [InlineData(StopMetric.ValidationR2, 0.99, true)]
    [InlineData(StopMetric.ValidationLoss, 0.96, false)]
    [InlineData(StopMetric.ValidationLoss, 0.95, true)]
    [InlineData(StopMetric.TrainingLoss, 0.3, true)]
    public void The_metric_ends_the_run_at_its_target(
        StopMetric metric, double value, bool stops)
    {
        var rules = new StopRules(metric, TargetMetric: 0.95);

        StopDecision? stop = StoppingState.Initial.Judge(rules, 0, 1, value).Stop;

        Assert.Equal(stops ? StopKind.TargetMetric : null, stop?.Kind);
    }

    private static EpochVerdict[] Judge(StopRules rules, params double[] metrics)
    {
        var verdicts = new List<EpochVerdict>();
        StoppingState state = StoppingState.Initial;
        foreach (double metric in metrics)
        {
            EpochVerdict verdict = state.Judge(rules, verdicts.Count, 1, metric);
            verdicts.Add(verdict);
            state = verdict.Next;
        }

        return [.. verdicts];
    }
}
