using System.Collections.Immutable;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Training.Simulation;

/// <summary>A run's part on a simulated worker: the real engine around the real
/// <see cref="WorkerState"/>, as the actor of a replica is.</summary>
internal sealed class SimulatedWorker : ILayerGradientListener, IDisposable
{
    private readonly SimulatedCluster _cluster;
    private readonly SimulatedNode _node;
    private readonly BatchLoader _loader;
    private readonly Batch _batch;
    private readonly NetworkExecutor _executor;
    private readonly Evaluator _evaluator;
    private readonly AlignedBuffer _average;
    private readonly List<Push> _kept = [];
    private List<List<Push>> _layers = [];
    private AlignedBuffer _replica, _pending;
    private SimulatedCoordinator? _coordinator;
    private MicroBatchRange? _firstAssigned;
    private bool _hasLayersAhead;
    private bool _isWrong;
    private bool _isDisposed;

    public SimulatedWorker(SimulatedCluster cluster, SimulatedNode node)
    {
        TrainingPlan plan = cluster.Plan;
        _cluster = cluster;
        _node = node;
        var reading = TargetReading.For(plan);
        _loader = plan.NewLoader(reading.Writing);
        _batch = _loader.NewBatch(plan.BatchSize);
        _executor = new NetworkExecutor(
            plan.Network, plan.Loss, Math.Max(plan.BatchSize, MetricsAccumulator.MicroBatchRows),
            plan.MicroBatches, cluster.Pool);
        _evaluator = new Evaluator(_executor, plan.Loss, reading);
        _replica = new AlignedBuffer(plan.Network.Layout.Length);
        _pending = new AlignedBuffer(plan.Network.Layout.Length);
        _average = new AlignedBuffer(plan.Network.Layout.Length);
    }

    /// <summary>Null: no directive has come yet.</summary>
    public WorkerState? State { get; private set; }

    /// <summary>The directive that holds, as it was received.</summary>
    public WorkerDirective? Obeyed { get; private set; }

    private PlantedBug Bug => _cluster.Bug;

    /// <summary>Takes a directive.</summary>
    public void Receive(WorkerDirective directive, SimulatedCoordinator from)
    {
        WorkerDirective taken = Corrupted(directive);
        DirectiveAnswer answer = State?.Accept(taken, _node.Clock)
            ?? new DirectiveAnswer(DirectiveVerdict.Reopen, "");
        _cluster.Checks.DirectiveAnswered(
            _node, "worker", directive.Stamp, directive.Generation, directive.Lease, answer);
        if (answer.Verdict is DirectiveVerdict.Accepted or DirectiveVerdict.Reopen)
        {
            _coordinator = from;
            Obeyed = directive;
        }

        if (answer.Verdict == DirectiveVerdict.Reopen)
        {
            _kept.Clear();
            State = new WorkerState(
                _cluster.Run, _cluster.Dimensions, _node.Id, taken, _node.Clock,
                leastWorkAhead: 1)
            {
                Verification = _cluster.Soundness.Verification,
            };
        }

        Proceed();
    }

    public void Receive(WeightsHeader header, float[] values)
    {
        if (State is not { } state)
        {
            return;
        }

        if (Bug == PlantedBug.StaleGenerationAccepted)
        {
            header = header with { Generation = state.Directive.Generation };
        }

        ArrivalVerdict verdict = state.EnterPiece(header, values.Length);
        _cluster.Checks.Arrived(_node, header, verdict);
        if (verdict == ArrivalVerdict.Entered)
        {
            bool isLost = Bug == PlantedBug.ReplicaNotWhole && header.Version % 5 == 3;
            if (!isLost)
            {
                AlignedBuffer to = state.Plan.IsAverage(header.Piece) ? _average : _pending;
                values.CopyTo(to.Span[state.Plan.PieceOf(header.Piece).Offset..]);
            }

            Proceed();
        }
    }

    /// <summary>Looks whether something is late.</summary>
    public void Look()
    {
        if (State is not { } state)
        {
            return;
        }

        if (state.Look(_node.Clock) is { } resend)
        {
            if (resend.PushAgain)
            {
                _cluster.Statistics.PushesAgain += _kept.Count;
                _kept.ForEach(Send);
            }

            foreach ((int slice, PiecesRequest request) in resend.Requests)
            {
                _cluster.Send(
                    _node, state.Directive.Servers[slice],
                    to => to.Server?.Receive(request, _node));
            }
        }

        Proceed();
    }

