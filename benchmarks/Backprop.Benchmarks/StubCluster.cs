using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Benchmarks;

/// <summary>
/// A cluster of any size in one thread: the states that decide, with nothing computed and nothing
/// sent. Messages arrive in a random order, as those of many nodes do. What is left is what the
/// protocol itself costs.
/// </summary>
internal sealed class StubCluster
{
    private const int StepsPerEpoch = 24;
    private static readonly TimeSpan s_turn = TimeSpan.FromMilliseconds(1);

    private readonly Random _random = new(11);
    private readonly RunId _id = new("scale-1");
    private readonly ServerPlan _serverPlan;
    private readonly CoordinationPlan _plan;
    private readonly Dictionary<NodeId, SliceState> _servers = [];
    private readonly Dictionary<NodeId, WorkerState> _workers = [];
    private readonly List<(TreeNode Node, long Step)> _pushed = [];
    private readonly Stopwatch _serving = new();
    private TimeSpan _now = TimeSpan.FromHours(1);
    private readonly bool _gathers;
    private int _turns;

    /// <summary>So many nodes, which the coordinator does not know yet.</summary>
    /// <param name="workers">Workers.</param>
    /// <param name="servers">Parameter servers.</param>
    /// <param name="gathers">Whether statuses that come at once are decided on together.</param>
    /// <param name="bytesOf">A message's length as it travels.</param>
    public StubCluster(int workers, int servers, bool gathers, Func<object, int> bytesOf)
    {
        _gathers = gathers;
        // An evaluation has two shares a worker; a row of a step is a micro-batch.
        string specification = $$"""
            name = scale
            seed = 1
            data {
              train { generated { moons {
                samples = {{workers * StepsPerEpoch}}, noise = 0.2, seed = 1
              } } }
              validation { generated { moons {
                samples = {{2 * workers * MetricsAccumulator.MicroBatchRows}}, noise = 0.2, seed = 2
              } } }
            }
            model = [ { dense { units = 2 } } ]
            loss = softmax-cross-entropy
            optimizer { sgd { learning-rate = 0.1 } }
            batch-size = {{workers}}, micro-batches = {{workers}}, epochs = 1000
            """;
        using PlannedRun planned = RunPlanner.Plan(
            RunSpecificationReader.Read(specification, "scale"), new DataSourceOpener(),
            long.MaxValue);
        // Blocks are small, so that several servers have some of a small network.
        TrainingPlan plan = planned.Plan with
        {
            Network = Network.Build(
                Shape.Of(2), [new DenseDefinition(16), new DenseDefinition(2)], blockLength: 16),
        };
        _plan = CoordinationPlan.Of(_id, plan, new CoordinationOptions());
        _serverPlan = ServerPlan.Of(_id, plan);
        Coordinator = new MeasuredCoordinator(
            _plan, bytesOf, () => DateTimeOffset.UnixEpoch + _now);
        Nodes =
        [
            .. Enumerable.Range(1, servers).Select(
                i => new ClusterNode(new NodeId($"server-{i}"), true, false)),
            .. Enumerable.Range(1, workers).Select(
                i => new ClusterNode(new NodeId($"worker-{i}"), false, true)),
        ];
    }

    /// <summary>The coordinator, and what it costs.</summary>
    public MeasuredCoordinator Coordinator { get; }

    /// <summary>The nodes.</summary>
    public ImmutableArray<ClusterNode> Nodes { get; }

    private RunDimensions Dimensions => _plan.Dimensions;

    /// <summary>Has the run trained until every worker computes, and an epoch begins.</summary>
    public void Join()
    {
        Coordinator.Tell(new CoordinatorInput.NodesChanged(Nodes));
        while (Coordinator.Run.State.Phase is not RunPhase.Training)
        {
            Turn();
        }

        while (Coordinator.Run.State.Open!.Assigned.Count(one => one.Range.Count > 0)
            < _workers.Count)
        {
            Epoch();
        }
    }

    /// <summary>An epoch from its first step to the lease of the next.</summary>
    /// <returns>Median seconds of its steps: of all nodes one after the other, and of the servers
    /// of these.</returns>
    public (double Step, double Serving) Epoch()
    {
        int epochs = Coordinator.Run.State.Position.History.Length;
        var steps = new List<(double Step, double Serving)>();
        while (Coordinator.Run.State.Position.History.Length == epochs
            || Coordinator.Run.State.Phase is not RunPhase.Training)
        {
            long before = VersionOfAll();
            long heard = Coordinator.Costs.Received;
            _serving.Reset();
            long began = Stopwatch.GetTimestamp();
            Turn();
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            if (VersionOfAll() == before + 1 && Coordinator.Costs.Received == heard)
            {
                steps.Add((seconds, _serving.Elapsed.TotalSeconds));
            }
        }

        return (
            steps.Select(one => one.Step).Order().ElementAt(steps.Count / 2),
            steps.Select(one => one.Serving).Order().ElementAt(steps.Count / 2));
    }

    private long VersionOfAll() =>
        _servers.Count == 0 ? -1 : _servers.Values.Min(server => server.Version);

    // Everybody does what there is to do, and hears of it.
    private void Turn()
    {
        _now += s_turn;
        foreach (WorkerState worker in _workers.Values)
        {
            Work(worker);
        }

        _serving.Start();
        TakePushes();
        while (_servers.Values.Count(Serve) > 0)
        {
        }

        _serving.Stop();
        TellStatuses();
        if (++_turns % 250 == 0)
        {
            Coordinator.Tell(new CoordinatorInput.Tick());
        }

        TakeOrders();
    }

