using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Networks;

/// <summary>Where in a step a value was computed.</summary>
public enum ComputeStage
{
    /// <summary>The weights, before the step.</summary>
    Weights,

    /// <summary>The features of the batch, before the step.</summary>
    Input,

    /// <summary>A layer's output.</summary>
    Forward,

    /// <summary>The loss, or its gradient.</summary>
    Loss,

    /// <summary>A layer's parameter gradient, or the gradient it passes back.</summary>
    Backward,

    /// <summary>The sum of the micro-batches' gradients or losses: each of them is
    /// finite.</summary>
    Sum,
}

/// <summary>The first value of a step that is not finite.</summary>
/// <param name="MicroBatch">The micro-batch, counted in the global batch; null where the value
/// belongs to no single one.</param>
/// <param name="Layer">The layer; null where it belongs to none. For weights, the tensor.</param>
/// <param name="Stage">Where it was computed.</param>
public sealed record NonFiniteValue(int? MicroBatch, string? Layer, ComputeStage Stage)
{
    /// <summary>For example: <c>the output of layer 'dense1' in micro-batch 3</c>.</summary>
    public override string ToString() => Stage switch
    {
        ComputeStage.Weights => $"the weights of '{Layer}'",
        ComputeStage.Input => $"the input features of micro-batch {MicroBatch}",
        ComputeStage.Forward => $"the output of layer '{Layer}' in micro-batch {MicroBatch}",
        ComputeStage.Loss => $"the loss of micro-batch {MicroBatch}",
        ComputeStage.Backward => $"the gradient of layer '{Layer}' in micro-batch {MicroBatch}",
        _ => "the sum over micro-batches, each of which is finite",
    };
}

/// <summary>Finds out where a step whose loss or gradient is not finite went wrong: computes it
/// again, micro-batch by micro-batch, and looks at every value in the order of computation.
/// </summary>
public static class NumericDiagnosis
{
    /// <summary>Names the first value that is not finite.</summary>
    /// <param name="network">The network.</param>
    /// <param name="loss">The loss.</param>
    /// <param name="weights">The weights that the step read.</param>
    /// <param name="batch">The rows of the micro-batches of <paramref name="gradients"/>.</param>
    /// <param name="work">The step.</param>
    /// <param name="gradients">What the step computed; not changed.</param>
    /// <param name="pool">The threads to compute with.</param>
    /// <param name="errorSplitting">As the step was computed.</param>
    /// <returns>Null where everything is finite.</returns>
    public static NonFiniteValue? Find(
        Network network, LossSum loss, AlignedBuffer weights, Batch batch, in StepWork work,
        GradientSet gradients, ComputePool pool, bool errorSplitting = false)
    {
        foreach (ParameterView view in network.Layout.Views)
        {
            if (!IsFinite(weights.Span.Slice(view.Offset, view.Length)))
            {
                return new NonFiniteValue(null, view.Name, ComputeStage.Weights);
            }
        }

        MicroBatches cut = work.MicroBatches;
        int first = gradients.FirstMicroBatch;
        int mostRows = Math.Max(1, (cut.GlobalRows + cut.Count - 1) / cut.Count);
        using var executor = new NetworkExecutor(
            network, loss, mostRows, maxMicroBatches: 1, pool, errorSplitting, keepsAll: true);
        using var rows = new Batch(mostRows, batch.FeatureWidth, batch.TargetWidth);
        executor.UseWeights(weights);
        for (int index = first; index < gradients.EndMicroBatch; index++)
        {
            using var own = new GradientSet(network.Layout, index, index + 1, cut.Count);
            CopyRows(batch, cut.Start(index) - cut.Start(first), cut, index, rows);
            executor.ComputeGradients(rows, work, own, listener: null);
            if (Look(executor, rows, own) is { } found)
            {
                return new NonFiniteValue(index, found.Layer, found.Stage);
            }
        }

        return IsFinite(gradients) ? null : new NonFiniteValue(null, null, ComputeStage.Sum);
    }

    /// <summary>Whether every gradient and every loss of a set is finite.</summary>
    public static bool IsFinite(GradientSet gradients)
    {
        for (int node = 0; node < gradients.Nodes.Count; node++)
        {
            if (!double.IsFinite(gradients.LossSum(node))
                || !IsFinite(gradients.Gradient(node).Span))
            {
                return false;
            }
        }

        return true;
    }

    private static (ComputeStage Stage, string? Layer)? Look(
        NetworkExecutor executor, Batch batch, GradientSet gradients)
    {
        if (!IsFinite(batch.Features.Span[..(batch.Rows * batch.FeatureWidth)]))
        {
            return (ComputeStage.Input, null);
        }

        Network network = executor.Network;
        for (int node = 0; node < network.Nodes.Length; node++)
        {
            if (!IsFinite(executor.Activation(node)))
            {
                return (ComputeStage.Forward, network.Nodes[node].Layer.Name);
            }
        }

        if (!IsFinite(executor.RowLosses)
            || network.Outputs.Any(output => !IsFinite(executor.OutputGradient(output.Node))))
        {
            return (ComputeStage.Loss, null);
        }

        for (int node = network.Nodes.Length - 1; node >= 0; node--)
        {
            bool parameters = network.Layout.Views.Where(view => view.LayerIndex == node).All(
                view => IsFinite(gradients.Gradient(0).Span.Slice(view.Offset, view.Length)));
            int input = network.Nodes[node].Input;
            if (!parameters || (input >= 0 && !IsFinite(executor.OutputGradient(input))))
            {
                return (ComputeStage.Backward, network.Nodes[node].Layer.Name);
            }
        }

        return null;
    }

    private static void CopyRows(
        Batch source, int start, in MicroBatches cut, int index, Batch destination)
    {
        int rows = cut.Start(index + 1) - cut.Start(index);
        int features = source.FeatureWidth, targets = source.TargetWidth;
        destination.Rows = rows;
        source.Features.Span.Slice(start * features, rows * features)
            .CopyTo(destination.Features.Span);
        source.Targets.Span.Slice(start * targets, rows * targets)
            .CopyTo(destination.Targets.Span);
        source.Samples.AsSpan(start, rows).CopyTo(destination.Samples);
    }

    private static bool IsFinite(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            if (!float.IsFinite(value))
            {
                return false;
            }
        }

        return true;
    }
}
