using System.Text.Json;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Tests.Fixtures;

namespace Backprop.Engine.Tests.Optimizers;

/// <summary>Parameter groups and averaged weights against PyTorch in double precision: its
/// optimizers' groups, and <c>torch.optim.swa_utils.AveragedModel</c>.</summary>
public sealed class TrainingOptionFixtureTests
{
    // As for the optimizers themselves; an average adds a rounding a step.
    private const double Tolerance = 6e-6;

    private static readonly JsonElement File = Fixture.Load("training-options.json");

    public static TheoryData<int, string> Cases => File.Cases(test =>
        $"{test.GetProperty("optimizer").GetString()} {test.GetProperty("averaging").GetString()}");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Groups_and_averages_are_PyTorchs(int index, string name)
    {
        JsonElement test = File.GetProperty("cases")[index];
        var rules = new UpdateRules(OptimizerFixtures.Read(test), Penalty.None, Clipping.None)
        {
            Groups =
            [
                new ParameterGroup(["h*d"])
                {
                    LearningRateFactor = test.GetProperty("rateFactor").GetDouble(),
                    WeightDecay = test.Optional("headDecay")?.GetDouble(),
                },
            ],
            Averaging = test.GetProperty("averaging").GetString() == "exponential"
                ? new ExponentialAveraging(File.GetProperty("decay").GetDouble())
                : new StochasticAveraging(File.GetProperty("fromEpoch").GetInt64()),
        };
        var layout = new ParameterLayout([
            ("body", 0, new("weight", Shape.Of(6), ParameterRole.Weight, Constant.Zeros)),
            ("head", 1, new("weight", Shape.Of(3), ParameterRole.Weight, Constant.Zeros))]);
        double[][] weightsWanted =
            [.. test.GetProperty("weights").EnumerateArray().Select(Fixture.Doubles)];
        double[][] averagesWanted =
            [.. test.GetProperty("averages").EnumerateArray().Select(Fixture.Doubles)];

        OptimizerFixtures.Walk(
            rules, layout, File.GetProperty("initial").Floats(),
            [.. File.GetProperty("gradients").EnumerateArray().Select(Fixture.Floats)],
            File.GetProperty("stepsPerEpoch").GetInt64(),
            (step, _, weights, state) =>
            {
                AssertClose(weightsWanted[step], layout, weights.Span, $"{name}, step {step}");
                AssertClose(
                    averagesWanted[step], layout, rules.ResultOf(step + 1, weights, state),
                    $"average of {name}, step {step}");
            });
    }

    private static void AssertClose(
        double[] wanted, ParameterLayout layout, ReadOnlySpan<float> vector, string what)
    {
        foreach ((double right, double value) in
            wanted.Zip(OptimizerFixtures.Parameters(layout, vector)))
        {
            Assert.True(
                Math.Abs(right - value) <= Tolerance * Math.Max(1, Math.Abs(right)),
                $"{what}: {value} is not {right}");
        }
    }
}
