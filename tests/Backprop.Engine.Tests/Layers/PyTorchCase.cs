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
        X = json.GetProperty("x").Doubles();
        RowShape = ShapeOf(json.GetProperty("x")[0]);
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

    /// <summary>The shape of a row of x.</summary>
    public Shape RowShape { get; }

    public int Inputs => X.Length / Rows;

    public int Outputs => Y.Length / Rows;

    public double[] X { get; }

    public double[] Dy { get; }

    public double[] Y { get; }

    public double[] Dx { get; }

    public Dictionary<string, double[]> Parameters { get; }

    public Dictionary<string, double[]> Gradients { get; }

    public Dictionary<string, double[]> StatisticsAfter { get; }

    public static PyTorchCase Named(string name) => new(
        Fixture.Load("layers.json").GetProperty("cases").EnumerateArray()
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
