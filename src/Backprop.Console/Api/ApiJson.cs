using System.Text.Json;
using System.Text.Json.Serialization;
using Backprop.Training.Protocol;

namespace Backprop.Console.Api;

/// <summary>How the API writes JSON: names in camelCase, what a value names as that text, numbers
/// that are not finite as texts.</summary>
internal static class ApiJson
{
    /// <summary>For server and client alike.</summary>
    public static JsonSerializerOptions Options { get; } = Make();

    /// <summary>Makes options such.</summary>
    public static void Configure(JsonSerializerOptions options)
    {
        options.PropertyNamingPolicy = JsonNamingPolicy.CamelCase;
        options.NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals;
        options.Converters.Add(new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower));
        options.Converters.Add(
            new TextConverter<RunId>(text => new RunId(text), id => id.Value));
        options.Converters.Add(
            new TextConverter<NodeId>(text => new NodeId(text), id => id.Value));
        options.Converters.Add(
            new TextConverter<SweepId>(text => new SweepId(text), id => id.Value));
        options.Converters.Add(new GenerationConverter());
    }

    private static JsonSerializerOptions Make()
    {
        var options = new JsonSerializerOptions();
        Configure(options);
        return options;
    }

    private sealed class TextConverter<T>(Func<string, T> read, Func<T, string> write)
        : JsonConverter<T>
    {
        public override T Read(
            ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            read(reader.GetString() ?? throw new JsonException("a name is missing"));

        public override void Write(
            Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
            writer.WriteStringValue(write(value));
    }

    private sealed class GenerationConverter : JsonConverter<Generation>
    {
        public override Generation Read(
            ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            new(reader.GetInt64());

        public override void Write(
            Utf8JsonWriter writer, Generation value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value.Value);
    }
}
