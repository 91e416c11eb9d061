using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Stopping;

namespace Backprop.Training.Tests.Protocol;

/// <summary>
/// Parameter servers and workers with real numbers, in one thread, around the states of the
/// protocol; led through a run by the rules of <see cref="SingleProcessTrainer"/>.
/// </summary>
internal sealed class InMemoryCluster : IDisposable
{
    private static readonly Term Term = new(1);

    private readonly NodeId[] _serverIds;
    private readonly InMemoryServer?[] _servers;
    private readonly List<NodeId> _workerIds = [];
    private readonly Dictionary<NodeId, InMemoryWorker> _workers = [];
    private readonly Dictionary<NodeId, WorkerStatus> _workerStatuses = [];
    private readonly ServerStatus?[] _serverStatuses;
    private readonly List<EpochReport> _history = [];
    private readonly RunDimensions _dimensions;

    private long _sequence;
    private Lease _lease;
    private long? _best;
    private long? _evaluating;
    private Speculation? _speculation;
    private StoppingState _stopping = StoppingState.Initial;
    private PlateauState _plateau = PlateauState.Initial;
    private ImmutableDictionary<NodeId, MicroBatchRange> _shares =
        ImmutableDictionary<NodeId, MicroBatchRange>.Empty;

    public InMemoryCluster(
        TrainingPlan plan, int servers, int workers, NetworkConditions conditions,
        ComputePool pool, SavedRun? origin = null)
    {
        Plan = plan;
        Pool = pool;
        Network = new InMemoryNetwork(conditions);
        _dimensions = RunDimensions.Of(plan);
        _serverIds = [.. Enumerable.Range(0, servers).Select(i => new NodeId($"server-{i}"))];
        _servers = new InMemoryServer?[servers];
        _serverStatuses = new ServerStatus?[servers];
        _workerIds.AddRange(Enumerable.Range(0, workers).Select(i => new NodeId($"worker-{i}")));
        Saved = new SavedRun(plan);
        Origin = origin;
        if (origin is not null)
        {
            _history.AddRange(origin.History);
            _stopping = origin.Stopping;
            _plateau = origin.Plateau;
            _best = _history.FindLast(epoch => epoch.IsBest)?.StepsDone;
        }

        _lease = new Lease(
            _dimensions.EpochEnd(origin?.Origin!.Saved ?? 0), _plateau.Reductions);
    }

    public TrainingPlan Plan { get; }

    public ComputePool Pool { get; }

    public RunId Run { get; } = new("run-1");

    public InMemoryNetwork Network { get; }

    /// <summary>What the run began from; null: from the start.</summary>
    public SavedRun? Origin { get; }

    /// <summary>The checkpoint that is being made.</summary>
    public SavedRun Saved { get; }

    /// <summary>The version to save, and to die at when it is committed; null: none.</summary>
    public long? DieAfterCheckpoint { get; set; }

    public IReadOnlyList<EpochReport> History => _history;

    public bool IsOver { get; private set; }

    /// <summary>Called with the cluster before each message: to let something happen.</summary>
    public Action? OnStep { get; set; }

    public long LeastVersion => _servers.Min(server => server?.State.Version ?? 0);

    public long MostVersion => _servers.Max(server => server?.State.Version ?? 0);

    public void RunToEnd()
    {
        Assign();
        while (!IsOver)
        {
            OnStep?.Invoke();
            if (!Network.TryDeliver())
            {
                PassTime();
            }
        }
    }

    public void Join(NodeId worker)
    {
        _workerIds.Add(worker);
        Direct();
    }

    public void Kill(NodeId worker)
    {
        _workerIds.Remove(worker);
        _workers.Remove(worker, out InMemoryWorker? gone);
        _workerStatuses.Remove(worker);
        gone?.Dispose();
        Assign();
    }

    public bool IsWhole(NodeId worker) =>
        _workerStatuses.TryGetValue(worker, out WorkerStatus? status)
        && status.Phase is WorkerPhase.Whole;

    /// <summary>Micro-batches anew, over those who are whole; at first, over everybody.</summary>
    public void Assign()
    {
        WorkerSpeed[] able =
        [
            .. _workerIds.Where(id => _workerStatuses.Count == 0 || IsWhole(id))
                .Select(id => new WorkerSpeed(id, 1)),
        ];
        _shares = able.Length == 0
            ? ImmutableDictionary<NodeId, MicroBatchRange>.Empty
            : AssignmentPlanner.Plan(able, Plan.MicroBatches).Ranges
                .ToImmutableDictionary(share => share.Worker, share => share.Range);
        Direct();
    }

