using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;

namespace Backprop.Training;

/// <summary>Folds what was summed over the parameters in a step into the norms of each layer that
/// has parameters. Allocates nothing after its making, but for <see cref="Of"/>.</summary>
public sealed class LayerNormFold
{
    private readonly ImmutableArray<string> _names;
    private readonly ParameterNorms _norms;
    private readonly int[] _layerOfView;
    private readonly double[] _gradients;
    private readonly double[] _weights;

    /// <summary>For a network.</summary>
    public LayerNormFold(Network network)
    {
        ImmutableArray<int> layers = LayersOf(network);
        _names = NamesOf(network);
        _norms = new ParameterNorms(network.Layout);
        _layerOfView =
            [.. network.Layout.Views.Select(view => layers.IndexOf(view.LayerIndex))];
        _gradients = new double[layers.Length];
        _weights = new double[layers.Length];
    }

    /// <summary>Layers that have parameters.</summary>
    public int Count => _gradients.Length;

    /// <summary>Their names, first layer first.</summary>
    public static ImmutableArray<string> NamesOf(Network network) =>
        [.. LayersOf(network).Select(layer => network.Nodes[layer].Layer.Name)];

    /// <summary>The L2 norm of each layer's gradient.</summary>
    /// <param name="sums">Of the whole vector.</param>
    /// <returns>[layers]; valid until the next call.</returns>
    public ReadOnlySpan<double> Gradients(ReadOnlySpan<PieceSums> sums)
    {
        Array.Clear(_gradients);
        for (int view = 0; view < _layerOfView.Length; view++)
        {
            Add(_norms.GradientNorm(view, sums), ref _gradients[_layerOfView[view]]);
        }

        return Root(_gradients);
    }

    /// <summary>Each layer's norms.</summary>
    /// <param name="sums">Of the whole vector, weights measured.</param>
    public ImmutableArray<LayerNorms> Of(ReadOnlySpan<PieceSums> sums)
    {
        Array.Clear(_weights);
        for (int view = 0; view < _layerOfView.Length; view++)
        {
            Add(_norms.WeightNorm(view, sums), ref _weights[_layerOfView[view]]);
        }

        Root(_weights);
        Gradients(sums);
        return
        [
            .. _names.Select((name, layer) =>
                new LayerNorms(name, _gradients[layer], _weights[layer])),
        ];
    }

    private static ImmutableArray<int> LayersOf(Network network) =>
        [.. network.Layout.Views.Select(view => view.LayerIndex).Distinct()];

    private static void Add(double norm, ref double squares) => squares += norm * norm;

    private static double[] Root(double[] squares)
    {
        for (int layer = 0; layer < squares.Length; layer++)
        {
            squares[layer] = Math.Sqrt(squares[layer]);
        }

        return squares;
    }
}
