using System.Text.Json;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Optimizers;

/// <summary>Penalties, clipping and optimizers together, against PyTorch in double precision over
/// 30 steps of given gradients.</summary>
public sealed class OptimizerFixtureTests
{
    // Each step rounds a weight of size 1 by 6e-8 at the most, 30 of them by 2e-6; the steps
    // themselves are good to a few 1e-7 of sizes that sum up to less than 10.
    private const double Tolerance = 4e-6;

    private static readonly JsonElement File = Fixture.Load("optimizers.json");

    public static TheoryData<int, string> Cases
    {
        get
        {
            var cases = new TheoryData<int, string>();
            foreach ((int index, JsonElement element) in
                File.GetProperty("cases").EnumerateArray().Index())
            {
                cases.Add(index, element.GetProperty("optimizer").GetString()!);
            }

            return cases;
        }
    }

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
        using var pool = new ComputePool(1);
        var update = new ParameterUpdate(layout, 0, 1, rules, pool);
        var norms = new ParameterNorms(layout);
        using var weights = new AlignedBuffer(update.Length);
        using var gradient = new AlignedBuffer(update.Length);
        using var state = new AlignedBuffer(update.StateLength);
        Place(weight, bias, layout, weights);
        var recorded = (Parameters: new List<double[]>(), Norms: new List<double>());
        float[][] gradients =
            [.. File.GetProperty("gradients").EnumerateArray().Select(Fixture.Floats)];
        int[] steps = [.. File.GetProperty("recorded").Doubles().Select(step => (int)step)];
        var sums = new PieceSums[update.PieceCount];
        for (int step = 0; step < gradients.Length; step++)
        {
            Place(gradients[step][..weight.Length], gradients[step][weight.Length..], layout,
                gradient);
            update.Prepare(weights, measureWeights: false, gradient, sums);
            double norm = norms.GradientNorm(sums);
            var updateStep = new UpdateStep(
                step, rules.Optimizer.LearningRate, rules.Clipping.ScaleFor(norm), 1);
            update.Apply(updateStep, gradient, weights, state, weights);
            if (steps.Contains(step + 1))
            {
                recorded.Norms.Add(norm);
                recorded.Parameters.Add(Parameters(layout, weights));
            }
        }

        return ([.. recorded.Parameters], [.. recorded.Norms]);
    }

    private static void Place(
        float[] weight, float[] bias, ParameterLayout layout, AlignedBuffer to)
    {
        weight.CopyTo(to.Span[layout.Views[0].Offset..]);
        bias.CopyTo(to.Span[layout.Views[1].Offset..]);
    }

    private static double[] Parameters(ParameterLayout layout, AlignedBuffer weights) =>
        [.. layout.Views.SelectMany(view =>
            weights.Span.Slice(view.Offset, view.Length).ToArray().Select(w => (double)w))];

    private static double[][] Rows(JsonElement element) =>
        [.. element.EnumerateArray().Select(Fixture.Doubles)];
}
