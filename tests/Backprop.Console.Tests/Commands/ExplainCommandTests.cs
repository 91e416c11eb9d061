using System.Collections.Immutable;
using System.Text.Json;
using System.Xml.Linq;
using Backprop.Console.Explanation;
using Backprop.Console.Storage;
using Backprop.Engine.Threading;
using Backprop.Training.Specification;

namespace Backprop.Console.Tests.Commands;

public class ExplainCommandTests
{
    private const string Article = "hocon/runs/articles/two-two-two.conf";

    // As the tests of training have it: a few dozen roundings of numbers below 1.
    private const double Tolerance = 1e-7;

    [Theory]
    [InlineData("step_0", 1)]
    [InlineData("step_1", 2)]
    public void Every_weight_of_the_articles_network_is_explained_by_its_true_numbers(
        string name, long steps)
    {
        ExplainedStep step = Explain(Article, steps);
        JsonElement expected = Reference("worked_2_2_2").GetProperty("targets_0.01_0.99")
            .GetProperty(name);

        Assert.Equal(expected.GetProperty("total_error").GetDouble(), step.TotalError, Tolerance);
        Near(expected.GetProperty("hidden"), step.Layers[0].Out);
        Near(expected.GetProperty("outputs"), step.Layers[1].Out);
        Near(expected.GetProperty("weight_gradients"), InArticlesOrder(step, w => w.Gradient));
        Near(expected.GetProperty("weights_after"), InArticlesOrder(step, w => w.After));
        Near(
            expected.GetProperty("bias_gradients_per_neuron"),
            [.. step.Layers.SelectMany(layer => layer.NetGradient)]);
    }

    [Fact]
    public void The_factors_of_every_weight_multiply_to_its_gradient()
    {
        ExplainedStep step = Explain(Article, 1);
        for (int l = 0; l < step.Layers.Length; l++)
        {
            NeuronLayer layer = step.Layers[l];
            ImmutableArray<float> inputs = step.InputsOf(l);
            for (int i = 0; i < layer.Weight.Gradient.Length; i++)
            {
                int neuron = i % layer.Width;
                double product = (double)layer.OutGradient[neuron] * layer.Slope[neuron]
                    * inputs[i / layer.Width];
                Assert.Equal(product, layer.Weight.Gradient[i], Tolerance);
            }
        }
    }

    [Fact]
    public void Error_splitting_leaves_the_slope_out()
    {
        ExplainedStep step = Explain("hocon/runs/articles/error-splitting.conf", 1);

        Assert.True(step.ErrorSplitting);
        Assert.All(step.Layers, layer => Assert.Equal(
            layer.OutGradient.AsEnumerable(), layer.NetGradient.AsEnumerable()));
    }

    [Fact]
    public void The_command_prints_the_step_and_draws_the_network()
    {
        using var scratch = new ScratchDirectory();
        string text = CommandRun.Succeeds(
            "explain", Article, "--weight", "output.weight[0,0]", "--svg", scratch["step.svg"])
            .Output;

        Assert.Contains("Chain rule of output.weight[0,0]", text);
        Assert.Contains("dE/dw     = dE/dout · dout/dnet · dnet/dw = 0.0821670", text);
        Assert.Contains("new w     = 0.3589165  (before: 0.4; sgd)", text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
        XDocument drawing = XDocument.Load(scratch["step.svg"]);
        Assert.Equal(
            8, drawing.Descendants().Attributes("data-weight").Select(a => a.Value).Distinct()
                .Count());
    }

    // w1 and w2 lead to the first hidden neuron, w3 and w4 to the second, and so on.
    private static ImmutableArray<float> InArticlesOrder(
        ExplainedStep step, Func<ExplainedParameter, ImmutableArray<float>> values) =>
    [
        .. from layer in step.Layers
           from neuron in Enumerable.Range(0, layer.Width)
           from input in Enumerable.Range(0, 2)
           select values(layer.Weight)[layer.IndexOf(input, neuron)],
    ];

    private static void Near(JsonElement expected, ImmutableArray<float> actual)
    {
        double[] numbers = [.. expected.EnumerateArray().Select(e => e.GetDouble())];
        Assert.Equal(numbers.Length, actual.Length);
        for (int i = 0; i < numbers.Length; i++)
        {
            Assert.Equal(numbers[i], actual[i], Tolerance);
        }
    }

    private static ExplainedStep Explain(string specification, long steps)
    {
        using PlannedRun run = SpecificationFile.Plan(
            SpecificationFile.Read(Path.Combine(CommandRun.Root, specification)));
        using var pool = new ComputePool(1);
        using var explainer = new StepExplainer(run.Plan, 0, pool);
        return explainer.Explain(steps);
    }

    private static JsonElement Reference(string name)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(
            CommandRun.Root, "tests/Backprop.Training.Tests/Fixtures/seeds.json")));
        return document.RootElement.GetProperty(name).Clone();
    }
}
