using System.Collections.Immutable;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Metrics;

namespace Backprop.Console.Explanation;

/// <summary>
/// Trains a network on a single sample, and takes down all that the engine computed in the last
/// step. Every number is the engine's: dout/dnet is what its backward pass makes of a gradient
/// of 1.
/// </summary>
internal sealed unsafe class StepExplainer : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly long _sample;
    private readonly ComputePool _pool;
    private readonly ImmutableArray<NeuronNodes> _layers;
    private readonly Batch _batch;
    private readonly NetworkExecutor _executor;
    private readonly GradientSet _gradients;
    private readonly ParameterUpdate _update;
    private readonly PieceSums[] _sums;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _newWeights;
    private readonly AlignedBuffer _state;

    /// <summary>Prepares to train <paramref name="plan"/> on one sample of its training part.
    /// </summary>
    /// <exception cref="MistakeException">The network cannot be explained.</exception>
    public StepExplainer(TrainingPlan plan, long sample, ComputePool pool)
    {
        _plan = plan;
        _sample = sample;
        _pool = pool;
        _layers = NeuronLayers.Of(plan.Network);
        ParameterLayout layout = plan.Network.Layout;
        var loader = BatchLoader.Sequential(plan.Train, 1, TargetReading.For(plan).Writing);
        _batch = loader.NewBatch(1);
        loader.Load(sample, 0, 1, _batch);
        _executor = new NetworkExecutor(
            plan.Network, plan.Loss, 1, 1, pool, plan.Backward == BackwardRule.ErrorSplitting,
            keepsAll: true);
        _gradients = new GradientSet(layout, 0, 1, 1);
        _update = new ParameterUpdate(
            layout, 0, layout.BlockCount,
            plan.Rules, pool);
        _sums = new PieceSums[_update.PieceCount];
        _weights = new AlignedBuffer(layout.Length);
        _newWeights = new AlignedBuffer(layout.Length);
        _state = new AlignedBuffer(_update.StateLength);
        plan.Network.InitializeWeights(plan.Seed, _weights);
    }

    /// <summary>Trains so many steps, and explains the last.</summary>
    /// <exception cref="MistakeException">The numbers leave the range of floats on the way.
    /// </exception>
    public ExplainedStep Explain(long steps)
    {
        for (long step = 0; step < steps - 1; step++)
        {
            Compute(step);
            Update(step);
            _newWeights.Span.CopyTo(_weights.Span);
        }

        Compute(steps - 1);
        float[] gradient = _gradients.Gradient(0).Span.ToArray();
        float rate = Update(steps - 1);
        return new ExplainedStep
        {
            Run = _plan.Name,
            Step = steps - 1,
            Sample = _sample,
            Loss = _plan.Loss.Name,
            Optimizer = _plan.Optimizer.Name,
            LearningRate = rate,
            ErrorSplitting = _plan.Backward == BackwardRule.ErrorSplitting,
            Inputs = [.. _batch.Features.Span[.._batch.FeatureWidth]],
            Targets = [.. _batch.Targets.Span[.._batch.TargetWidth]],
            TotalError = _executor.RowLosses[0],
            OutputErrors = OutputErrors(),
            Layers = [.. _layers.Select(layer => LayerOf(layer, gradient))],
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batch.Dispose();
        _executor.Dispose();
        _gradients.Dispose();
        _weights.Dispose();
        _newWeights.Dispose();
        _state.Dispose();
    }

    private void Compute(long step)
    {
        _executor.UseWeights(_weights);
        var work = new StepWork(_plan.Seed, step, new MicroBatches(1, 1));
        _executor.ComputeGradients(_batch, work, _gradients, listener: null);
    }

    private float Update(long step)
    {
        AlignedBuffer gradient = _gradients.Gradient(0);
        _update.Prepare(_weights, measureWeights: false, gradient, _sums);
        var norms = new ParameterNorms(_plan.Network.Layout);
        if (norms.FindNonFinite(_sums) is ParameterView parameter)
        {
            throw new MistakeException(
                $"in step {step} the gradient of '{parameter.Name}' is not finite: the learning "
                + "rate is too large to train on this sample alone");
        }

        float rate = _plan.Schedule.At(
            _plan.Optimizer.LearningRate,
            new SchedulePosition(step, 1, Math.Max(_plan.Epochs, step + 1), 0));
        float scale = _plan.Clipping.ScaleFor(norms.GradientNorm(_sums));
        _update.Apply(
            new UpdateStep(step, rate, scale, 1), gradient, _weights, _state, _newWeights);
        return rate;
    }

    private NeuronLayer LayerOf(NeuronNodes nodes, float[] gradient)
    {
        Layer dense = _plan.Network.Nodes[nodes.Dense].Layer;
        ExplainedParameter[] parameters =
        [
            .. _plan.Network.Layout.Views.Where(view => view.LayerIndex == nodes.Dense)
                .Select(view => Parameter(view, gradient)),
        ];
        ImmutableArray<float> netGradient = [.. _executor.OutputGradient(nodes.Dense)];
        return new NeuronLayer
        {
            Name = dense.Name,
            Activation = nodes.Activation is int node
                ? _plan.Network.Nodes[node].Layer.Kind
                : null,
            Net = [.. _executor.Activation(nodes.Dense)],
            Out = [.. _executor.Activation(nodes.Output)],
            OutGradient = [.. _executor.OutputGradient(nodes.Output)],
            Slope = Slope(nodes),
            NetGradient = netGradient,
            Weight = parameters[0],
            Bias = parameters.Length > 1 ? parameters[1] : null,
        };
    }

    private ExplainedParameter Parameter(ParameterView view, float[] gradient) => new(
        view.Name, view.Declaration.Trainable,
        [.. _weights.Span.Slice(view.Offset, view.Length)],
        [.. gradient.AsSpan(view.Offset, view.Length)],
        [.. _newWeights.Span.Slice(view.Offset, view.Length)]);

    private ImmutableArray<float> Slope(NeuronNodes nodes)
    {
        int width = _executor.Activation(nodes.Dense).Length;
        if (nodes.Activation is not int node)
        {
            return [.. Enumerable.Repeat(1f, width)];
        }

        using AlignedBuffer net = CopyOf(_executor.Activation(nodes.Dense));
        using AlignedBuffer output = CopyOf(_executor.Activation(node));
        using var ones = new AlignedBuffer(width);
        using var slope = new AlignedBuffer(width);
        ones.Span.Fill(1);
        _plan.Network.Nodes[node].Layer.Backward(new BackwardPass
        {
            Forward = new ForwardPass
            {
                Pool = _pool,
                Rows = 1,
                MicroBatchStarts = [0, 1],
                Samples = _batch.Samples,
                Step = new StepKey(_plan.Seed, 0, Training: true),
                LayerIndex = node,
                Weights = _weights.Pointer,
                ParameterOffsets = [],
                Input = net.Pointer,
                Output = output.Pointer,
            },
            OutputGradient = ones.Pointer,
            InputGradient = slope.Pointer,
            Nodes = [],
        });
        return [.. slope.Span];
    }

    // The loss of each output as if it were the only one; of classes, there is no such thing.
    private ImmutableArray<float> OutputErrors()
    {
        Loss rowLoss = _plan.Loss.Terms[0].Loss;
        if (rowLoss.Target == TargetKind.ClassIndex)
        {
            return [];
        }

        ReadOnlySpan<float> outputs = _executor.Activation(_layers[^1].Output);
        using var output = new AlignedBuffer(1);
        using var target = new AlignedBuffer(1);
        using var loss = new AlignedBuffer(1);
        var errors = new float[outputs.Length];
        for (int k = 0; k < errors.Length; k++)
        {
            output.Span[0] = outputs[k];
            target.Span[0] = _batch.Targets.Span[k];
            rowLoss.Compute(
                _pool, output.Pointer, target.Pointer, 1, 1, 1f, loss.Pointer, null);
            errors[k] = loss.Span[0];
        }

        return [.. errors];
    }

    private static AlignedBuffer CopyOf(ReadOnlySpan<float> values)
    {
        var copy = new AlignedBuffer(values.Length);
        values.CopyTo(copy.Span);
        return copy;
    }
}
