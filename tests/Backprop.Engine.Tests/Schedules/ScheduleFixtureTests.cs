using System.Text.Json;
using Backprop.Engine.Schedules;
using Backprop.Engine.Tests.Fixtures;

namespace Backprop.Engine.Tests.Schedules;

/// <summary>Learning rates against PyTorch's schedulers, at every step.</summary>
public sealed class ScheduleFixtureTests
{
    // A rate is rounded to float once, and so is the base rate.
    private const double Tolerance = 2e-7;

    private static readonly JsonElement File = Fixture.Load("schedules.json");

    public static TheoryData<int, string> Cases =>
        File.Cases(test => test.GetProperty("schedule").GetString()!);

    public static TheoryData<int> Plateaus =>
        [.. Enumerable.Range(0, File.GetProperty("plateaus").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rates_agree_with_PyTorch(int index, string name)
    {
        JsonElement test = File.GetProperty("cases")[index];
        LearningRateSchedule schedule = Read(name, test.GetProperty("options"));
        Assert.Equal(name, schedule.Name);
        long stepsPerEpoch = File.GetProperty("stepsPerEpoch").GetInt64();
        long total = File.GetProperty("totalSteps").GetInt64();
        float baseRate = (float)File.GetProperty("baseRate").GetDouble();
        double[] expected = test.GetProperty("rates").Doubles();
        for (int step = 0; step < expected.Length; step++)
        {
            float rate = schedule.At(
                baseRate, new SchedulePosition(step, stepsPerEpoch, total, PlateauReductions: 0));
            Assert.Equal(expected[step], rate, Tolerance * expected[step]);
        }
    }

    [Theory]
    [MemberData(nameof(Plateaus))]
    public void Plateaus_are_found_when_PyTorch_finds_them(int index)
    {
        JsonElement test = File.GetProperty("plateaus")[index];
        var schedule = (PlateauSchedule)Read("plateau", test.GetProperty("options"));
        bool higherIsBetter = test.GetProperty("higherIsBetter").GetBoolean();
        float baseRate = (float)File.GetProperty("baseRate").GetDouble();
        PlateauState state = PlateauState.Initial;
        foreach ((double metric, double expected) in
            test.GetProperty("metrics").Doubles().Zip(test.GetProperty("rates").Doubles()))
        {
            state = PlateauDetector.Observe(schedule, state, metric, higherIsBetter);
            float rate = schedule.At(
                baseRate, new SchedulePosition(0, 1, 1, state.Reductions));
            Assert.Equal(expected, rate, Tolerance * expected);
        }
    }

    // What an option's absence means is left to the record: its defaults are PyTorch's.
    private static LearningRateSchedule Read(string name, JsonElement options)
    {
        var step = new StepSchedule { Epochs = 1 };
        var cycle = new OneCycleSchedule();
        var plateau = new PlateauSchedule();
        return name switch
        {
            "step" => step with
            {
                Epochs = options.GetProperty("epochs").GetInt32(),
                Reduction = options.Number("reduction", step.Reduction),
            },
            "exponential" => new ExponentialSchedule
            {
                Reduction = options.GetProperty("reduction").GetDouble(),
            },
            "cosine" => new CosineSchedule { MinimumFactor = options.Number("minimumFactor", 0) },
            "warm-up" => new WarmUpSchedule { Steps = options.GetProperty("steps").GetInt64() },
            "one-cycle" => new OneCycleSchedule
            {
                MaximumFactor = options.Number("maximumFactor", cycle.MaximumFactor),
                RisingPart = options.Number("risingPart", cycle.RisingPart),
                InitialDivisor = options.Number("initialDivisor", cycle.InitialDivisor),
                FinalDivisor = options.Number("finalDivisor", cycle.FinalDivisor),
            },
            "plateau" => new PlateauSchedule
            {
                Reduction = options.Number("reduction", plateau.Reduction),
                Patience = (int)options.Number("patience", plateau.Patience),
                Threshold = options.Number("threshold", plateau.Threshold),
                Cooldown = (int)options.Number("cooldown", plateau.Cooldown),
                MinimumFactor = options.Number("minimumFactor", plateau.MinimumFactor),
            },
            _ => throw new ArgumentException($"no schedule is named '{name}'"),
        };
    }
}
