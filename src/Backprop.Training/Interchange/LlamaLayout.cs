using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>Networks that are <c>LlamaForCausalLM</c>. Its rotation pairs a head's numbers i and
/// i + width / 2, as ours does, so that no row of queries or keys changes its place.</summary>
internal static class LlamaLayout
{
    private const string Body = "model";

    /// <summary>The network as that model.</summary>
    /// <exception cref="NotSupportedException">It is none.</exception>
    public static HuggingFaceModel Of(Network network)
    {
        var walk = new LayerWalk(network, HuggingFaceConfiguration.Llama);
        var tensors = ImmutableArray.CreateBuilder<StridedTensor>();
        (EmbeddingDefinition table, ImmutableArray<NetworkNode> nodes) =
            walk.Take<EmbeddingDefinition>("an embedding");
        tensors.Add(HuggingFaceLayout.AsItIs(nodes[0], 0, $"{Body}.embed_tokens.weight"));
        var configuration = new HuggingFaceConfiguration
        {
            Architecture = HuggingFaceConfiguration.Llama,
            Vocabulary = table.Vocabulary,
            Width = table.Width,
            Positions = nodes[0].Layer.OutputShape.Dimensions[0],
        };
        do
        {
            string block = $"{Body}.layers.{configuration.Layers}";
            int entry = walk.PassDropout();
            tensors.Add(Normalization(walk, $"{block}.input_layernorm.weight"));
            AttentionDefinition attention = Attention(walk, $"{block}.self_attn", tensors);
            walk.TakeSum(entry);
            entry = walk.PassDropout();
            tensors.Add(Normalization(walk, $"{block}.post_attention_layernorm.weight"));
            SwiGluDefinition inner = Inner(walk, $"{block}.mlp", tensors);
            walk.TakeSum(entry);
            configuration = configuration with
            {
                Layers = configuration.Layers + 1,
                Heads = attention.Heads,
                KeyValueHeads = attention.KeyValueHeads ?? attention.Heads,
                Inner = inner.Units,
                RotaryBase = attention.RotaryBase,
                HasAttentionBias = attention.Bias,
                HasInnerBias = inner.Bias,
                PaddingToken = attention.PaddingToken,
            };
        }
        while (walk.HasBlocks);

        tensors.Add(Normalization(walk, $"{Body}.norm.weight", out float epsilon));
        tensors.Add(HuggingFaceLayout.Head(walk, tensors[0], table.Vocabulary));
        return new HuggingFaceModel(
            tensors.ToImmutable(), configuration with
            {
                Epsilon = epsilon,
                IsTied = tensors[^1].CopyOf is not null,
            });
    }

    private static StridedTensor Normalization(LayerWalk walk, string name) =>
        Normalization(walk, name, out _);

    private static StridedTensor Normalization(LayerWalk walk, string name, out float epsilon)
    {
        (RmsNormalizationDefinition definition, ImmutableArray<NetworkNode> nodes) =
            walk.Take<RmsNormalizationDefinition>("an rms-normalization");
        walk.Require(definition.Affine, "no scale", "one");
        epsilon = walk.Same("epsilon", definition.Epsilon);
        return HuggingFaceLayout.AsItIs(nodes[0], 0, name);
    }

    private static AttentionDefinition Attention(
        LayerWalk walk, string name, ImmutableArray<StridedTensor>.Builder tensors)
    {
        (AttentionDefinition definition, ImmutableArray<NetworkNode> nodes) =
            walk.Take<AttentionDefinition>("an attention");
        walk.Require(definition.IsRotary, "no rotation", "rotary = true");
        walk.Require(definition.IsCausal, "causal = false", "causal = true");
        int heads = walk.Same("heads", definition.Heads);
        int shared = walk.Same("key-value-heads", definition.KeyValueHeads ?? heads);
        walk.Same("rotary-base", definition.RotaryBase);
        walk.Same("attention bias", definition.Bias);
        walk.Same("padding-token", definition.PaddingToken);
        int width = nodes[^1].Layer.OutputShape.Dimensions[^1] / heads;
        tensors.AddRange(PyTorchLayout.Parts(
            nodes[0], ($"{name}.q_proj", heads * width), ($"{name}.k_proj", shared * width),
            ($"{name}.v_proj", shared * width)));
        tensors.AddRange(PyTorchLayout.Linear(
            nodes[^1], ImageOrder.None, $"{name}.o_proj.weight", $"{name}.o_proj.bias"));
        return definition;
    }

    private static SwiGluDefinition Inner(
        LayerWalk walk, string name, ImmutableArray<StridedTensor>.Builder tensors)
    {
        (SwiGluDefinition definition, ImmutableArray<NetworkNode> nodes) =
            walk.Take<SwiGluDefinition>("a swiglu");
        int units = walk.Same("units", definition.Units);
        walk.Same("swiglu bias", definition.Bias);
        tensors.AddRange(PyTorchLayout.Parts(
            nodes[0], ($"{name}.gate_proj", units), ($"{name}.up_proj", units)));
        tensors.AddRange(PyTorchLayout.Linear(
            nodes[^1], ImageOrder.None, $"{name}.down_proj.weight", $"{name}.down_proj.bias"));
        return definition;
    }
}
