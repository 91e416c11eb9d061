using System.Text.Json;
using Backprop.Engine.Schedules;

namespace Backprop.Engine.Tests.Schedules;

public sealed class ScheduleTests
{
    public static TheoryData<LearningRateSchedule> All =>
    [
        new ConstantSchedule(),
        new StepSchedule { Epochs = 1 },
        new ExponentialSchedule { Reduction = 0.9 },
        new CosineSchedule(),
        new WarmUpSchedule { Steps = 5 },
        new OneCycleSchedule(),
        new PlateauSchedule(),
    ];

    [Theory]
    [MemberData(nameof(All))]
    public void Rates_are_finite_and_not_negative_in_runs_of_every_length(
        LearningRateSchedule schedule)
    {
        for (long total = 1; total < 12; total++)
        {
            // One step past the end as well: a run may be prolonged.
            for (long step = 0; step <= total; step++)
            {
                float rate = schedule.At(1f, new SchedulePosition(step, 1, total, 1));
                Assert.InRange(rate, 0f, 1f);
            }
        }
    }

    [Fact]
    public void The_constant_rate_is_the_base_rate() =>
        Assert.Equal(0.3f, new ConstantSchedule().At(0.3f, new SchedulePosition(9, 2, 10, 1)));

    [Fact]
    public void Warm_up_multiplies_the_schedule_it_wraps()
    {
        var schedule = new WarmUpSchedule
        {
            Steps = 4,
            Inner = new StepSchedule { Epochs = 1, Reduction = 0.5 },
        };
        float[] rates = [.. Enumerable.Range(0, 8).Select(
            step => schedule.At(1f, new SchedulePosition(step, 2, 8, 0)))];
        Assert.Equal([0.25f, 0.5f, 0.375f, 0.5f, 0.25f, 0.25f, 0.125f, 0.125f], rates);
    }

    [Fact]
    public void A_wrapped_plateau_is_found()
    {
        var plateau = new PlateauSchedule { Patience = 3 };
        Assert.Same(plateau, new WarmUpSchedule { Steps = 2, Inner = plateau }.Plateau);
        Assert.Null(new WarmUpSchedule { Steps = 2 }.Plateau);
    }

    [Fact]
    public void A_metric_that_is_not_a_number_improves_nothing()
    {
        var rule = new PlateauSchedule { Patience = 1 };
        PlateauState state = PlateauState.Initial;
        foreach (double metric in (double[])[double.NaN, 0.5, double.NaN, double.NaN])
        {
            state = PlateauDetector.Observe(rule, state, metric, higherIsBetter: false);
        }

        Assert.Equal(0.5, state.Best);
        Assert.Equal(1, state.Reductions);
    }

    [Fact]
    public void A_negative_best_has_to_be_exceeded_too()
    {
        var rule = new PlateauSchedule { Patience = 0, Threshold = 0.1 };
        PlateauState first = PlateauDetector.Observe(rule, PlateauState.Initial, -2, true);
        Assert.Equal(1, PlateauDetector.Observe(rule, first, -1.9, true).Reductions);
        Assert.Equal(0, PlateauDetector.Observe(rule, first, -1.7, true).Reductions);
    }

    [Fact]
    public void The_plateau_state_survives_serialization()
    {
        var state = new PlateauState
        {
            Best = 0.25, EvaluationsWithoutImprovement = 2, CooldownLeft = 1, Reductions = 3,
        };
        Assert.Equal(
            state, JsonSerializer.Deserialize<PlateauState>(JsonSerializer.Serialize(state)));
    }
}