    void ILayerGradientListener.OnLayerGradient(
        GradientSet gradients, int firstView, int endView)
    {
        WorkerState state = State!;
        ParameterLayout layout = _cluster.Plan.Network.Layout;
        var pushes = new List<Push>();
        foreach (Piece piece in state.Plan.PiecesOfLayer(layout.Views[firstView].LayerIndex))
        {
            for (int node = 0; node < gradients.Nodes.Count; node++)
            {
                var header = new GradientHeader(
                    _cluster.Run, state.Directive.Generation, state.Version,
                    gradients.Nodes[node], piece.Index);
                float[] values = gradients.Gradient(node).Span
                    .Slice(piece.Offset, piece.Length).ToArray();
                bool isWrong = _isWrong && node == 0;
                values[0] = isWrong ? SimulatedSoundness.Disturbed(values[0]) : values[0];
                pushes.Add(new Push(
                    state.Directive.Servers[piece.Slice],
                    to => to.Server?.Receive(header, values, _node.Id, isWrong)));
            }
        }

        _layers.Add(pushes);
    }

    public void Dispose()
    {
        _isDisposed = true;
        _batch.Dispose();
        _executor.Dispose();
        _replica.Dispose();
        _pending.Dispose();
        _average.Dispose();
    }

    private WorkerDirective Corrupted(WorkerDirective directive)
    {
        if (Bug == PlantedBug.OldAssignmentKept && directive.Assigned.Count > 0)
        {
            _firstAssigned ??= directive.Assigned;
            return directive with { Assigned = _firstAssigned.Value };
        }

        return Bug == PlantedBug.LowerTermObeyed && State is { } held
            && directive.Stamp.Term.CompareTo(held.Directive.Stamp.Term) < 0
            ? directive with
            {
                Stamp = held.Directive.Stamp with
                {
                    Sequence = held.Directive.Stamp.Sequence + 1,
                },
            }
            : directive;
    }

    private void Proceed()
    {
        if (_isDisposed || State is not { } state)
        {
            return;
        }

        for (WorkerTask task = state.TakeTask(); task.Activity != WorkerActivity.None;
            task = state.TakeTask())
        {
            _cluster.Trace?.Write(_cluster.Queue.Now, _node.Id.Value, $"{task}");
            Do(state, task);
        }

        if (state.TryTakeStatus(out WorkerStatus? status))
        {
            _coordinator!.Tell(_node, status);
        }
    }

    private void Do(WorkerState state, WorkerTask task)
    {
        switch (task.Activity)
        {
            case WorkerActivity.Open:
                Later(state, _cluster.Timing.Open(), () => state.Opened(_node.Clock));
                break;
            case WorkerActivity.TakeReplica:
                (_replica, _pending) = (_pending, _replica);
                _kept.Clear();
                state.ReplicaTaken(_node.Clock);
                _cluster.Checks.ReplicaTaken(_node, state, _replica);
                break;
            case WorkerActivity.Compute:
                Compute(state, task);
                break;
            case WorkerActivity.ComputeAhead:
                TimeSpan took = _cluster.Timing.Compute(_node, task.Range.Count) / 4;
                Later(state, took, () =>
                {
                    ComputeAhead(task);
                    state.ComputedAhead(took);
                });
                break;
            case WorkerActivity.Verify:
                CheckReport report = Verify(state, task);
                Later(state, _cluster.Timing.Compute(_node, task.Range.Count), () =>
                {
                    state.Verified();
                    _coordinator!.Tell(_node, report);
                });
                break;
            case WorkerActivity.Evaluate:
                MetricsPart part = _evaluator.EvaluatePart(
                    _cluster.Plan.Validation!, task.Range.First, task.Range.End,
                    _cluster.Dimensions.EvaluatesAverage ? _average : _replica);
                Later(
                    state, _cluster.Timing.Compute(_node, task.Range.Count),
                    () => state.Evaluated(part));
                break;
            case WorkerActivity.Close:
                state.Closed();
                break;
            default:
                throw new InvalidOperationException($"unknown task {task}");
        }
    }

