using System.Text.Json;
using Backprop.Data.Tensors;

namespace Backprop.Models.Tests;

/// <summary>A model that scripts under tools/fixtures saved: NAME.json says what it is and does,
/// NAME.safetensors has its tensors.</summary>
internal static class ModelFixture
{
    /// <summary>What the script says of a model.</summary>
    public static T CaseOf<T>(string name) =>
        JsonSerializer.Deserialize<T>(Resource($"{name}.json"), JsonSerializerOptions.Web)!;

    /// <summary>Its tensors.</summary>
    public static SafetensorsFile TensorsOf(string name) =>
        SafetensorsFile.Open(name, Resource($"{name}.safetensors"));

    private static Stream Resource(string name) =>
        typeof(ModelFixture).Assembly.GetManifestResourceStream(name)
        ?? throw new InvalidOperationException($"there is no fixture '{name}'");
}
