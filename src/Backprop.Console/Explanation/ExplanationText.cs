using Backprop.Console.Rendering;

namespace Backprop.Console.Explanation;

/// <summary>
/// Writes a step out in full for readers of a first text on backpropagation: every neuron's forward
/// values, the errors, the factors of the chain rule, and every new weight.
/// </summary>
internal static class ExplanationText
{
    private const int Width = 80;
    private const int NumberWidth = 15;

    // A longer sum is not read; its result is.
    private const int MostTermsWritten = 4;

    /// <summary>The lines, each of at most 80 characters unless a layer's name is very long.
    /// </summary>
    /// <param name="step">The step.</param>
    /// <param name="weights">The weights whose chain rule is written out.</param>
    public static IReadOnlyList<string> Write(
        ExplainedStep step, IReadOnlyList<WeightReference> weights) =>
    [
        $"{step.Run}: step {step.Step} on sample {step.Sample}",
        $"{step.Loss}, {step.Optimizer}, learning rate {NumberText.Full(step.LearningRate)}",
        .. Heading("Forward"),
        .. Forward(step),
        .. Heading("Error"),
        .. Errors(step),
        .. Heading("Backward"),
        .. Backward(step),
        .. weights.SelectMany(weight => Chain(step, weight)),
        .. Heading("New weights"),
        .. NewWeights(step),
    ];

    private static IEnumerable<string> Heading(string title) =>
        ["", $"{title} {new string('─', Width - title.Length - 1)}"];

    private static IEnumerable<string> Forward(ExplainedStep step)
    {
        for (int i = 0; i < step.Inputs.Length; i++)
        {
            yield return $"{step.NeuronName(-1, i)}  {NumberText.Full(step.Inputs[i])}";
        }

        for (int layer = 0; layer < step.Layers.Length; layer++)
        {
            NeuronLayer neurons = step.Layers[layer];
            for (int j = 0; j < neurons.Width; j++)
            {
                string name = step.NeuronName(layer, j);
                string blank = "".PadRight(name.Length);
                yield return $"{name}  net = {WeightedSum(step, layer, j)}";
                yield return $"{blank}      = {NumberText.Full(neurons.Net[j])}";
                yield return $"{blank}  out = "
                    + (neurons.Activation is null ? "net" : $"{neurons.Activation}(net)")
                    + $" = {NumberText.Full(neurons.Out[j])}";
            }
        }
    }

    private static string WeightedSum(ExplainedStep step, int layer, int neuron)
    {
        NeuronLayer neurons = step.Layers[layer];
        var inputs = step.InputsOf(layer);
        string bias = neurons.Bias is null
            ? ""
            : $" + {NumberText.Short(neurons.Bias.Before[neuron])}";
        if (inputs.Length > MostTermsWritten)
        {
            return $"the sum of {inputs.Length} inputs · weights{bias}";
        }

        var terms = inputs.Select((value, i) => $"{NumberText.Short(value)}·"
            + NumberText.Short(neurons.Weight.Before[neurons.IndexOf(i, neuron)]));
        return string.Join(" + ", terms) + bias;
    }

    private static IEnumerable<string> Errors(ExplainedStep step)
    {
        int last = step.Layers.Length - 1;
        if (step.OutputErrors.IsEmpty)
        {
            yield return "target " + string.Join(", ", step.Targets.Select(
                value => NumberText.Full(value)));
        }

        for (int k = 0; k < step.OutputErrors.Length; k++)
        {
            yield return $"{step.NeuronName(last, k)}  target {NumberText.Full(step.Targets[k])}, "
                + $"out {NumberText.Full(step.Layers[last].Out[k])}, "
                + $"error {NumberText.Full(step.OutputErrors[k])}";
        }

        yield return $"E = {NumberText.Full(step.TotalError)}";
    }

    private static IEnumerable<string> Backward(ExplainedStep step)
    {
        int name = step.Layers.Select((layer, l) => step.NeuronName(l, layer.Width - 1).Length)
            .Max();
        yield return step.ErrorSplitting
            ? "error splitting: dE/dnet = dE/dout, without the factor dout/dnet"
            : "dE/dnet = dE/dout · dout/dnet";
        yield return Row("", name, "dE/dout", "dout/dnet", "dE/dnet");
        for (int layer = step.Layers.Length - 1; layer >= 0; layer--)
        {
            NeuronLayer neurons = step.Layers[layer];
            for (int j = 0; j < neurons.Width; j++)
            {
                yield return Row(
                    step.NeuronName(layer, j), name, NumberText.Full(neurons.OutGradient[j]),
                    NumberText.Full(neurons.Slope[j]), NumberText.Full(neurons.NetGradient[j]));
            }
        }
    }