    public void Send(int slice, Action<InMemoryServer> deliver) => Network.Send(() =>
    {
        if (_servers[slice] is { } server)
        {
            deliver(server);
        }
    });

    public void Send(NodeId worker, Action<InMemoryWorker> deliver) => Network.Send(() =>
    {
        if (_workers.TryGetValue(worker, out InMemoryWorker? to))
        {
            deliver(to);
        }
    });

    public void Tell(ServerStatus status) => Network.Send(() =>
    {
        if (_serverStatuses[status.Slice] is { } before && before.Number >= status.Number)
        {
            return;
        }

        _serverStatuses[status.Slice] = status;
        if (status.Wait is { Missing.IsEmpty: false } wait)
        {
            _speculation = new Speculation(wait.Step, wait.Missing);
            Direct();
        }

        CommitIfSaved();
        Judge();
    });

    public void Tell(WorkerStatus status) => Network.Send(() =>
    {
        if (!_workerIds.Contains(status.Worker)
            || (_workerStatuses.TryGetValue(status.Worker, out WorkerStatus? before)
                && before.Number >= status.Number))
        {
            return;
        }

        _workerStatuses[status.Worker] = status;
        Judge();
    });

    public string WeightsSha256(bool best)
    {
        using var weights = new AlignedBuffer(Plan.Network.Layout.Length);
        foreach (InMemoryServer? server in _servers)
        {
            AlignedBuffer slice = best ? server!.Best : server!.Weights;
            slice.Span.CopyTo(weights.Span[server.Offset..]);
        }

        return WeightsDigest.OfWeights(Plan.Network.Layout, weights);
    }

    public string StateSha256()
    {
        ParameterLayout layout = Plan.Network.Layout;
        using var weights = new AlignedBuffer(layout.Length);
        using var state = new AlignedBuffer(layout.Length * Plan.Optimizer.StateCount);
        foreach (InMemoryServer? server in _servers)
        {
            int length = server!.Weights.Length;
            server.Weights.Span.CopyTo(weights.Span[server.Offset..]);
            for (int i = 0; i < Plan.Optimizer.StateCount; i++)
            {
                server.OptimizerState.Span.Slice(i * length, length)
                    .CopyTo(state.Span[((i * layout.Length) + server.Offset)..]);
            }
        }

        return WeightsDigest.OfState(layout, weights, state);
    }

    public void Dispose()
    {
        foreach (InMemoryServer? server in _servers)
        {
            server?.Dispose();
        }

        foreach (InMemoryWorker worker in _workers.Values)
        {
            worker.Dispose();
        }
    }

    // Nothing is under way: something was lost, and whoever misses it looks after it.
    private void PassTime()
    {
        IEnumerable<TimeSpan> looks = _servers.OfType<InMemoryServer>()
            .Select(server => server.State.NextLook)
            .Concat(_workers.Values.Select(worker => worker.State.NextLook))
            .Append(Network.Now + TimeSpan.FromSeconds(30));
        Network.AdvanceTo(looks.Min());
        Assert.True(Network.Now < TimeSpan.FromHours(10), "the run stands still");
        foreach (InMemoryServer? server in _servers)
        {
            server?.Look();
        }

        foreach (InMemoryWorker worker in _workers.Values)
        {
            worker.Look();
        }

        Direct();
    }

    private void Direct()
    {
        var stamp = new DirectiveStamp(Term, ++_sequence);
        for (int slice = 0; slice < _servers.Length; slice++)
        {
            Direct(slice, stamp);
        }

        foreach (NodeId worker in _workerIds)
        {
            Direct(worker, stamp);
        }
    }

    private void Direct(int slice, DirectiveStamp stamp)
    {
        var directive = new ServerDirective
        {
            Run = Run,
            Stamp = stamp,
            Generation = new Generation(1),
            Servers = [.. _serverIds],
            Slice = slice,
            Origin = Origin?.Origin ?? (SliceOrigin)new SliceOrigin.FirstWeights(),
            Workers = [.. _workerIds],
            Lease = _lease,
            BestVersion = _best,
            CheckpointVersion = CheckpointVersion,
        };
        Network.Send(() =>
        {
            if (_servers[slice] is null)
            {
                _servers[slice] = new InMemoryServer(this, _serverIds[slice], directive);
            }

            _servers[slice]!.Receive(directive);
        });
    }

