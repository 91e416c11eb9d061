using System.Text.Json;
using Backprop.Engine.Tests.Fixtures;

namespace Backprop.Engine.Tests.Layers;

/// <summary>What PyTorch computed for a layer in double precision.</summary>
internal sealed record PyTorchCase
{
    private PyTorchCase(JsonElement json)
    {
        Name = json.GetProperty("name").GetString()!;
        Rows = json.GetProperty("x").GetArrayLength();
        Shape = ShapeOf(json.GetProperty("x")[0]);
        X = json.GetProperty("x").Doubles();
        Dy = json.GetProperty("dy").Doubles();
        Y = json.GetProperty("y").Doubles();
        Dx = json.GetProperty("dx").Doubles();
        Parameters = Tensors(json.GetProperty("parameters"));
        Gradients = Tensors(json.GetProperty("gradients"));
        StatisticsAfter = json.Optional("statisticsAfter") is JsonElement after
            ? Tensors(after)
            : [];
    }

    public string Name { get; }

    public int Rows { get; }

    /// <summary>The shape of one row of <see cref="X"/>.</summary>
    public Shape Shape { get; }

    public int Inputs => X.Length / Rows;

    public int Outputs => Y.Length / Rows;

    public double[] X { get; }

    public double[] Dy { get; }

    public double[] Y { get; }

    public double[] Dx { get; }

    public Dictionary<string, double[]> Parameters { get; }

    public Dictionary<string, double[]> Gradients { get; }

    public Dictionary<string, double[]> StatisticsAfter { get; }

    /// <summary>The case of that name.</summary>
    /// <param name="name">The name.</param>
    /// <param name="file">The fixture that has it.</param>
    public static PyTorchCase Named(string name, string file = "layers.json") => new(
        Fixture.Load(file).GetProperty("cases").EnumerateArray()
            .Single(entry => entry.GetProperty("name").GetString() == name));

    private static Shape ShapeOf(JsonElement row)
    {
        var dimensions = new List<int>();
        for (; row.ValueKind == JsonValueKind.Array; row = row[0])
        {
            dimensions.Add(row.GetArrayLength());
        }

        return Shape.Of([.. dimensions]);
    }

    private static Dictionary<string, double[]> Tensors(JsonElement json) =>
        json.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.Doubles());
}
