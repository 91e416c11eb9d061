using System.Globalization;
using System.Text.Json;
using Backprop.Chaos.Processes;

namespace Backprop.Page.Tests;

/// <summary>What the page computes by itself, against the articles' numbers and the command line's.
/// </summary>
[Collection(PageTests.Name)]
public sealed class ExplainModuleTests(PageFixture fixture)
{
    // The reference numbers are doubles, and so are the browser's; after ten thousand steps they
    // differ by what the order of a few additions comes to.
    private const double Tolerance = 1e-12;

    // The command line prints seven digits of what it has computed in single precision.
    private const double SinglePrecision = 2e-7;

    [SkippableTheory]
    [InlineData("step_0", 0)]
    [InlineData("step_1", 1)]
    [InlineData("step_9999", 9999)]
    public async Task Every_number_is_that_of_the_articles(string name, int step)
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        JsonElement expected = Reference(name);

        JsonElement actual = await visit.Page.EvaluateAsync<JsonElement>(
            """
            async (steps) => {
              const { Walk } = await import('/js/explain/walk.js');
              const { networks } = await import('/js/explain/network.js');
              const walk = new Walk(networks[0]);
              walk.finishStep();
              for (let i = 0; i < steps; i++) {
                walk.finishStep();
              }

              const { layers, totalError } = walk.explained;
              const byNeuron = (read) => layers.flatMap((layer) =>
                layer.out.flatMap((_, j) => read(layer).map((row) => row[j])));
              return {
                step: walk.step,
                hidden: layers[0].out,
                outputs: layers[1].out,
                total_error: totalError,
                weight_gradients: byNeuron((layer) => layer.weight.gradient),
                bias_gradients_per_neuron: layers.flatMap((layer) => layer.netGradient),
                weights_after: byNeuron((layer) => layer.weight.after),
              };
            }
            """,
            step);

        foreach (JsonProperty property in expected.EnumerateObject())
        {
            double[] numbers = Numbers(property.Value);
            double[] found = Numbers(actual.GetProperty(property.Name));
            Assert.Equal(numbers.Length, found.Length);
            for (int i = 0; i < numbers.Length; i++)
            {
                Assert.Equal(numbers[i], found[i], Tolerance);
            }
        }
    }

    [SkippableFact]
    public async Task The_chain_rule_has_the_numbers_that_the_command_prints()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");
        (string, string)[] weights = [("w5", "output.weight[0,0]"), ("w2", "hidden.weight[1,0]")];
        foreach ((string name, string tensor) in weights)
        {
            JsonElement chain = await visit.Page.EvaluateAsync<JsonElement>(
                """
                async (name) => {
                  const { Walk } = await import('/js/explain/walk.js');
                  const { networks } = await import('/js/explain/network.js');
                  const { chainOf } = await import('/js/explain/chain.js');
                  const { weightsOf } = await import('/js/explain/weights.js');
                  const weight = weightsOf(networks[0]).find((w) => w.name === name);
                  const lines = chainOf(networks[0], new Walk(networks[0]).explained, weight);
                  return { tensor: weight.tensor, values: lines.map((line) => line.value) };
                }
                """,
                name);
            double?[] values =
            [
                .. chain.GetProperty("values").EnumerateArray().Select(value =>
                    value.ValueKind == JsonValueKind.Null ? (double?)null : value.GetDouble()),
            ];
            Assert.Equal(tensor, chain.GetProperty("tensor").GetString());
            double[] printed = PrintedChain(tensor);

            Assert.Equal(printed.Length, values.Skip(1).Count());
            for (int i = 0; i < printed.Length; i++)
            {
                double value = values[i + 1]!.Value;
                Assert.Equal(printed[i], value, Math.Abs(value) * SinglePrecision);
            }
        }
    }

    [SkippableFact]
    public async Task Numbers_are_written_with_seven_digits_and_no_closing_zeros()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");

        string[] written = await visit.Page.EvaluateAsync<string[]>(
            """
            async () => {
              const { full, short, factor } = await import('/js/explain/numbers.js');
              return [
                full(0.3589164797), full(0.6), full(0.00043856773), full(1 / 3 * 1e-7),
                full(0), full(-0.0380982365), short(12345.678), short(9.99999), factor(-0.5),
                full(1234567), full(12345678),
              ];
            }
            """);

        Assert.Equal(
            [
                "0.3589165", "0.6", "0.0004385677", "3.333333e−8", "0", "−0.03809824", "1.235e+4",
                "10", "(−0.5)", "1234567", "1.234568e+7",
            ],
            written);
    }

    [SkippableFact]
    public async Task Exclusive_or_is_learnt()
    {
        Chromium.Require();
        await using Visit visit = await fixture.VisitAsync("explain");

        double[] losses = await visit.Page.EvaluateAsync<double[]>(
            """
            async () => {
              const { Walk } = await import('/js/explain/walk.js');
              const { networks } = await import('/js/explain/network.js');
              const walk = new Walk(networks.find((network) => network.name === 'xor'));
              const first = walk.loss;
              for (let i = 0; i < 4000; i++) {
                walk.finishStep();
              }

              const { points } = walk.losses;
              return [first, walk.loss, points.length, points.at(-1).step];
            }
            """);

        Assert.InRange(losses[0], 0.1, 0.2);
        Assert.InRange(losses[1], 0, 0.01);
        Assert.InRange(losses[2], 100, 1100);
        Assert.Equal(3999, losses[3]);
    }

    /// <summary>The numbers after the equals signs of a printed chain rule, from dE/dout on.
    /// </summary>
    private static double[] PrintedChain(string weight)
    {
        (int exitCode, string output, string error) = BackpropProgram.Run(
            new Dictionary<string, string>(), "explain",
            "hocon/runs/articles/two-two-two.conf", "--weight", weight);
        Assert.True(exitCode == 0, error);
        return
        [
            .. from start in (string[])["dE/dout   = ", "dout/dnet = ", "dnet/dw   = ",
                   "dE/dw     = dE/dout · dout/dnet · dnet/dw = ", "new w     = "]
               let line = output.Split('\n').Single(l => l.StartsWith(start))
               select double.Parse(
                   line[start.Length..].Split(' ')[0], CultureInfo.InvariantCulture),
        ];
    }

    private static double[] Numbers(JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? [.. value.EnumerateArray().Select(element => element.GetDouble())]
        : [value.GetDouble()];

    private static JsonElement Reference(string step)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(
            BackpropProgram.RepositoryRoot,
            "tests/Backprop.Training.Tests/Fixtures/seeds.json")));
        return document.RootElement.GetProperty("worked_2_2_2")
            .GetProperty("targets_0.01_0.99").GetProperty(step).Clone();
    }
}
