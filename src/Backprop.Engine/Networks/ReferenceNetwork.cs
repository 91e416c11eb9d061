using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;

namespace Backprop.Engine.Networks;

/// <summary>
/// A network and its loss in double precision, layer by layer as each defines itself: slow, simple,
/// and independent of every kernel. It is what gradients are held against.
/// </summary>
public sealed class ReferenceNetwork
{
    private readonly Network _network;
    private readonly LossSum _loss;
    private readonly Batch _batch;
    private readonly StepWork _work;
    private readonly int[] _starts;
    private readonly int[][] _parameterOffsets;
    private readonly double[] _input;
    private readonly double[][] _outputs;
    private readonly double[][] _held;
    private readonly double[] _row;

    /// <summary>A network in training mode, over one whole global batch.</summary>
    /// <param name="network">The network.</param>
    /// <param name="loss">What its outputs are judged by, a term each.</param>
    /// <param name="weights">The parameters to start from; copied.</param>
    /// <param name="batch">All rows of the global batch.</param>
    /// <param name="work">The step, which keys the randomness, and the cut into micro-batches.
    /// </param>
    /// <exception cref="ArgumentException">The batch has other rows than the step, or the network
    /// other outputs than the loss has terms.</exception>
    public ReferenceNetwork(
        Network network, LossSum loss, AlignedBuffer weights, Batch batch, in StepWork work)
    {
        loss.Require(network);
        if (batch.Rows != work.MicroBatches.GlobalRows)
        {
            throw new ArgumentException(
                $"the batch has {batch.Rows:N0} rows, the step {work.MicroBatches.GlobalRows:N0}");
        }

        network.Layout.CheckLength(weights);
        _network = network;
        _loss = loss;
        _batch = batch;
        _work = work;
        MicroBatches cut = work.MicroBatches;
        _starts = [.. Enumerable.Range(0, cut.Count + 1).Select(cut.Start)];
        _parameterOffsets =
        [
            .. Enumerable.Range(0, network.Nodes.Length)
                .Select(node => network.ParameterOffsets(node).ToArray()),
        ];
        _row = new double[network.OutputShape.Count];
        Weights = Widen(weights.Span);
        _input = Widen(batch.Features.Span[..(batch.Rows * batch.FeatureWidth)]);
        _outputs =
        [
            .. network.Nodes.Select(
                node => new double[batch.Rows * node.Layer.OutputShape.Count]),
        ];
        _held = [.. network.Nodes.Select(node => new double[batch.Rows * node.Layer.HeldPerRow])];
    }

    /// <summary>The parameters, laid out as the network's.</summary>
    public double[] Weights { get; }

    /// <summary>Whether what a layer's gradient takes as constants stays what the last pass before
    /// made it, so that differences are of all but these: see <see cref="Layer.HeldPerRow"/>.
    /// </summary>
    public bool HoldsConstants { get; set; }

    /// <summary>A node's output as last computed, [rows, outputs].</summary>
    public ReadOnlySpan<double> Output(int node) => node < 0 ? _input : _outputs[node];

    /// <summary>Computes the nodes from <paramref name="firstNode"/> on: what a change of that
    /// node's parameters can reach.</summary>
    /// <returns>The mean of the rows' losses.</returns>
    public double ComputeLoss(int firstNode = 0)
    {
        for (int index = firstNode; index < _network.Nodes.Length; index++)
        {
            (Layer layer, int input, int? skip) = _network.Nodes[index];
            layer.ReferenceForward(new ReferencePass
            {
                Rows = _batch.Rows,
                MicroBatchStarts = _starts,
                Samples = _batch.Samples,
                Step = new StepKey(_work.Seed, _work.Step, Training: true),
                LayerIndex = index,
                Weights = Weights,
                ParameterOffsets = _parameterOffsets[index],
                Input = Output(input),
                SkipInput = skip is int source ? Output(source) : [],
                Output = _outputs[index],
                Held = _held[index],
                IsHeld = HoldsConstants,
            });
        }

        int targetWidth = _batch.TargetWidth;
        double sum = 0;
        for (int row = 0; row < _batch.Rows; row++)
        {
            sum += _loss.Reference(
                _network, OutputsOf(row),
                _batch.Targets.Span.Slice(row * targetWidth, targetWidth));
        }

        return sum / _batch.Rows;
    }

    private ReadOnlySpan<double> OutputsOf(int row)
    {
        int first = 0;
        foreach (NetworkOutput output in _network.Outputs)
        {
            int width = output.Shape.Count;
            Output(output.Node).Slice(row * width, width).CopyTo(_row.AsSpan(first));
            first += width;
        }

        return _row;
    }

    private static double[] Widen(ReadOnlySpan<float> values)
    {
        var wide = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            wide[i] = values[i];
        }

        return wide;
    }
}
