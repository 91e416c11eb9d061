using System.Collections.Immutable;

namespace Backprop.Training.Curves;

/// <summary>Some points of a run's curves, in order, with the norms of each layer's gradient.
/// </summary>
/// <param name="Layers">Layers that have parameters.</param>
/// <param name="Points">The points; their places ascend.</param>
/// <param name="LayerNorms">[point, layer], row-major: the largest L2 norm of the layer's gradient
/// in the point's steps.</param>
public sealed record CurveSegment(
    int Layers, ImmutableArray<CurvePoint> Points, ImmutableArray<float> LayerNorms)
{
    /// <summary>Without points.</summary>
    public static CurveSegment Empty(int layers) => new(layers, [], []);

    /// <summary>A point's norms, by layer.</summary>
    public ReadOnlySpan<float> NormsOf(int point) =>
        LayerNorms.AsSpan(point * Layers, Layers);

    /// <summary>What is wrong with it, in words; null: nothing is.</summary>
    /// <param name="layers">Layers that the run has.</param>
    public string? Refusal(int layers)
    {
        if (Layers != layers || LayerNorms.Length != Points.Length * layers)
        {
            return $"{LayerNorms.Length} norms of {Layers} layers for {Points.Length} points, where"
                + $" the run has {layers} layers";
        }

        long next = 0;
        foreach (CurvePoint point in Points)
        {
            if (point.FirstStep < next || point.Steps < 1
                || point.FirstStep > CurveGrid.MaxSteps - point.Steps
                || CurveGrid.IndexOf(point.EndStep - 1) != point.Index)
            {
                return $"a point of {point.Steps} steps from {point.FirstStep} on, where"
                    + $" {next} or a later one of the same point comes next";
            }

            next = CurveGrid.FirstStepOf(point.Index + 1);
        }

        return null;
    }
}
