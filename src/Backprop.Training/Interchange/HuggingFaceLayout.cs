using System.Collections.Immutable;
using Backprop.Data.Tensors;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>A network as a model of Hugging Face's library.</summary>
/// <param name="Tensors">Its tensors by the names and layouts of the library; a head that is tied
/// is a copy, which the library does not save.</param>
/// <param name="Configuration">What the library builds the same model by.</param>
public sealed record HuggingFaceModel(
    ImmutableArray<StridedTensor> Tensors, HuggingFaceConfiguration Configuration);

/// <summary>
/// Networks that are, layer by layer, <c>LlamaForCausalLM</c> or <c>GPT2LMHeadModel</c> of Hugging
/// Face's transformers (models/llama/modeling_llama.py, models/gpt2/modeling_gpt2.py): an
/// embedding, blocks of two residual sums, a last normalization and a dense layer to the
/// vocabulary. Dropout may stand anywhere. docs/interchange.md has the names.
/// </summary>
public static class HuggingFaceLayout
{
    /// <summary>The tensors of a network, which together have every parameter once, but for
    /// <see cref="StridedTensor.CopyOf"/>.</summary>
    /// <exception cref="NotSupportedException">It is of neither architecture: the message says
    /// which layer differs, and from what.</exception>
    public static HuggingFaceModel Of(Network network)
    {
        if (network.HasNamedOutputs || !network.Inputs.IsEmpty)
        {
            throw new NotSupportedException(
                "the network has named inputs or outputs: no model that Hugging Face's names are "
                + "for does");
        }

        return network.Nodes.Any(node => node.Layer is PositionalEncodingLayer)
            ? Gpt2Layout.Of(network)
            : LlamaLayout.Of(network);
    }

    /// <summary>The tensors by the names that a file has them under: what was saved of the body
    /// alone, <c>GPT2Model</c> instead of <c>GPT2LMHeadModel</c>, lacks the first word.</summary>
    /// <param name="tensors">Those of <see cref="Of"/>.</param>
    /// <param name="file">The file.</param>
    public static ImmutableArray<StridedTensor> In(
        ImmutableArray<StridedTensor> tensors, ITensorFile file)
    {
        string first = tensors[0].Name, prefix = first[..(first.IndexOf('.') + 1)];
        return file.Find(first) is null && file.Find(Bare(first)) is not null
            ?
            [
                .. tensors.Select(tensor => tensor with
                {
                    Name = Bare(tensor.Name),
                    CopyOf = tensor.CopyOf is { } owner ? Bare(owner) : null,
                }),
            ]
            : tensors;

        string Bare(string name) =>
            name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;
    }

    /// <summary>A parameter of a layer as it is.</summary>
    internal static StridedTensor AsItIs(NetworkNode node, int parameter, string name)
    {
        ParameterDeclaration declared = node.Layer.Parameters[parameter];
        return StridedTensor.Of(
            name, $"{node.Layer.Name}.{declared.Name}", declared.Shape.Dimensions.AsSpan());
    }

    /// <summary>The dense layer to the vocabulary, which is the last.</summary>
    /// <param name="walk">Stands before it.</param>
    /// <param name="table">The embedding's tensor.</param>
    /// <param name="vocabulary">The embedding's tokens.</param>
    internal static StridedTensor Head(LayerWalk walk, StridedTensor table, int vocabulary)
    {
        const string Name = "lm_head.weight";
        (DenseDefinition head, ImmutableArray<NetworkNode> nodes) =
            walk.Take<DenseDefinition>("a dense layer to the vocabulary");
        walk.Require(!head.Bias, "a bias", "none there");
        walk.Require(head.Activation is null, "an activation", "none there");
        walk.Require(
            head.Units == vocabulary, $"{head.Units} units",
            $"one for each of {vocabulary} tokens");
        walk.End();
        return nodes[0].Owner is null
            ? PyTorchLayout.Linear(nodes[0], ImageOrder.None, Name, "").Single()
            : table with { Name = Name, CopyOf = table.Name };
    }
}
