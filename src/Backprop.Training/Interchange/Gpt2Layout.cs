using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>Networks that are <c>GPT2LMHeadModel</c>. Its <c>Conv1D</c> has weights as ours lie,
/// [inputs, outputs], and queries, keys and values side by side in one.</summary>
internal static class Gpt2Layout
{
    private const string Body = "transformer";

    /// <summary>The network as that model.</summary>
    /// <exception cref="NotSupportedException">It is none.</exception>
    public static HuggingFaceModel Of(Network network)
    {
        var walk = new LayerWalk(network, HuggingFaceConfiguration.Gpt2);
        var tensors = ImmutableArray.CreateBuilder<StridedTensor>();
        (EmbeddingDefinition table, ImmutableArray<NetworkNode> nodes) =
            walk.Take<EmbeddingDefinition>("an embedding");
        tensors.Add(HuggingFaceLayout.AsItIs(nodes[0], 0, $"{Body}.wte.weight"));
        (PositionalEncodingDefinition places, nodes) =
            walk.Take<PositionalEncodingDefinition>("a learned positional-encoding");
        walk.Require(
            places.Positions == PositionalKind.Learned, "sinusoids", "learned positions");
        tensors.Add(HuggingFaceLayout.AsItIs(nodes[0], 0, $"{Body}.wpe.weight") with
        {
            TakesFirstRows = true,
        });
        var configuration = new HuggingFaceConfiguration
        {
            Architecture = HuggingFaceConfiguration.Gpt2,
            Vocabulary = table.Vocabulary,
            Width = table.Width,
            Positions = nodes[0].Layer.OutputShape.Dimensions[0],
        };
        do
        {
            string block = $"{Body}.h.{configuration.Layers}";
            int entry = walk.PassDropout();
            tensors.AddRange(Normalization(walk, $"{block}.ln_1", out _));
            AttentionDefinition attention = Attention(walk, $"{block}.attn", tensors);
            walk.TakeSum(entry);
            entry = walk.PassDropout();
            tensors.AddRange(Normalization(walk, $"{block}.ln_2", out _));
            (int inner, string activation) = Inner(walk, $"{block}.mlp", tensors);
            walk.TakeSum(entry);
            configuration = configuration with
            {
                Layers = configuration.Layers + 1,
                Heads = attention.Heads,
                KeyValueHeads = attention.Heads,
                Inner = inner,
                Activation = activation,
                PaddingToken = attention.PaddingToken,
            };
        }
        while (walk.HasBlocks);

        tensors.AddRange(Normalization(walk, $"{Body}.ln_f", out float epsilon));
        tensors.Add(HuggingFaceLayout.Head(walk, tensors[0], table.Vocabulary));
        return new HuggingFaceModel(
            tensors.ToImmutable(), configuration with
            {
                Epsilon = epsilon,
                IsTied = tensors[^1].CopyOf is not null,
            });
    }

    private static IEnumerable<StridedTensor> Normalization(
        LayerWalk walk, string name, out float epsilon)
    {
        (LayerNormalizationDefinition definition, ImmutableArray<NetworkNode> nodes) =
            walk.Take<LayerNormalizationDefinition>("a layer-normalization");
        walk.Require(definition.Affine, "no scale and bias", "both");
        epsilon = walk.Same("epsilon", definition.Epsilon);
        return WeightAndBias(nodes[0], name);
    }

    private static AttentionDefinition Attention(
        LayerWalk walk, string name, ImmutableArray<StridedTensor>.Builder tensors)
    {
        (AttentionDefinition definition, ImmutableArray<NetworkNode> nodes) =
            walk.Take<AttentionDefinition>("an attention");
        walk.Require(!definition.IsRotary, "a rotation", "none");
        walk.Require(definition.IsCausal, "causal = false", "causal = true");
        walk.Require(definition.Bias, "no biases", "biases");
        walk.Require(
            (definition.KeyValueHeads ?? definition.Heads) == definition.Heads,
            $"{definition.KeyValueHeads} key-value-heads for {definition.Heads} heads",
            "as many of both");
        walk.Same("heads", definition.Heads);
        walk.Same("padding-token", definition.PaddingToken);
        tensors.AddRange(WeightAndBias(nodes[0], $"{name}.c_attn"));
        tensors.AddRange(WeightAndBias(nodes[^1], $"{name}.c_proj"));
        return definition;
    }

    private static (int Units, string Activation) Inner(
        LayerWalk walk, string name, ImmutableArray<StridedTensor>.Builder tensors)
    {
        (DenseDefinition first, ImmutableArray<NetworkNode> nodes) =
            walk.Take<DenseDefinition>("a dense layer");
        walk.Require(first.Bias, "no bias", "one");
        int units = walk.Same("units", first.Units);
        tensors.AddRange(WeightAndBias(nodes[0], $"{name}.c_fc"));
        string activation = walk.Same("the activation", NameOf(
            first.Activation ?? walk.Take<ActivationDefinition>("an activation").Definition, walk));
        (DenseDefinition second, nodes) = walk.Take<DenseDefinition>("a dense layer");
        walk.Require(second.Bias, "no bias", "one");
        walk.Require(second.Activation is null, "an activation", "none");
        tensors.AddRange(WeightAndBias(nodes[0], $"{name}.c_proj"));
        return (units, activation);
    }

    // Those that the library's configuration names for the architecture.
    private static string NameOf(ActivationDefinition activation, LayerWalk walk)
    {
        string? name = activation switch
        {
            GeluDefinition { Approximation: GeluApproximation.Tanh } => "gelu_new",
            GeluDefinition => "gelu",
            ReluDefinition => "relu",
            SiluDefinition => "silu",
            TanhDefinition => "tanh",
            _ => null,
        };
        walk.Require(
            name is not null, $"the activation {activation.Kind}", "gelu, relu, silu or tanh");
        return name!;
    }

    private static StridedTensor[] WeightAndBias(NetworkNode node, string name) =>
    [
        HuggingFaceLayout.AsItIs(node, 0, $"{name}.weight"),
        HuggingFaceLayout.AsItIs(node, 1, $"{name}.bias"),
    ];
}
