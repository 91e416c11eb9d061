using System.Text.Json;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Tests.Fixtures;

namespace Backprop.Engine.Tests.Optimizers;

/// <summary>Penalties, clipping and optimizers together, against PyTorch in double precision over
/// 30 steps of given gradients.</summary>
public sealed class OptimizerFixtureTests
{
    // Each step rounds a weight of size 1 by 6e-8 at the most, 30 of them by 2e-6; the steps
    // themselves are good to a few 1e-7 of sizes that sum up to less than 10.
    private const double Tolerance = 4e-6;

    private static readonly JsonElement File = Fixture.Load("optimizers.json");

    public static TheoryData<int, string> Cases =>
        File.Cases(test => test.GetProperty("optimizer").GetString()!);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Trajectories_agree_with_PyTorch(int index, string name)
    {
        JsonElement test = File.GetProperty("cases")[index];
        var rules = new UpdateRules(
            OptimizerFixtures.Read(test),
            new Penalty((float)test.Number("l1", 0), (float)test.Number("l2", 0)),
            new Clipping(
                (float?)test.Optional("byValue")?.GetDouble(),
                (float?)test.Optional("byNorm")?.GetDouble()));
        Assert.Equal(name, rules.Optimizer.Name);
        double[][] expected = Rows(test.GetProperty("parameters"));
        double[] expectedNorms = test.GetProperty("norms").Doubles();

        (double[][] actual, double[] norms) = Run(rules);

        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expectedNorms[i], norms[i], expectedNorms[i] * 1e-5);
            foreach ((double right, double value) in expected[i].Zip(actual[i]))
            {
                Assert.Equal(right, value, Tolerance * Math.Max(1, Math.Abs(right)));
            }
        }
    }

    private static (double[][] Parameters, double[] Norms) Run(UpdateRules rules)
    {
        float[] weight = File.GetProperty("weight").Floats();
        float[] bias = File.GetProperty("bias").Floats();
        var layout = new ParameterLayout([
            ("l", 0, new("weight", Shape.Of(weight.Length), ParameterRole.Weight, Constant.Zeros)),
            ("l", 0, new("bias", Shape.Of(bias.Length), ParameterRole.Bias, Constant.Zeros))]);
        var recorded = (Parameters: new List<double[]>(), Norms: new List<double>());
        float[][] gradients =
            [.. File.GetProperty("gradients").EnumerateArray().Select(Fixture.Floats)];
        int[] steps = [.. File.GetProperty("recorded").Doubles().Select(step => (int)step)];
        OptimizerFixtures.Walk(
            rules, layout, [.. weight, .. bias], gradients, gradients.Length,
            (step, norm, weights, _) =>
            {
                if (steps.Contains(step + 1))
                {
                    recorded.Norms.Add(norm);
                    recorded.Parameters.Add(OptimizerFixtures.Parameters(layout, weights.Span));
                }
            });
        return ([.. recorded.Parameters], [.. recorded.Norms]);
    }

    private static double[][] Rows(JsonElement element) =>
        [.. element.EnumerateArray().Select(Fixture.Doubles)];
}
