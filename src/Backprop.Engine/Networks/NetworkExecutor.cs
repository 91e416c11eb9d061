using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Networks;

/// <summary>
/// Computes a network on the CPU: forward through the layers in order, the loss, backward in the
/// opposite order. Every buffer is allocated when the executor is made; a step allocates nothing.
/// </summary>
/// <remarks>One caller at a time. What the last pass computed can be read until the next.</remarks>
public sealed unsafe class NetworkExecutor : IComputeBackend
{
    private readonly ExecutionPlan _plan;
    private readonly LossSum _loss;
    private readonly ComputePool _pool;
    private readonly bool _errorSplitting;
    private readonly int _maxRows;
    private readonly ExecutorBuffers _buffers;
    private readonly int[] _starts;
    private readonly double[] _microBatchLosses;
    private readonly NodeGradient[] _nodeGradients;
    private AlignedBuffer? _weights;
    private float* _input;
    private int _rows;
    private bool _backwardRan;
    private BegunForward? _begun;
    private int _nextNode;

    /// <summary>Allocates what computing <paramref name="network"/> takes.</summary>
    /// <param name="network">The network.</param>
    /// <param name="loss">What its outputs are judged by, a term each.</param>
    /// <param name="maxRows">The most rows of a batch.</param>
    /// <param name="maxMicroBatches">The most micro-batches of a batch.</param>
    /// <param name="pool">The threads to compute with; the caller's to dispose.</param>
    /// <param name="errorSplitting">True: errors are passed back without the activations'
    /// derivatives; see <see cref="BackwardPass.ErrorSplitting"/>.</param>
    /// <param name="keepsAll">True: what every node computes can be looked at after a pass, though
    /// the network has some of it recomputed; see <see cref="Network.Recomputed"/>.</param>
    /// <exception cref="ArgumentException">The network has no layer that computes, or other outputs
    /// than the loss has terms, or a layer's values for so many rows are more than a buffer holds.
    /// </exception>
    /// <exception cref="InsufficientMemoryException">The system has no such memory to give.
    /// </exception>
    public NetworkExecutor(
        Network network, LossSum loss, int maxRows, int maxMicroBatches, ComputePool pool,
        bool errorSplitting = false, bool keepsAll = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMicroBatches, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            maxMicroBatches, GradientTree.MaxMicroBatches);
        loss.Require(network);
        Network = network;
        _loss = loss;
        _maxRows = maxRows;
        _pool = pool;
        _errorSplitting = errorSplitting;
        _plan = new ExecutionPlan(network, keepsAll);
        _starts = new int[maxMicroBatches + 1];
        _microBatchLosses = new double[maxMicroBatches];
        _nodeGradients = new NodeGradient[maxMicroBatches];
        _buffers = new ExecutorBuffers(_plan, loss, maxRows, maxMicroBatches, pool.Threads);
    }

    /// <inheritdoc/>
    public Network Network { get; }

    /// <summary>Bytes that an executor of these sizes allocates.</summary>
    public static long BufferBytes(
        Network network, LossSum loss, int maxRows, int maxMicroBatches, int threads) =>
        ExecutorBuffers.Bytes(
            new ExecutionPlan(network), loss, maxRows, maxMicroBatches, threads);

    /// <inheritdoc/>
    public void UseWeights(AlignedBuffer weights)
    {
        Network.Layout.CheckLength(weights);
        _weights = weights;
        _begun = null;
    }

    /// <summary>A node's output in the last pass, [rows, outputs]; of a node within a range that is
    /// recomputed, unless all is kept, whatever was computed there last.</summary>
    public ReadOnlySpan<float> Activation(int node) => new(
        OutputOf(_plan.Roots[node]), _rows * Network.Nodes[node].Layer.OutputShape.Count);

    /// <summary>The gradient of the loss with respect to a node's output in the last pass,
    /// [rows, outputs]; empty where nobody needed it: after an evaluation, and where nothing
    /// trainable lies before.</summary>
    public ReadOnlySpan<float> OutputGradient(int node)
    {
        int root = _plan.Roots[node];
        return _backwardRan && root >= 0 && _buffers.Gradients[root] is AlignedBuffer gradient
            ? gradient.Span[..(_rows * Network.Nodes[node].Layer.OutputShape.Count)]
            : [];
    }

    /// <summary>Each row's loss in the last pass that computed losses.</summary>
    public ReadOnlySpan<float> RowLosses => _buffers.RowLosses.Span[.._rows];

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Batch and micro-batches do not fit each other, the
    /// network, or the executor's sizes; or there is no such view.</exception>
    /// <exception cref="InvalidOperationException">There are no weights yet, or another step was
    /// begun with them.</exception>
    public void ForwardAhead(
        Batch batch, in StepWork work, int firstMicroBatch, int endMicroBatch, int endView)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(endView);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endView, Network.Layout.Views.Length);
        var step = new BegunForward(batch, work, firstMicroBatch, endMicroBatch);
        ReadOnlySpan<int> starts = GoOn(step);
        _begun = step;
        int end = _nextNode;
        while (end < _plan.Nodes.Length && _plan.Nodes[end].EndView <= endView)
        {
            end++;
        }

        Forward(KeyOf(work), starts, batch.Samples, end);
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">Batch, work and gradients do not fit each other, the
    /// network, or the executor's sizes.</exception>
    /// <exception cref="InvalidOperationException">There are no weights yet, or another step was
    /// begun with them.</exception>
    public void ComputeGradients(
        Batch batch, in StepWork work, GradientSet gradients, ILayerGradientListener? listener)
    {
        if (work.MicroBatches.Count != gradients.MicroBatchCount)
        {
            throw new ArgumentException(
                $"the step has {work.MicroBatches.GlobalRows:N0} rows in "
                + $"{work.MicroBatches.Count:N0} micro-batches; the gradients are made for "
                + $"{gradients.MicroBatchCount:N0}");
        }

        ReadOnlySpan<int> starts = GoOn(new BegunForward(
            batch, work, gradients.FirstMicroBatch, gradients.EndMicroBatch));
        _begun = null;
        ReadOnlySpan<NodeGradient> nodes = OpenNodes(gradients);
        StepKey key = KeyOf(work);
        Forward(key, starts, batch.Samples, _plan.Nodes.Length);
        ComputeLosses(batch, 1f / work.MicroBatches.GlobalRows, withGradients: true);
        SumLosses(starts, nodes, gradients);
        Backward(key, starts, batch.Samples, nodes, gradients, listener);
        _backwardRan = true;
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The batch or a destination does not fit the network or
    /// the executor's sizes.</exception>
    /// <exception cref="InvalidOperationException">There are no weights yet.</exception>
    public void Evaluate(Batch batch, Span<float> outputs, Span<float> rowLosses)
    {
        Begin(batch, readsTargets: !rowLosses.IsEmpty);
        _begun = null;
        int width = Network.OutputShape.Count;
        CheckDestination(outputs.Length, _rows * width, "outputs");
        if (!rowLosses.IsEmpty)
        {
            CheckDestination(rowLosses.Length, _rows * Network.LossesOfRow, "row losses");
        }

        _starts[0] = 0;
        _starts[1] = _rows;
        Forward(
            new StepKey(0, 0, Training: false), _starts.AsSpan(0, 2), batch.Samples,
            _plan.Nodes.Length);
        CopyOutputs(outputs);
        if (rowLosses.IsEmpty)
        {
            return;
        }

        ComputeLosses(batch, scale: 1f, withGradients: false);
        RowLosses.CopyTo(rowLosses);
        if (Network.HasNamedOutputs)
        {
            new ReadOnlySpan<float>(OwnLossesOf(0), _rows * _plan.Outputs.Length)
                .CopyTo(rowLosses[_rows..]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _buffers.Dispose();

    private void Begin(Batch batch, bool readsTargets)
    {
        if (_weights is null)
        {
            throw new InvalidOperationException($"no weights yet: call {nameof(UseWeights)} first");
        }

        if (batch.FeatureWidth != Network.InputShape.Count)
        {
            throw new ArgumentException(
                $"the batch has {batch.FeatureWidth:N0} features a row; the network reads "
                + $"{Network.InputShape} = {Network.InputShape.Count:N0}");
        }

        int targets = _loss.TargetWidth(Network);
        if (readsTargets && batch.TargetWidth != targets)
        {
            throw new ArgumentException(
                $"the batch has {batch.TargetWidth:N0} targets a row; {_loss.Name} on "
                + $"{Network.OutputShape} outputs takes {targets:N0}");
        }

        if (batch.Rows < 0 || batch.Rows > Math.Min(_maxRows, batch.Capacity))
        {
            throw new ArgumentException(
                $"the batch has {batch.Rows:N0} rows, with room for {batch.Capacity:N0}; the "
                + $"executor was made for at most {_maxRows:N0}");
        }

        _input = batch.Features.Pointer;
        _rows = batch.Rows;
        _backwardRan = false;
        _nextNode = 0;
    }

    private static StepKey KeyOf(in StepWork work) => new(work.Seed, work.Step, Training: true);

    // Goes on with the step that was begun, or begins it.
    private ReadOnlySpan<int> GoOn(in BegunForward step)
    {
        if (_begun is null)
        {
            Begin(step.Batch, readsTargets: true);
            return CutRows(step);
        }

        if (_begun != step)
        {
            throw new InvalidOperationException(
                $"step {_begun.Value.Work.Step} was begun, with other rows, before step "
                + $"{step.Work.Step}");
        }

        return _starts.AsSpan(0, step.EndMicroBatch - step.FirstMicroBatch + 1);
    }

    // The first row of each micro-batch of the step, and the end of the last.
    private ReadOnlySpan<int> CutRows(in BegunForward step)
    {
        MicroBatches microBatches = step.Work.MicroBatches;
        int first = step.FirstMicroBatch, end = step.EndMicroBatch;
        if (microBatches.GlobalRows < 1 || first < 0 || end < first || end > microBatches.Count)
        {
            throw new ArgumentException(
                $"the step has {microBatches.GlobalRows:N0} rows in {microBatches.Count:N0} "
                + $"micro-batches; these are {first:N0} to {end:N0}");
        }

        if (end - first > _microBatchLosses.Length)
        {
            throw new ArgumentException(
                $"{end - first:N0} micro-batches; the executor was made for at most "
                + $"{_microBatchLosses.Length:N0}");
        }

        int rows = microBatches.Start(end) - microBatches.Start(first);
        if (step.Batch.Rows != rows)
        {
            throw new ArgumentException(
                $"micro-batches {first} to {end} of {microBatches.GlobalRows:N0} rows have "
                + $"{rows:N0} rows; the batch has {step.Batch.Rows:N0}");
        }

        for (int index = first; index <= end; index++)
        {
            _starts[index - first] = microBatches.Start(index) - microBatches.Start(first);
        }

        return _starts.AsSpan(0, end - first + 1);
    }

    private ReadOnlySpan<NodeGradient> OpenNodes(GradientSet gradients)
    {
        for (int index = 0; index < gradients.Nodes.Count; index++)
        {
            AlignedBuffer gradient = gradients.Gradient(index);
            Network.Layout.CheckLength(gradient);
            ClearFrozen(gradient);
            TreeNode node = gradients.Nodes[index];
            _nodeGradients[index] = new NodeGradient(
                node.FirstMicroBatch - gradients.FirstMicroBatch,
                node.EndMicroBatch(gradients.MicroBatchCount) - node.FirstMicroBatch,
                gradient.Pointer);
        }

        return _nodeGradients.AsSpan(0, gradients.Nodes.Count);
    }

    // Nobody computes the gradient of what is kept as initialized: it is zero.
    private void ClearFrozen(AlignedBuffer gradient)
    {
        foreach (ParameterView view in Network.Layout.Views)
        {
            if (!view.Declaration.Trainable)
            {
                gradient.Span.Slice(view.Offset, view.Length).Clear();
            }
        }
    }

    private void Forward(
        in StepKey key, ReadOnlySpan<int> starts, ReadOnlySpan<long> samples, int endNode)
    {
        for (; _nextNode < endNode; _nextNode++)
        {
            Layer layer = _plan.Nodes[_nextNode].Layer;
            if (!layer.IsView)
            {
                layer.Forward(PassOf(_nextNode, key, starts, samples));
            }
        }
    }

    private ForwardPass PassOf(
        int index, in StepKey key, ReadOnlySpan<int> starts, ReadOnlySpan<long> samples)
    {
        PlannedNode node = _plan.Nodes[index];
        return new ForwardPass
        {
            Pool = _pool,
            Rows = _rows,
            MicroBatchStarts = starts,
            Samples = samples[.._rows],
            Step = key,
            LayerIndex = index,
            Weights = _weights!.Pointer,
            ParameterOffsets = node.ParameterOffsets.AsSpan(),
            Input = OutputOf(node.Source),
            SkipInput = node.SkipSource is int skip ? OutputOf(skip) : null,
            Saved = ExecutorBuffers.PointerOf(_buffers.Saved[index]),
            SavedByMicroBatch = ExecutorBuffers.PointerOf(_buffers.SavedByMicroBatch[index]),
            Work = _buffers.Work,
            Output = OutputOf(index),
        };
    }

    // [rows, outputs]: of several outputs, those of a row side by side.
    private void CopyOutputs(Span<float> outputs)
    {
        int total = Network.OutputShape.Count, first = 0;
        foreach (PlannedOutput output in _plan.Outputs)
        {
            int width = output.Shape.Count;
            float* computed = OutputOf(output.Root);
            for (int row = 0; row < _rows && width < total; row++)
            {
                new ReadOnlySpan<float>(computed + ((nint)row * width), width)
                    .CopyTo(outputs.Slice((row * total) + first, width));
            }

            if (width == total)
            {
                new ReadOnlySpan<float>(computed, _rows * width).CopyTo(outputs);
            }

            first += width;
        }
    }

    // Each output's losses and gradients in the outputs' order, then their weighted sum a row.
    private void ComputeLosses(Batch batch, float scale, bool withGradients)
    {
        int firstTarget = 0;
        for (int index = 0; index < _plan.Outputs.Length; index++)
        {
            int width = _loss.TargetWidth(Network, index);
            var targets = new OutputTargets(TargetsOf(batch, firstTarget, width), width);
            float* gradient = withGradients ? LossGradientOf(_plan.Outputs[index]) : null;
            ComputeLosses(index, targets, scale, OwnLossesOf(index), gradient);
            if (gradient is not null && _plan.Outputs[index].Flow == GradientFlow.Accumulate)
            {
                Accumulate(
                    gradient, _plan.Outputs[index].Shape.Count, _plan.Outputs[index].Root);
            }

            firstTarget += width;
        }

        for (int row = 0; row < _rows && _buffers.OwnLosses is not null; row++)
        {
            double sum = 0;
            for (int index = 0; index < _loss.Terms.Length; index++)
            {
                sum += (double)_loss.Terms[index].Weight * OwnLossesOf(index)[row];
            }

            _buffers.RowLosses.Pointer[row] = (float)sum;
        }
    }

    private float* OwnLossesOf(int output) =>
        (_buffers.OwnLosses ?? _buffers.RowLosses).Pointer + ((nint)output * _rows);

    private float* LossGradientOf(in PlannedOutput output) =>
        output.Flow == GradientFlow.Accumulate
            ? ExecutorBuffers.PointerOf(_buffers.Arriving)
            : _buffers.GradientOf(output.Root);

    // [rows, width]: one output's targets, which stand beside the others' in a row.
    private float* TargetsOf(Batch batch, int first, int width)
    {
        if (_buffers.Targets is not { } gathered)
        {
            return batch.Targets.Pointer;
        }

        for (int row = 0; row < _rows; row++)
        {
            batch.Targets.Span.Slice((row * batch.TargetWidth) + first, width)
                .CopyTo(gathered.Span[(row * width)..]);
        }

        return gathered.Pointer;
    }

    // A row's loss is the mean of its positions' that count, summed in their order.
    private void ComputeLosses(
        int index, in OutputTargets targets, float scale, float* rowLosses, float* gradient)
    {
        (Loss loss, float weight) = _loss.Terms[index];
        (int root, _, Shape shape) = _plan.Outputs[index];
        int positions = loss.PositionsOf(shape);
        float* losses = positions == 1 ? rowLosses : _buffers.PositionLosses.Pointer;
        loss.Compute(
            _pool, OutputOf(root), targets.Pointer, _rows * positions, shape.Count / positions,
            scale * weight / positions, losses, gradient);
        for (int row = 0; row < _rows && positions > 1; row++)
        {
            double sum = 0;
            foreach (float own in new ReadOnlySpan<float>(losses + row * positions, positions))
            {
                sum += own;
            }

            rowLosses[row] = (float)(sum / Math.Max(loss.CountedPositions(targets.OfRow(row)), 1));
        }

        if (gradient is not null && loss.PaddingClass is { } padding && positions > 1)
        {
            var body = new CountedShare
            {
                Targets = targets.Pointer,
                Padding = padding,
                Positions = positions,
                Width = shape.Count,
                Gradient = gradient,
            };
            RowParallel.Run(_pool, body, _rows, body.Width);
        }
    }

    // Sums in row order within a micro-batch, then up the tree of each node.
    private void SumLosses(
        ReadOnlySpan<int> starts, ReadOnlySpan<NodeGradient> nodes, GradientSet gradients)
    {
        ReadOnlySpan<float> losses = RowLosses;
        for (int microBatch = 0; microBatch + 1 < starts.Length; microBatch++)
        {
            double sum = 0;
            for (int row = starts[microBatch]; row < starts[microBatch + 1]; row++)
            {
                sum += losses[row];
            }

            _microBatchLosses[microBatch] = sum;
        }

        for (int index = 0; index < nodes.Length; index++)
        {
            gradients.LossSum(index) = GradientTree.Fold(_microBatchLosses.AsSpan(
                nodes[index].FirstMicroBatch, nodes[index].MicroBatchCount));
        }
    }

    private void Backward(
        in StepKey key, ReadOnlySpan<int> starts, ReadOnlySpan<long> samples,
        ReadOnlySpan<NodeGradient> nodes, GradientSet gradients, ILayerGradientListener? listener)
    {
        // What the last range computed is there still.
        int present = _plan.Ranges.Length - 1;
        for (int index = _plan.Nodes.Length - 1; index >= 0; index--)
        {
            PlannedNode node = _plan.Nodes[index];
            if (node.Range >= 0 && node.Range != present && node.RunsBackward)
            {
                present = node.Range;
                Recompute(_plan.Ranges[present], key, starts, samples);
            }

            if (node.RunsBackward)
            {
                ForwardPass pass = PassOf(index, key, starts, samples);
                BackwardNode(index, pass, node.SharedBy.IsEmpty ? nodes : []);
            }

            if (!node.SharedBy.IsEmpty)
            {
                FoldShared(index, key, starts, samples, nodes);
            }

            if (node.EndView > node.FirstView)
            {
                listener?.OnLayerGradient(gradients, node.FirstView, node.EndView);
            }
        }
    }

    // Below the fold: what the layers that share a parameter add to its gradient in a micro-batch
    // is summed before it goes up the tree, so that it is the micro-batch's alone (rule 2).
    private void FoldShared(
        int owner, in StepKey key, ReadOnlySpan<int> starts, ReadOnlySpan<long> samples,
        ReadOnlySpan<NodeGradient> nodes)
    {
        PlannedNode planned = _plan.Nodes[owner];
        Shape shape = planned.Layer.Parameters[0].Shape;
        int rows = shape.Dimensions[0], width = shape.Count / rows;
        float* arriving = _buffers.Shared!.Pointer, scratch = arriving + _plan.SharedFloats;
        foreach (ref readonly NodeGradient node in nodes)
        {
            var fold = new TreeFold(
                _pool, rows, width, _plan.SharedFloats, scratch,
                node.Gradient + planned.ParameterOffsets[0]);
            for (int m = 0; m < node.MicroBatchCount; m++)
            {
                var one = new NodeGradient(node.FirstMicroBatch + m, 1, null);
                float* sum = fold.Next, to = sum;
                foreach (int index in planned.SharedBy)
                {
                    SharedGradient(index, PassOf(index, key, starts, samples), one, to);
                    if (to != sum)
                    {
                        RowParallel.Map(_pool, default(Sum), sum, to, rows, width, sum);
                    }

                    to = arriving;
                }

                fold.Push();
            }

            fold.Finish();
        }
    }

    private void SharedGradient(
        int index, in ForwardPass forward, in NodeGradient microBatch, float* gradient) =>
        _plan.Nodes[index].Layer.SharedGradient(
            new BackwardPass
            {
                Forward = forward,
                OutputGradient = _buffers.GradientOf(index),
                InputGradient = null,
                Nodes = [],
            },
            microBatch, gradient);

    private void Recompute(
        NodeRange range, in StepKey key, ReadOnlySpan<int> starts, ReadOnlySpan<long> samples)
    {
        for (int index = range.First; index < range.End; index++)
        {
            PlannedNode node = _plan.Nodes[index];
            if (node.IsTransient && !node.Layer.IsView)
            {
                node.Layer.Forward(PassOf(index, key, starts, samples));
            }
        }
    }

    private void BackwardNode(
        int index, in ForwardPass forward, ReadOnlySpan<NodeGradient> nodes)
    {
        PlannedNode node = _plan.Nodes[index];
        float* outputGradient = _buffers.GradientOf(index);
        float* inputGradient = node.InputFlow switch
        {
            GradientFlow.None => null,
            GradientFlow.Overwrite => _buffers.GradientOf(node.Source),
            _ => ExecutorBuffers.PointerOf(_buffers.Arriving),
        };
        var pass = new BackwardPass
        {
            Forward = forward,
            OutputGradient = outputGradient,
            InputGradient = inputGradient,
            Nodes = nodes,
            Scratch = ExecutorBuffers.PointerOf(_buffers.Scratch),
            ErrorSplitting = _errorSplitting,
        };
        node.Layer.Backward(pass);
        if (node.InputFlow == GradientFlow.Accumulate)
        {
            Accumulate(inputGradient, node.Layer.InputShape.Count, node.Source);
        }

        if (node.SkipFlow != GradientFlow.None)
        {
            BackwardToSkip(node, pass);
        }
    }

    private void BackwardToSkip(PlannedNode node, in BackwardPass pass)
    {
        int skip = node.SkipSource!.Value, width = node.Layer.SkipShape.Count;
        bool adds = node.SkipFlow == GradientFlow.Accumulate;
        float* gradient = _buffers.GradientOf(skip);
        if (node.Layer.PassesGradientToSkip)
        {
            if (adds)
            {
                Accumulate(pass.OutputGradient, width, skip);
            }
            else
            {
                RowParallel.Copy(_pool, pass.OutputGradient, _rows, width, gradient);
            }

            return;
        }

        float* arriving = adds ? ExecutorBuffers.PointerOf(_buffers.Arriving) : gradient;
        node.Layer.BackwardToSkip(pass, arriving);
        if (adds)
        {
            Accumulate(arriving, width, skip);
        }
    }

    private void Accumulate(float* arriving, int width, int node)
    {
        float* sum = _buffers.GradientOf(node);
        RowParallel.Map(_pool, default(Sum), sum, arriving, _rows, width, sum);
    }

    private float* OutputOf(int root) => root < 0 ? _input : _buffers.OutputOf(root);

    private static void CheckDestination(int length, int expected, string what)
    {
        if (length != expected)
        {
            throw new ArgumentException($"room for {length:N0} {what}, where {expected:N0} come");
        }
    }

    // [rows, width]: what an output is held against.
    private readonly struct OutputTargets(float* pointer, int width)
    {
        public readonly float* Pointer = pointer;

        public ReadOnlySpan<float> OfRow(int row) => new(Pointer + ((nint)row * width), width);
    }

    // The step whose forward pass has begun, and the rows it is of.
    private readonly record struct BegunForward(
        Batch Batch, StepWork Work, int FirstMicroBatch, int EndMicroBatch);
}
