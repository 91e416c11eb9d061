using Backprop.Engine.Gradients;

namespace Backprop.Engine.Networks;

/// <summary>Which step a gradient is computed for.</summary>
/// <param name="Seed">The run's seed.</param>
/// <param name="Step">The step, from 0: it reads weights of this version.</param>
/// <param name="MicroBatches">How the global batch is cut; its rows set the gradient's
/// scale.</param>
public readonly record struct StepWork(ulong Seed, long Step, MicroBatches MicroBatches);

/// <summary>Hears that a layer's part of every node's gradient is final, while earlier layers are
/// still being computed.</summary>
public interface ILayerGradientListener
{
    /// <summary>The gradients of views [<paramref name="firstView"/>, <paramref name="endView"/>)
    /// of the parameter layout are final in every node of <paramref name="gradients"/>.</summary>
    void OnLayerGradient(GradientSet gradients, int firstView, int endView);
}

/// <summary>
/// The seam behind which a network is computed: load a version of the weights; compute these
/// micro-batches; hand out the gradient's tree nodes, layer by layer; evaluate. Nothing outside may
/// know which backend computes.
/// </summary>
public interface IComputeBackend : IDisposable
{
    /// <summary>The network that is computed.</summary>
    Network Network { get; }

    /// <summary>Computes with these weights from now on; they are read, never written, and must not
    /// change during a call, but for views that <see cref="ForwardAhead"/> is not told of yet.
    /// </summary>
    void UseWeights(AlignedBuffer weights);

    /// <summary>Begins a step before all of its weights are there: forward through the leading
    /// layers, whose parameters are views [0, <paramref name="endView"/>) of the layout. No other
    /// weights count. To be called again, with the same step, as more views come; then
    /// <see cref="ComputeGradients"/> goes on from there, and gives the same bits as if it had done
    /// all of it. <see cref="UseWeights"/> and <see cref="Evaluate"/> forget what was begun.
    /// </summary>
    /// <param name="batch">The rows of the micro-batches, in order; to stay as they are.</param>
    /// <param name="work">The step and the global batch.</param>
    /// <param name="firstMicroBatch">The first micro-batch.</param>
    /// <param name="endMicroBatch">One past the last micro-batch.</param>
    /// <param name="endView">One past the last view that may be read.</param>
    void ForwardAhead(
        Batch batch, in StepWork work, int firstMicroBatch, int endMicroBatch, int endView);

    /// <summary>Forward and backward over the rows of the micro-batches that
    /// <paramref name="gradients"/> covers.</summary>
    /// <param name="batch">The rows of micro-batches first to end of the set, in order.</param>
    /// <param name="work">The step and the global batch.</param>
    /// <param name="gradients">Overwritten.</param>
    /// <param name="listener">Told of each layer as it becomes final; may be null.</param>
    void ComputeGradients(
        Batch batch, in StepWork work, GradientSet gradients, ILayerGradientListener? listener);

    /// <summary>Forward pass in evaluation mode.</summary>
    /// <param name="batch">The rows.</param>
    /// <param name="outputs">[rows, outputs of the network], overwritten; named outputs stand side
    /// by side.</param>
    /// <param name="rowLosses">[rows], overwritten, of a network with named outputs
    /// [1 + outputs, rows]: the rows' losses, and behind them those of each output alone, without
    /// its weight; empty: no losses wanted, targets are not read.</param>
    void Evaluate(Batch batch, Span<float> outputs, Span<float> rowLosses);
}
