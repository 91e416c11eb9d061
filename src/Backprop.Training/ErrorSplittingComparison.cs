using System.Globalization;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Training;

/// <summary>
/// Says how far a run that splits errors (<see cref="BackwardRule.ErrorSplitting"/>) goes another
/// way than gradient descent would: the cosine, layer by layer, between what it takes for the
/// gradient and the true one.
/// </summary>
internal sealed class ErrorSplittingComparison : IDisposable
{
    private readonly Network _network;
    private readonly NetworkExecutor _chainRule;
    private readonly GradientSet _trueGradients;

    public ErrorSplittingComparison(TrainingPlan plan, int maxRows, ComputePool pool)
    {
        _network = plan.Network;
        _chainRule = new NetworkExecutor(
            plan.Network, plan.Loss, maxRows, plan.MicroBatches, pool);
        _trueGradients = new GradientSet(
            plan.Network.Layout, 0, plan.MicroBatches, plan.MicroBatches);
    }

    /// <summary>Compares the gradients of one step; the note says so in a sentence.</summary>
    /// <param name="when">Which step, in words.</param>
    /// <param name="batch">The rows of the step.</param>
    /// <param name="work">The step.</param>
    /// <param name="weights">The version of the weights that the step read.</param>
    /// <param name="propagated">What error splitting made of it, as computed.</param>
    public string Compare(
        string when, Batch batch, in StepWork work, AlignedBuffer weights,
        AlignedBuffer propagated)
    {
        _chainRule.UseWeights(weights);
        _chainRule.ComputeGradients(batch, work, _trueGradients, listener: null);
        IEnumerable<string> layers = _network.Layout.Views
            .Where(view => view.Declaration.IsOptimized)
            .GroupBy(view => view.LayerIndex)
            .Select(layer => Invariant(
                _network.Nodes[layer.Key].Layer.Name,
                Cosine(layer, propagated.Span, _trueGradients.Gradient(0).Span)));
        return $"{when} step: cosine between split errors and true gradients: "
            + string.Join(", ", layers);
    }

    public void Dispose()
    {
        _chainRule.Dispose();
        _trueGradients.Dispose();
    }

    private static string Invariant(string layer, double? cosine) =>
        $"{layer} {cosine?.ToString("F4", CultureInfo.InvariantCulture) ?? "undefined"}";

    // Null where one of the two is zero, which has no direction.
    private static double? Cosine(
        IEnumerable<ParameterView> layer, Span<float> first, Span<float> second)
    {
        double product = 0, firstSquares = 0, secondSquares = 0;
        foreach (ParameterView view in layer)
        {
            for (int i = view.Offset; i < view.Offset + view.Length; i++)
            {
                product += (double)first[i] * second[i];
                firstSquares += (double)first[i] * first[i];
                secondSquares += (double)second[i] * second[i];
            }
        }

        double norms = Math.Sqrt(firstSquares) * Math.Sqrt(secondSquares);
        return norms > 0 ? product / norms : null;
    }
}
