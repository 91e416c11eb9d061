using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Backprop.Training.Interchange;

/// <summary>What Hugging Face's library builds a model by: the numbers of its
/// <c>config.json</c>.</summary>
public sealed record HuggingFaceConfiguration
{
    /// <summary>The file that <c>from_pretrained</c> reads beside the weights.</summary>
    public const string FileName = "config.json";

    internal const string Llama = "LlamaForCausalLM";
    internal const string Gpt2 = "GPT2LMHeadModel";

    /// <summary>The library's class.</summary>
    public required string Architecture { get; init; }

    /// <summary>Tokens.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>Numbers of a position between the blocks.</summary>
    public required int Width { get; init; }

    /// <summary>Positions of a sequence: of GPT-2 the most, of LLaMA what it was trained with.
    /// </summary>
    public required int Positions { get; init; }

    /// <summary>Blocks.</summary>
    public int Layers { get; init; }

    /// <summary>Heads of queries.</summary>
    public int Heads { get; init; }

    /// <summary>Heads of keys and values.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Numbers of a position within the second half of a block.</summary>
    public int Inner { get; init; }

    /// <summary>Of every normalization.</summary>
    public float Epsilon { get; init; }

    /// <summary>Of LLaMA's rotations.</summary>
    public double RotaryBase { get; init; }

    /// <summary>The activation of GPT-2's blocks, as the library calls it.</summary>
    public string Activation { get; init; } = "";

    /// <summary>Whether LLaMA's attention has biases.</summary>
    public bool HasAttentionBias { get; init; }

    /// <summary>Whether LLaMA's gated feed-forward has biases.</summary>
    public bool HasInnerBias { get; init; }

    /// <summary>Whether the head has the embedding's vectors for weights.</summary>
    public bool IsTied { get; init; }

    /// <summary>The token that fills sequences up; null: none does.</summary>
    public int? PaddingToken { get; init; }

    /// <summary>The file's text.</summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("architectures");
            json.WriteStringValue(Architecture);
            json.WriteEndArray();
            json.WriteNumber("vocab_size", Vocabulary);
            if (Architecture == Llama)
            {
                WriteLlama(json);
            }
            else
            {
                WriteGpt2(json);
            }

            json.WriteBoolean("tie_word_embeddings", IsTied);

            // Else the library supposes tokens of its own, which mean something else here.
            json.WriteNull("bos_token_id");
            json.WriteNull("eos_token_id");
            if (PaddingToken is { } padding)
            {
                json.WriteNumber("pad_token_id", padding);
            }

            json.WriteString("torch_dtype", "float32");
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
    }

    private void WriteLlama(Utf8JsonWriter json)
    {
        json.WriteString("model_type", "llama");
        json.WriteNumber("hidden_size", Width);
        json.WriteNumber("intermediate_size", Inner);
        json.WriteNumber("num_hidden_layers", Layers);
        json.WriteNumber("num_attention_heads", Heads);
        json.WriteNumber("num_key_value_heads", KeyValueHeads);
        json.WriteNumber("max_position_embeddings", Positions);
        json.WriteString("hidden_act", "silu");
        json.WriteNumber("rms_norm_eps", Epsilon);

        // With a point: the library wants no integer.
        json.WritePropertyName("rope_theta");
        json.WriteRawValue(RotaryBase.ToString("0.0###############", CultureInfo.InvariantCulture));
        json.WriteBoolean("attention_bias", HasAttentionBias);
        json.WriteBoolean("mlp_bias", HasInnerBias);
    }

    private void WriteGpt2(Utf8JsonWriter json)
    {
        json.WriteString("model_type", "gpt2");
        json.WriteNumber("n_embd", Width);
        json.WriteNumber("n_inner", Inner);
        json.WriteNumber("n_layer", Layers);
        json.WriteNumber("n_head", Heads);
        json.WriteNumber("n_positions", Positions);
        json.WriteString("activation_function", Activation);
        json.WriteNumber("layer_norm_epsilon", Epsilon);
    }
}
