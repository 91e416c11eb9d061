using System.Collections.Immutable;

namespace Backprop.Console.Explanation;

/// <summary>One training step on one sample, as the engine computed it: all that an explanation
/// shows.</summary>
internal sealed record ExplainedStep
{
    /// <summary>The run's name.</summary>
    public required string Run { get; init; }

    /// <summary>The step, from 0.</summary>
    public required long Step { get; init; }

    /// <summary>The sample's index in its dataset.</summary>
    public required long Sample { get; init; }

    /// <summary>The loss, by its name in specifications.</summary>
    public required string Loss { get; init; }

    /// <summary>The optimizer, by its name in specifications.</summary>
    public required string Optimizer { get; init; }

    /// <summary>The learning rate of the step.</summary>
    public required float LearningRate { get; init; }

    /// <summary>True: errors were passed back without the activations' derivatives.</summary>
    public required bool ErrorSplitting { get; init; }

    /// <summary>The sample's features.</summary>
    public required ImmutableArray<float> Inputs { get; init; }

    /// <summary>The sample's target: a value for each output, or one class index.</summary>
    public required ImmutableArray<float> Targets { get; init; }

    /// <summary>The loss of the sample, E.</summary>
    public required double TotalError { get; init; }

    /// <summary>The loss of each output taken alone; empty where the loss looks at all outputs
    /// together.</summary>
    public required ImmutableArray<float> OutputErrors { get; init; }

    /// <summary>The layers of neurons, from the first hidden one to the output.</summary>
    public required ImmutableArray<NeuronLayer> Layers { get; init; }

    /// <summary>What goes into layer <paramref name="layer"/>.</summary>
    public ImmutableArray<float> InputsOf(int layer) =>
        layer == 0 ? Inputs : Layers[layer - 1].Out;

    /// <summary>The name of a neuron; layer −1 is the network's input.</summary>
    public string NeuronName(int layer, int index) =>
        layer < 0 ? $"input[{index}]" : $"{Layers[layer].Name}[{index}]";
}

/// <summary>A dense layer with its activation, in one step on one sample.</summary>
internal sealed record NeuronLayer
{
    /// <summary>The dense layer's name.</summary>
    public required string Name { get; init; }

    /// <summary>The activation, by its name in specifications; null: out is net.</summary>
    public required string? Activation { get; init; }

    /// <summary>[neurons]: the weighted sum of the inputs, with the bias.</summary>
    public required ImmutableArray<float> Net { get; init; }

    /// <summary>[neurons]: the activation of net.</summary>
    public required ImmutableArray<float> Out { get; init; }

    /// <summary>[neurons]: dE/dout.</summary>
    public required ImmutableArray<float> OutGradient { get; init; }

    /// <summary>[neurons]: dout/dnet.</summary>
    public required ImmutableArray<float> Slope { get; init; }

    /// <summary>[neurons]: dE/dnet.</summary>
    public required ImmutableArray<float> NetGradient { get; init; }

    /// <summary>The weights, [inputs, neurons].</summary>
    public required ExplainedParameter Weight { get; init; }

    /// <summary>The biases, [neurons]; null: the layer has none.</summary>
    public required ExplainedParameter? Bias { get; init; }

    /// <summary>Neurons.</summary>
    public int Width => Out.Length;

    /// <summary>Where the weight from an input to a neuron stands in <see cref="Weight"/>.
    /// </summary>
    public int IndexOf(int input, int neuron) => (input * Width) + neuron;
}

/// <summary>A parameter tensor before and after the step.</summary>
/// <param name="Name">Layer and parameter: <c>output.weight</c>.</param>
/// <param name="Trainable">False: kept as initialized.</param>
/// <param name="Before">Its values in the forward pass.</param>
/// <param name="Gradient">dE/dw of each.</param>
/// <param name="After">Its values after the optimizer's step.</param>
internal sealed record ExplainedParameter(
    string Name, bool Trainable, ImmutableArray<float> Before, ImmutableArray<float> Gradient,
    ImmutableArray<float> After);
