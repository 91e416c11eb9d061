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

    /// <summary>What a file says otherwise, of what no tensor's shape tells, each as a sentence's
    /// part. What it does not say is left.</summary>
    /// <param name="file">The content of <see cref="FileName"/>.</param>
    internal IEnumerable<string> DifferencesFrom(JsonElement file) =>
        from mine in Architecture == Llama ? LlamaValues : Gpt2Values
        let there = Find(file, mine.Key)
        where there is { } value && !IsSame(value, mine.Value)
        select $"{mine.Key} = {Brief(there.Value.GetRawText())}, where the network has "
            + TextOf(mine.Value);

    private IEnumerable<(string Key, object Value)> LlamaValues =>
    [
        ("num_attention_heads", Heads), ("num_key_value_heads", KeyValueHeads),
        ("hidden_act", "silu"), ("rms_norm_eps", Epsilon), ("attention_bias", HasAttentionBias),
        ("mlp_bias", HasInnerBias), ("rope_theta", RotaryBase),
        ("rope_parameters.rope_theta", RotaryBase), ("rope_parameters.rope_type", "default"),
        ("rope_scaling.rope_type", "default"), ("rope_scaling.type", "default"),
    ];

    private IEnumerable<(string Key, object Value)> Gpt2Values =>
    [
        ("n_head", Heads), ("layer_norm_epsilon", Epsilon), ("activation_function", Activation),
        ("scale_attn_weights", true), ("scale_attn_by_inverse_layer_idx", false),
    ];

    // Null, as what is not there, is the library's default.
    private static JsonElement? Find(JsonElement file, string path)
    {
        JsonElement at = file;
        foreach (string key in path.Split('.'))
        {
            if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(key, out at))
            {
                return null;
            }
        }

        return at.ValueKind == JsonValueKind.Null ? null : at;
    }

    private static bool IsSame(JsonElement there, object mine) => mine switch
    {
        string text => there.ValueKind == JsonValueKind.String && there.GetString() == text,
        bool flag => there.ValueKind == (flag ? JsonValueKind.True : JsonValueKind.False),
        float epsilon => there.ValueKind == JsonValueKind.Number
            && (float)there.GetDouble() == epsilon,
        _ => there.ValueKind == JsonValueKind.Number
            && there.GetDouble() == Convert.ToDouble(mine, CultureInfo.InvariantCulture),
    };

    private static string TextOf(object value) => value switch
    {
        string text => $"\"{text}\"",
        bool flag => flag ? "true" : "false",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Brief(string text)
    {
        const int Most = 40;
        return text.Length <= Most ? text : $"{text[..Most]}…";
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
