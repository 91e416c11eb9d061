using System.Collections.Immutable;
using Backprop.Console.Explanation;

namespace Backprop.Console.Tests.Explanation;

/// <summary>The worked 2-2-2 network of the articles, step 0, with numbers computed in double
/// precision by hand-written code outside this project.</summary>
internal static class TwoTwoTwo
{
    public static ExplainedStep Step { get; } = new()
    {
        Run = "two-two-two",
        Step = 0,
        Sample = 0,
        Loss = "half-squared-error",
        Optimizer = "sgd",
        LearningRate = 0.5f,
        ErrorSplitting = false,
        Inputs = [0.05f, 0.1f],
        Targets = [0.01f, 0.99f],
        TotalError = 0.2983711087600027,
        OutputErrors = [0.274811083f, 0.0235600257f],
        Layers =
        [
            new NeuronLayer
            {
                Name = "hidden",
                Activation = "sigmoid",
                Net = [0.3775f, 0.3925f],
                Out = [0.5932699921f, 0.5968843783f],
                OutGradient = [0.0363503064f, 0.0413703226f],
                Slope = [0.2413007086f, 0.2406134172f],
                NetGradient = [0.0087713547f, 0.0099542547f],
                Weight = new ExplainedParameter(
                    "hidden.weight", true, [0.15f, 0.25f, 0.20f, 0.30f],
                    [0.00043856773f, 0.00049771274f, 0.00087713547f, 0.00099542547f],
                    [0.1497807161f, 0.2497511436f, 0.1995614323f, 0.2995022873f]),
                Bias = new ExplainedParameter(
                    "hidden.bias", false, [0.35f, 0.35f], [0, 0], [0.35f, 0.35f]),
            },
            new NeuronLayer
            {
                Name = "output",
                Activation = "sigmoid",
                Net = [1.1059059671f, 1.2249214041f],
                Out = [0.7513650696f, 0.7729284653f],
                OutGradient = [0.7413650696f, -0.2170715347f],
                Slope = [0.1868156018f, 0.1755100528f],
                NetGradient = [0.1384985616f, -0.0380982365f],
                Weight = new ExplainedParameter(
                    "output.weight", true, [0.40f, 0.50f, 0.45f, 0.55f],
                    [0.0821670406f, -0.0226025405f, 0.0826676278f, -0.0227402422f],
                    [0.3589164797f, 0.5113012702f, 0.4086661861f, 0.5613701211f]),
                Bias = new ExplainedParameter(
                    "output.bias", false, [0.60f, 0.60f], [0, 0], [0.60f, 0.60f]),
            },
        ],
    };

    /// <summary>A step of a network of these widths, the input first, with made-up values.
    /// </summary>
    public static ExplainedStep OfWidths(params int[] widths) => Step with
    {
        Inputs = Values(widths[0]),
        Targets = Values(widths[^1]),
        OutputErrors = Values(widths[^1]),
        Layers =
        [
            .. widths.Skip(1).Select((width, layer) => new NeuronLayer
            {
                Name = $"dense{layer + 1}",
                Activation = "tanh",
                Net = Values(width),
                Out = Values(width),
                OutGradient = Values(width),
                Slope = Values(width),
                NetGradient = Values(width),
                Weight = new ExplainedParameter(
                    $"dense{layer + 1}.weight", true, Values(widths[layer] * width),
                    Values(widths[layer] * width), Values(widths[layer] * width)),
                Bias = new ExplainedParameter(
                    $"dense{layer + 1}.bias", true, Values(width), Values(width), Values(width)),
            }),
        ],
    };

    private static ImmutableArray<float> Values(int count) =>
        [.. Enumerable.Range(0, count).Select(i => (i % 2 == 0 ? 1 : -1) * 0.12345678f / (i + 1))];
}
