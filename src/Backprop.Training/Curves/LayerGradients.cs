using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;

namespace Backprop.Training.Curves;

/// <summary>The L2 norms of each layer's gradient, step by step. Allocates nothing after its
/// making.</summary>
public sealed class LayerGradients
{
    private readonly ParameterNorms _norms;
    private readonly int[] _layerOfView;
    private readonly double[] _squares;
    private readonly float[] _values;

    /// <summary>For a network.</summary>
    public LayerGradients(Network network)
    {
        _norms = new ParameterNorms(network.Layout);
        ImmutableArray<int> layers = LayersOf(network);
        _layerOfView =
            [.. network.Layout.Views.Select(view => layers.IndexOf(view.LayerIndex))];
        _squares = new double[layers.Length];
        _values = new float[layers.Length];
    }

    /// <summary>Layers that have parameters.</summary>
    public int Count => _values.Length;

    /// <summary>The names of a network's layers that have parameters, first layer first.</summary>
    public static ImmutableArray<string> NamesOf(Network network) =>
        [.. LayersOf(network).Select(layer => network.Nodes[layer].Layer.Name)];

    /// <summary>Those of one step.</summary>
    /// <param name="sums">The step's, of the whole gradient.</param>
    /// <returns>[layers]; valid until the next call.</returns>
    public ReadOnlySpan<float> Of(ReadOnlySpan<PieceSums> sums)
    {
        Array.Clear(_squares);
        for (int view = 0; view < _layerOfView.Length; view++)
        {
            double norm = _norms.GradientNorm(view, sums);
            _squares[_layerOfView[view]] += norm * norm;
        }

        for (int layer = 0; layer < _values.Length; layer++)
        {
            _values[layer] = (float)Math.Sqrt(_squares[layer]);
        }

        return _values;
    }

    private static ImmutableArray<int> LayersOf(Network network) =>
        [.. network.Layout.Views.Select(view => view.LayerIndex).Distinct()];
}