    private void Direct(NodeId worker, DirectiveStamp stamp)
    {
        var directive = new WorkerDirective
        {
            Run = Run,
            Stamp = stamp,
            Generation = new Generation(1),
            Servers = [.. _serverIds],
            Revision = 1,
            Assigned = _shares.GetValueOrDefault(worker),
            Speculation = _speculation,
            Lease = _lease,
            Evaluation = _evaluating is { } version
                ? new EvaluationRequest(version, EvaluationShare(worker))
                : null,
        };
        Network.Send(() =>
        {
            if (_workerIds.Contains(worker))
            {
                if (!_workers.ContainsKey(worker))
                {
                    _workers.Add(worker, new InMemoryWorker(this, worker, directive));
                }

                _workers[worker].Receive(directive);
            }
        });
    }

    // The end of an epoch is saved once the epoch is judged, since what it is judged by is not.
    private long? CheckpointVersion =>
        DieAfterCheckpoint is { } version
        && (version % _dimensions.StepsPerEpoch != 0
            || _history.Count * _dimensions.StepsPerEpoch >= version)
            ? version
            : null;

    private void CommitIfSaved()
    {
        if (DieAfterCheckpoint is { } version
            && _serverStatuses.All(status => status?.Saved?.Version == version))
        {
            Saved.Commit(_serverStatuses[0]!.Saved!);
            Saved.History = [.. _history.Where(epoch => epoch.StepsDone <= version)];
            Saved.Stopping = _stopping;
            Saved.Plateau = _plateau;
            IsOver = true;
        }
    }

    private MicroBatchRange EvaluationShare(NodeId worker)
    {
        NodeId[] able = [.. _workerIds.Where(IsWhole)];
        int index = Array.IndexOf(able, worker), count = _dimensions.EvaluationMicroBatches;
        return index < 0 ? default
            : new(count * index / able.Length, count * (index + 1) / able.Length);
    }

    // The end of a lease is the end of an epoch: evaluate, judge, and grant the next.
    private void Judge()
    {
        if (IsOver || !_serverStatuses.All(status => status?.Version == _lease.EndVersion)
            || _serverStatuses[0]!.Lease is not { } summary
            || summary.Version != _lease.EndVersion)
        {
            return;
        }

        EvaluationMetrics? metrics = Plan.Validation is null ? null : TryFinishEvaluation();
        if (metrics is null && Plan.Validation is not null)
        {
            return;
        }

        double loss = summary.LossSum / _dimensions.EpochRows(summary.Version);
        double metric = Plan.Stop.Metric == StopMetric.TrainingLoss ? loss : metrics!.Loss;
        EpochVerdict verdict = _stopping.Judge(Plan.Stop, _history.Count, loss, metric);
        _stopping = verdict.Next;
        if (Plan.Schedule.Plateau is { } rule)
        {
            _plateau = PlateauDetector.Observe(rule, _plateau, metric, higherIsBetter: false);
        }

        _history.Add(new EpochReport
        {
            Epoch = _history.Count,
            StepsDone = summary.Version,
            TrainingLoss = loss,
            Validation = metrics,
            Layers = summary.Layers,
            LearningRate = 0,
            Metric = metric,
            IsBest = verdict.IsBest,
            Reason = verdict.Reason,
        });
        _evaluating = null;
        _best = verdict.IsBest ? summary.Version : _best;
        IsOver = verdict.Stop is not null || summary.Version == _dimensions.TotalSteps;
        if (!IsOver)
        {
            _lease = new Lease(_dimensions.EpochEnd(summary.Version), _plateau.Reductions);
            Direct();
        }
        else
        {
            KeepLastBest();
        }
    }

    private EvaluationMetrics? TryFinishEvaluation()
    {
        if (_evaluating != _lease.EndVersion)
        {
            _evaluating = _lease.EndVersion;
            Direct();
            return null;
        }

        var metrics = new MetricsAccumulator(
            TargetReading.For(Plan), Plan.Network.OutputShape.Count, Plan.Validation!.Count);
        int covered = 0;
        foreach (EvaluationDone done in _workerStatuses.Values
            .Select(status => status.Evaluation).OfType<EvaluationDone>()
            .Where(done => done.Request.Version == _evaluating)
            .OrderBy(done => done.Part.First))
        {
            if (done.Part.First == covered)
            {
                metrics.Add(done.Part);
                covered = done.Part.End;
            }
        }

        return covered == _dimensions.EvaluationMicroBatches ? metrics.Finish() : null;
    }

    // The last directive, delivered for certain.
    private void KeepLastBest()
    {
        for (int slice = 0; slice < _servers.Length; slice++)
        {
            InMemoryServer server = _servers[slice]!;
            server.Receive(server.State.Directive with
            {
                Stamp = new DirectiveStamp(Term, ++_sequence),
                BestVersion = _best,
            });
        }
    }
}