    private void Work(WorkerState worker)
    {
        if (worker.Phase is WorkerPhase.Observing)
        {
            Gather(worker); // It asks for the weights.
        }

        for (WorkerTask task = worker.TakeTask(); task.Activity != WorkerActivity.None;
            task = worker.TakeTask())
        {
            switch (task.Activity)
            {
                case WorkerActivity.Open:
                    worker.Opened(_now);
                    break;
                case WorkerActivity.TakeReplica:
                    worker.ReplicaTaken(_now);
                    break;
                case WorkerActivity.Compute:
                    foreach (TreeNode node in GradientTree.Cover(
                        task.Range.First, task.Range.End, Dimensions.MicroBatches))
                    {
                        _pushed.Add((node, task.Version));
                    }

                    worker.Computed(s_turn);
                    break;
                case WorkerActivity.Evaluate:
                    worker.Evaluated(new MetricsPart(
                        task.Range.First, [.. Enumerable.Repeat(1.0, task.Range.Count)],
                        [1, 2, 3, 4], []));
                    break;
                default:
                    throw new InvalidOperationException($"{task} in a cluster without trouble");
            }
        }
    }

    private void TakePushes()
    {
        foreach (SliceState server in _servers.Values)
        {
            _random.Shuffle(CollectionsMarshal.AsSpan(_pushed));
            SlicePlan plan = server.Plan;
            foreach ((TreeNode node, long step) in _pushed)
            {
                for (int piece = plan.FirstPiece(server.Slice);
                    piece < plan.FirstPiece(server.Slice + 1); piece++)
                {
                    server.EnterGradient(
                        new GradientHeader(_id, server.Directive.Generation, step, node, piece),
                        plan.Pieces[piece].Length);
                    while (server.TryFold(piece, out _))
                    {
                    }
                }

                if (server.Slice == 0)
                {
                    server.EnterLoss(new LossHeader(
                        _id, server.Directive.Generation, step, node, 1));
                }
            }
        }

        _pushed.Clear();
    }

    private bool Serve(SliceState server)
    {
        SliceWork work = server.TakeWork();
        switch (work)
        {
            case SliceWork.None:
                return false;
            case SliceWork.Open:
                server.Opened(_now);
                break;
            case SliceWork.KeepBest:
                server.BestKept();
                break;
            case SliceWork.CheckWeights:
                server.WeightsChecked(areFinite: true);
                break;
            case SliceWork.CopyCheckpoint:
                server.CheckpointCopied();
                server.CheckpointSaved(
                [
                    new CheckpointPart(
                        server.Plan.FirstBlock(server.Slice),
                        server.Plan.FirstBlock(server.Slice + 1), new string('a', 64)),
                ]);
                break;
            case SliceWork.Prepare:
                server.Prepared(new PieceSums[server.Sums.Length]);
                foreach (SliceState other in _servers.Values.Where(other => other != server))
                {
                    other.EnterSums(server.HeaderOfSums(other.Slice), server.Sums, out _);
                }

                break;
            case SliceWork.Apply:
                server.Applied(_now);
                foreach (NodeId worker in server.Directive.Workers)
                {
                    Broadcast(server, _workers[worker]);
                }

                break;
            default:
                throw new InvalidOperationException($"{work} in a cluster without trouble");
        }

        return true;
    }

    private void Gather(WorkerState worker)
    {
        foreach (SliceState server in _servers.Values)
        {
            Broadcast(server, worker);
        }
    }

    private void Broadcast(SliceState server, WorkerState worker)
    {
        SlicePlan plan = server.Plan;
        for (int piece = plan.FirstPiece(server.Slice); piece < plan.FirstPiece(server.Slice + 1);
            piece++)
        {
            worker.EnterPiece(
                new WeightsHeader(_id, server.Directive.Generation, server.Version, piece),
                plan.Pieces[piece].Length);
        }
    }

    private void TellStatuses()
    {
        var inputs = new List<CoordinatorInput>();
        foreach (SliceState server in _servers.Values)
        {
            if (server.TryTakeStatus(out ServerStatus? status))
            {
                inputs.Add(new CoordinatorInput.ServerReported(status));
            }
        }

        foreach (WorkerState worker in _workers.Values)
        {
            if (worker.TryTakeStatus(out WorkerStatus? status))
            {
                inputs.Add(new CoordinatorInput.WorkerReported(status));
            }
        }

        _random.Shuffle(CollectionsMarshal.AsSpan(inputs));
        Coordinator.Tell(inputs, _gathers);
    }

    private void TakeOrders()
    {
        foreach (ServerOrder order in Coordinator.TakeServerOrders())
        {
            if (_servers.TryGetValue(order.To, out SliceState? server))
            {
                server.Accept(order.Directive, _now);
            }
            else
            {
                _servers[order.To] = new SliceState(
                    _serverPlan, order.To, order.Directive, _now);
            }
        }

        foreach (WorkerOrder order in Coordinator.TakeWorkerOrders())
        {
            if (_workers.TryGetValue(order.To, out WorkerState? worker))
            {
                worker.Accept(order.Directive, _now);
            }
            else
            {
                _workers[order.To] = new WorkerState(
                    _id, Dimensions, order.To, order.Directive, _now);
            }
        }
    }
}