    // What takes time tells nobody once the part is another.
    private void Later(WorkerState state, TimeSpan delay, Action act) =>
        _cluster.Queue.After(delay, _node.Life, () =>
        {
            if (!_isDisposed && State == state)
            {
                act();
                Proceed();
            }
        });

    // Computed at once, and pushed layer by layer while the time passes that it takes. It goes on
    // if the part becomes another meanwhile, since nothing stops a computation.
    private void Compute(WorkerState state, WorkerTask task)
    {
        _cluster.Checks.Computing(_node, this, task);
        TrainingPlan plan = _cluster.Plan;
        using var gradients = new GradientSet(
            plan.Network.Layout, task.Range.First, task.Range.End, plan.MicroBatches);
        _layers = [];
        _cluster.Statistics.StepsAhead += task.Continues && _hasLayersAhead ? 1 : 0;
        _hasLayersAhead = false;
        _isWrong = _cluster.Soundness.IsWrong(_node, task.Version);
        _executor.ComputeGradients(_batch, Begin(task, _replica), gradients, this);
        List<List<Push>> layers = _layers;
        layers.Add(Losses(state, gradients));
        TimeSpan took = _cluster.Timing.Compute(_node, task.Range.Count);
        for (int i = 0; i < layers.Count; i++)
        {
            List<Push> pushes = layers[i];
            _cluster.Queue.After(
                took * ((i + 1.0) / layers.Count), _node.Life, () => pushes.ForEach(Send));
        }

        Later(state, took, () =>
        {
            _kept.AddRange(layers.SelectMany(pushes => pushes));
            state.Computed(took);
        });
    }

    private CheckReport Verify(WorkerState state, WorkerTask task)
    {
        TrainingPlan plan = _cluster.Plan;
        using var gradients = new GradientSet(
            plan.Network.Layout, task.Range.First, task.Range.End, plan.MicroBatches);
        _hasLayersAhead = false;
        _executor.ComputeGradients(_batch, Begin(task, _replica), gradients, null);
        if (_cluster.Soundness.IsWrong(_node, task.Version))
        {
            Span<float> first = gradients.Gradient(0).Span;
            first[0] = SimulatedSoundness.Disturbed(first[0]);
        }

        return new CheckReport(
            _cluster.Run, state.Directive.Generation, _node.Id, task.Version,
            [
                .. gradients.Nodes.Select((node, i) => NodeDigests.Of(
                    state.Plan, NodeDigests.RangeOf(node, plan.MicroBatches),
                    gradients.Gradient(i), gradients.LossSum(i))),
            ]);
    }

    // At the end of the time that it takes: pieces that have come meanwhile may have replaced what
    // it reads.
    private void ComputeAhead(WorkerTask task)
    {
        _executor.ForwardAhead(
            _batch, Begin(task, _pending), task.Range.First, task.Range.End, task.EndView);
        _hasLayersAhead = task.EndView > 0;
    }

    private StepWork Begin(WorkerTask task, AlignedBuffer weights)
    {
        TrainingPlan plan = _cluster.Plan;
        var rows = new MicroBatches(_loader.GlobalRows(task.Version), plan.MicroBatches);
        if (!task.Continues)
        {
            _loader.Load(
                task.Version, rows.Start(task.Range.First), rows.Start(task.Range.End), _batch);
            _executor.UseWeights(weights);
        }

        return new StepWork(plan.Seed, task.Version, rows);
    }

    private List<Push> Losses(WorkerState state, GradientSet gradients)
    {
        var pushes = new List<Push>();
        for (int node = 0; node < gradients.Nodes.Count; node++)
        {
            var header = new LossHeader(
                _cluster.Run, state.Directive.Generation, state.Version, gradients.Nodes[node],
                gradients.LossSum(node));
            pushes.Add(new Push(
                state.Directive.Servers[0], to => to.Server?.Receive(header, _node.Id)));
        }

        return pushes;
    }

    private void Send(Push push) => _cluster.Send(_node, push.Server, push.Deliver);

    private sealed record Push(NodeId Server, Action<SimulatedNode> Deliver);
}
