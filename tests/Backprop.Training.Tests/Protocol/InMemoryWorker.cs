using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A worker with real numbers around its <see cref="WorkerState"/>.</summary>
internal sealed class InMemoryWorker : ILayerGradientListener, IDisposable
{
    private readonly InMemoryCluster _cluster;
    private readonly NodeId _self;
    private readonly TrainingPlan _plan;
    private readonly BatchLoader _loader;
    private readonly Batch _batch;
    private readonly NetworkExecutor _executor;
    private readonly Evaluator _evaluator;
    private readonly List<GradientSet> _computed = [];
    private AlignedBuffer _replica, _pending;
    private bool _layersAhead;

    public InMemoryWorker(InMemoryCluster cluster, NodeId self, WorkerDirective directive)
    {
        _cluster = cluster;
        _self = self;
        _plan = cluster.Plan;
        var reading = TargetReading.For(_plan);
        _loader = new BatchLoader(
            _plan.Train, _plan.Seed, _plan.BatchSize, reading.Encoding, _plan.Shuffle,
            _plan.Augmentation);
        _batch = _loader.NewBatch(_plan.BatchSize);
        _executor = new NetworkExecutor(
            _plan.Network, _plan.Loss,
            Math.Max(_plan.BatchSize, MetricsAccumulator.MicroBatchRows), _plan.MicroBatches,
            cluster.Pool);
        _evaluator = new Evaluator(_executor, _plan.Loss, reading);
        _replica = new AlignedBuffer(_plan.Network.Layout.Length);
        _pending = new AlignedBuffer(_plan.Network.Layout.Length);
        State = new WorkerState(
            cluster.Run, RunDimensions.Of(_plan), self, directive, cluster.Network.Now,
            leastWorkAhead: 1);
    }

    public WorkerState State { get; }

    /// <summary>Steps that were gone on with, after layers had been computed ahead.</summary>
    public int StepsGoneOnWith { get; private set; }

    public DirectiveVerdict Receive(WorkerDirective next)
    {
        DirectiveAnswer answer = State.Accept(next, _cluster.Network.Now);
        Assert.False(answer.Verdict == DirectiveVerdict.Invalid, answer.Reason);
        return answer.Verdict;
    }

    public void Receive(WeightsHeader header, float[] values)
    {
        if (State.EnterPiece(header, values.Length) == ArrivalVerdict.Entered)
        {
            values.CopyTo(_pending.Span[State.Plan.Pieces[header.Piece].Offset..]);
            Proceed();
        }
    }

    public void Look()
    {
        if (State.Look(_cluster.Network.Now) is { } resend)
        {
            foreach (GradientSet gradients in resend.PushAgain ? _computed : [])
            {
                OnLayerGradient(gradients, 0, _plan.Network.Layout.Views.Length);
                PushLosses(gradients);
            }

            foreach ((int slice, PiecesRequest request) in resend.Requests)
            {
                Send(slice, to => to.Receive(request, _self));
            }
        }

        Proceed();
    }

    public void Proceed()
    {
        for (WorkerTask task = State.TakeTask(); task.Activity != WorkerActivity.None;
            task = State.TakeTask())
        {
            Do(task);
        }

        if (State.TryTakeStatus(out WorkerStatus? status))
        {
            _cluster.Tell(status);
        }
    }

    public void OnLayerGradient(GradientSet gradients, int firstView, int endView)
    {
        ParameterLayout layout = _plan.Network.Layout;
        IEnumerable<int> layers = Enumerable.Range(firstView, endView - firstView)
            .Select(view => layout.Views[view].LayerIndex).Distinct();
        foreach (Piece piece in layers.SelectMany(
                layer => State.Plan.PiecesOfLayer(layer).ToArray()))
        {
            for (int node = 0; node < gradients.Nodes.Count; node++)
            {
                var header = new GradientHeader(
                    _cluster.Run, State.Directive.Generation, State.Version,
                    gradients.Nodes[node], piece.Index);
                float[] values = gradients.Gradient(node).Span
                    .Slice(piece.Offset, piece.Length).ToArray();
                Send(piece.Slice, to => to.Receive(header, values));
            }
        }
    }

    public void Dispose()
    {
        _batch.Dispose();
        _executor.Dispose();
        _replica.Dispose();
        _pending.Dispose();
        _computed.ForEach(gradients => gradients.Dispose());
    }

    private void Do(WorkerTask task)
    {
        switch (task.Activity)
        {
            case WorkerActivity.Open:
                State.Opened(_cluster.Network.Now);
                break;
            case WorkerActivity.TakeReplica:
                (_replica, _pending) = (_pending, _replica);
                _computed.ForEach(gradients => gradients.Dispose());
                _computed.Clear();
                State.ReplicaTaken(_cluster.Network.Now);
                break;
            case WorkerActivity.Compute:
                Compute(task);
                State.Computed(TimeSpan.FromMilliseconds(1));
                break;
            case WorkerActivity.ComputeAhead:
                ComputeAhead(task);
                State.ComputedAhead(TimeSpan.FromMilliseconds(1));
                break;
            case WorkerActivity.Evaluate:
                State.Evaluated(_evaluator.EvaluatePart(
                    _plan.Validation!, task.Range.First, task.Range.End, _replica));
                break;
            case WorkerActivity.Close:
                State.Closed();
                break;
            default:
                throw new InvalidOperationException($"unknown task {task}");
        }
    }

    private void Compute(WorkerTask task)
    {
        var gradients = new GradientSet(
            _plan.Network.Layout, task.Range.First, task.Range.End, _plan.MicroBatches);
        _computed.Add(gradients);
        StepsGoneOnWith += task.Continues && _layersAhead ? 1 : 0;
        _layersAhead = false;
        _executor.ComputeGradients(_batch, Begin(task, _replica), gradients, this);
        PushLosses(gradients);
    }

    private void ComputeAhead(WorkerTask task)
    {
        _executor.ForwardAhead(
            _batch, Begin(task, _pending), task.Range.First, task.Range.End, task.EndView);
        _layersAhead = task.EndView > 0;
    }

    private StepWork Begin(WorkerTask task, AlignedBuffer weights)
    {
        var rows = new MicroBatches(_loader.GlobalRows(task.Version), _plan.MicroBatches);
        if (!task.Continues)
        {
            _loader.Load(
                task.Version, rows.Start(task.Range.First), rows.Start(task.Range.End), _batch);
            _executor.UseWeights(weights);
        }

        return new StepWork(_plan.Seed, task.Version, rows);
    }

    private void Send(int slice, Action<InMemoryServer> deliver) =>
        _cluster.Send(State.Directive.Servers[slice], deliver);

    private void PushLosses(GradientSet gradients)
    {
        for (int node = 0; node < gradients.Nodes.Count; node++)
        {
            var header = new LossHeader(
                _cluster.Run, State.Directive.Generation, State.Version, gradients.Nodes[node],
                gradients.LossSum(node));
            Send(0, to => to.Receive(header));
        }
    }
}