    private static IEnumerable<string> Chain(ExplainedStep step, WeightReference weight)
    {
        int layer = step.Layers.ToList().FindIndex(l => l.Weight.Name == weight.Tensor);
        ArgumentOutOfRangeException.ThrowIfNegative(layer, nameof(weight));
        NeuronLayer neurons = step.Layers[layer];
        int index = neurons.IndexOf(weight.Input, weight.Neuron);
        string from = step.NeuronName(layer - 1, weight.Input);
        string before = NumberText.Full(neurons.Weight.Before[index]);
        string after = NumberText.Full(neurons.Weight.After[index]);
        string factors = step.ErrorSplitting
            ? "dE/dout · dnet/dw"
            : "dE/dout · dout/dnet · dnet/dw";
        return
        [
            .. Heading($"Chain rule of {weight}"),
            $"w leads from {from} to {step.NeuronName(layer, weight.Neuron)}",
            .. OutGradient(step, layer, weight.Neuron),
            $"dout/dnet = {NumberText.Full(neurons.Slope[weight.Neuron]),-12}"
                + SlopeFormula(neurons, weight.Neuron),
            $"dnet/dw   = {NumberText.Full(step.InputsOf(layer)[weight.Input]),-12}"
                + $"  (out of {from})",
            $"dE/dw     = {factors} = {NumberText.Full(neurons.Weight.Gradient[index])}",
            neurons.Weight.Trainable
                ? $"new w     = {after}  (before: {before}; {step.Optimizer})"
                : $"new w     = {after}  (frozen)",
        ];
    }

    /// <summary>A neuron's dE/dout: from the loss, or over every path through the layer after it.
    /// </summary>
    private static IEnumerable<string> OutGradient(ExplainedStep step, int layer, int neuron)
    {
        string value = NumberText.Full(step.Layers[layer].OutGradient[neuron]);
        if (layer == step.Layers.Length - 1)
        {
            yield return $"dE/dout   = {value,-12}  (the slope of {step.Loss})";
            yield break;
        }

        yield return $"dE/dout   = {value,-12}  (the sum over the neurons it feeds,";
        yield return $"{"",12}each dE/dnet · weight:";
        NeuronLayer next = step.Layers[layer + 1];
        for (int k = 0; k < next.Width; k++)
        {
            float weight = next.Weight.Before[next.IndexOf(neuron, k)];
            yield return $"{"",12}{NumberText.Full(next.NetGradient[k])} · "
                + $"{NumberText.Full(weight)} = {NumberText.Full(next.NetGradient[k] * weight)}"
                + $"  {step.NeuronName(layer + 1, k)}{(k == next.Width - 1 ? ")" : "")}";
        }
    }

    private static string SlopeFormula(NeuronLayer neurons, int neuron)
    {
        string value = NumberText.Full(neurons.Out[neuron]);
        return neurons.Activation switch
        {
            null => "  (out is net)",
            "sigmoid" => $"  (out·(1 − out) = {value}·(1 − {value}))",
            "tanh" => $"  (1 − out² = 1 − {value}²)",
            string name => $"  (the slope of {name} at net)",
        };
    }

    private static IEnumerable<string> NewWeights(ExplainedStep step)
    {
        (string Name, ExplainedParameter Tensor, int Index)[] elements =
        [
            .. step.Layers.SelectMany(layer => WeightsOf(layer).Concat(BiasesOf(layer))),
        ];
        int width = elements.Max(element => element.Name.Length);
        yield return Row("", width, "before", "dE/dw", "after");
        foreach ((string name, ExplainedParameter tensor, int i) in elements)
        {
            string before = NumberText.Full(tensor.Before[i]);
            yield return tensor.Trainable
                ? Row(
                    name, width, before, NumberText.Full(tensor.Gradient[i]),
                    NumberText.Full(tensor.After[i]))
                : Row(name, width, before, "frozen", NumberText.Full(tensor.After[i]));
        }
    }

    private static IEnumerable<(string Name, ExplainedParameter Tensor, int Index)> WeightsOf(
        NeuronLayer layer) =>
        layer.Weight.Before.Select((_, i) =>
            ($"{layer.Weight.Name}[{i / layer.Width},{i % layer.Width}]", layer.Weight, i));

    private static IEnumerable<(string Name, ExplainedParameter Tensor, int Index)> BiasesOf(
        NeuronLayer layer) =>
        layer.Bias is not ExplainedParameter bias
            ? []
            : bias.Before.Select((_, i) => ($"{bias.Name}[{i}]", bias, i));

    private static string Row(
        string name, int nameWidth, string first, string second, string third) =>
        name.PadRight(nameWidth)
        + $" {first,NumberWidth} {second,NumberWidth} {third,NumberWidth}";
}
