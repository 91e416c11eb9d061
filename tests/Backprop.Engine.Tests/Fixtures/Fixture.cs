using System.Text.Json;

namespace Backprop.Engine.Tests.Fixtures;

/// <summary>Numbers from PyTorch, made by <c>tools/fixtures</c>.</summary>
internal static class Fixture
{
    /// <summary>Reads a file of this folder.</summary>
    public static JsonElement Load(string name)
    {
        using Stream stream = typeof(Fixture).Assembly.GetManifestResourceStream(name)
            ?? throw new FileNotFoundException($"no fixture is named '{name}'");
        using JsonDocument document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }

    /// <summary>The places and names of a file's <c>cases</c>, for a theory.</summary>
    /// <param name="file">The file.</param>
    /// <param name="nameOf">What a case is called.</param>
    public static TheoryData<int, string> Cases(
        this JsonElement file, Func<JsonElement, string> nameOf)
    {
        var cases = new TheoryData<int, string>();
        foreach ((int index, JsonElement element) in
            file.GetProperty("cases").EnumerateArray().Index())
        {
            cases.Add(index, nameOf(element));
        }

        return cases;
    }

    /// <summary>The numbers of a list, or of lists in lists, in order.</summary>
    public static double[] Doubles(this JsonElement element) =>
        element.ValueKind == JsonValueKind.Array
            ? [.. element.EnumerateArray().SelectMany(Doubles)]
            : [element.GetDouble()];

    /// <summary>The numbers of a list, or of lists in lists, given exactly in single precision.
    /// </summary>
    public static float[] Floats(this JsonElement element) =>
        [.. element.Doubles().Select(value => (float)value)];

    /// <summary>A property that may be absent or null.</summary>
    public static JsonElement? Optional(this JsonElement element, string property) =>
        element.TryGetProperty(property, out JsonElement value)
        && value.ValueKind != JsonValueKind.Null ? value : null;

    /// <summary>A number that may be absent or null.</summary>
    public static double Number(this JsonElement element, string property, double otherwise) =>
        element.Optional(property)?.GetDouble() ?? otherwise;
}
