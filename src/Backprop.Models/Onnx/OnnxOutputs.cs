using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Engine.Losses;

namespace Backprop.Models.Onnx;

/// <summary>What is made of the outputs of a model's networks, as nodes of ONNX: their average, and
/// what <see cref="OutputReading"/> gives as values.</summary>
/// <param name="graph">Takes the nodes.</param>
/// <param name="modelOutput">Which of the model's outputs.</param>
internal sealed class OnnxOutputs(OnnxGraph graph, ModelOutput modelOutput)
{
    // As evaluation has it: the least positive float keeps a probability that vanished from
    // becoming an infinity.
    private const float Least = float.Epsilon;

    /// <summary>The output, and the prediction with its shape.</summary>
    /// <param name="members">Each member's output.</param>
    public (string Output, string Prediction, ImmutableArray<int> Shape) Of(string[] members)
    {
        ImmutableArray<int> shape = modelOutput.Shape.Dimensions;
        string[] squashed = [.. members.Select(Squashed)];
        string average = squashed.Length == 1
            ? squashed[0]
            : graph.Node(
                "Div", [graph.Node("Sum", squashed), graph.Scalar("members", members.Length)]);
        string output = members.Length == 1 ? members[0] : Logit(average);
        if (!modelOutput.HasClasses)
        {
            return (output, Restored(average, shape), shape);
        }

        bool isProbability = modelOutput.Loss
            is BinaryCrossEntropy or BinaryCrossEntropyOnProbabilities;
        return shape is [1] && modelOutput.TargetNames.Length == 2 && isProbability
            ? (output, BothClasses(average), [2])
            : (output, average, shape);
    }

    private string Squashed(string output) => modelOutput.Loss switch
    {
        SoftmaxCrossEntropy =>
            graph.Node("Softmax", [output], OnnxGraph.Attribute("axis", -1)),
        BinaryCrossEntropy => graph.Node("Sigmoid", [output]),
        _ => output,
    };

    private string Logit(string average)
    {
        if (modelOutput.Loss is not (SoftmaxCrossEntropy or BinaryCrossEntropy))
        {
            return average;
        }

        string least = graph.Scalar("least", Least);
        string log = graph.Node("Log", [graph.Node("Max", [average, least])]);
        string other = graph.Node("Sub", [graph.Scalar("one", 1), average]);
        return modelOutput.Loss is SoftmaxCrossEntropy
            ? log
            : graph.Node("Sub", [log, graph.Node("Log", [graph.Node("Max", [other, least])])]);
    }

    private string BothClasses(string second) => graph.Node(
        "Concat", [graph.Node("Sub", [graph.Scalar("one", 1), second]), second],
        OnnxGraph.Attribute("axis", -1));

    private string Restored(string value, ImmutableArray<int> shape)
    {
        Normalization scale = modelOutput.Scale;
        if (scale.Offsets.IsEmpty || modelOutput.Loss is BinaryCrossEntropy)
        {
            return value;
        }

        ReadOnlySpan<int> each = scale.Offsets.Length == 1 ? [1] : shape.AsSpan();
        string spread = graph.Constant("target_spread", scale.Spreads.AsSpan(), each);
        string offset = graph.Constant("target_offset", scale.Offsets.AsSpan(), each);
        string restored = graph.Node("Add", [graph.Node("Mul", [value, spread]), offset]);
        return scale.Method == NormalizationMethod.LogStandard
            ? graph.Node(
                "Min", [graph.Node("Exp", [restored]), graph.Scalar("greatest", float.MaxValue)])
            : restored;
    }
}
