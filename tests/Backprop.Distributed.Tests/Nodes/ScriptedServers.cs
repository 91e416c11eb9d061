using Akka.Actor;
using Backprop.Data.Batches;
using Backprop.Data.Sources;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.InMemory;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A coordinator and two parameter servers that do as a test tells them, and one worker.
/// Their weights are any numbers, others for each generation and version, so that gradients of the
/// wrong ones are seen.</summary>
internal sealed class ScriptedServers : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly ActorSystem _system = ActorSystem.Create("worker", ActorConfiguration.Config);
    private readonly RunHash _run = RunHash.Of(TestRun.Id.Value);
    private readonly WatchedData _data = new();
    private readonly TestNode _worker;
    private readonly TestNode[] _servers;
    private readonly RunInbox[] _inboxes;
    private readonly IActorRef _coordinator;
    private readonly List<AlignedBuffer> _weights = [];
    private readonly SendCount _underWay = new();
    private readonly Dictionary<(long Step, TreeNode Node), float[]> _pushed = [];
    private readonly HashSet<(long Step, TreeNode Node, int Piece)> _pieces = [];
    private readonly PlannedRun _planned;
    private readonly SlicePlan _plan;
    private WorkerDirective _directive;
    private WorkerStatus? _status;
    private bool _isAsked;
    private int _rowsBefore;

    /// <summary>A worker that knows of no run yet.</summary>
    /// <param name="assigned">Its micro-batches.</param>
    /// <param name="specification">The run; null: the small one.</param>
    public ScriptedServers(MicroBatchRange assigned, string? specification = null)
    {
        RunSetup setup = TestRun.SetupOf(specification ?? TestRun.Specification);
        _planned = RunPlanner.Plan(
            TestRun.Read(setup.Specification), new DataSourceOpener(), long.MaxValue);
        var network = new InMemoryNetwork();
        var checkpoints = new CheckpointPieces(
            _system, StoragePatience.Default, TimeProvider.System);
        _servers = [Make("server-1", isMute: true), Make("server-2", isMute: true)];
        _worker = Make("worker-1", isMute: false);
        foreach (TestNode node in _servers.Append(_worker))
        {
            Array.ForEach(_servers, server => node.Directory.Add(server.Description));
            node.Directory.Add(_worker.Description);
        }

        _inboxes =
        [
            .. _servers.Select(server => server.Hub.Register(
                RunPart.Slice, _run, new EverythingGuard(), () => { })),
        ];
        _plan = new SlicePlan(_planned.Plan.Network.Layout, _servers.Length);
        _directive = new WorkerDirective
        {
            Run = TestRun.Id,
            Stamp = new DirectiveStamp(new Term(1), 1),
            Generation = new Generation(1),
            Servers = [.. _servers.Select(server => server.Id)],
            Revision = 1,
            Assigned = assigned,
            Lease = new Lease(3, 0),
        };
        _coordinator = _system.ActorOf(Props.Create(() => new ScriptedCoordinator(
            _worker.Worker, setup, status => Volatile.Write(ref _status, status))));

        TestNode Make(string name, bool isMute) => new(
            _system, name, NodeRoles.Worker,
            identity => new InMemoryTransport(identity, new LinkOptions(), network), checkpoints,
            _data, long.MaxValue, isMute, null);
    }

    /// <summary>A worker that has computed the steps before one, has read the rows of that one, and
    /// has every piece of its version but the last.</summary>
    /// <param name="assigned">Its micro-batches.</param>
    /// <param name="step">The step.</param>
    public static async Task<ScriptedServers> BeginStepAsync(
        MicroBatchRange assigned, long step = 1)
    {
        var servers = new ScriptedServers(assigned);
        await servers.OpenAsync();
        for (long version = 0; version < step; version++)
        {
            await servers.BroadcastAsync(version);
            await servers.AwaitGradientsAsync(version, assigned);
        }

        int rows = servers._rowsBefore;
        for (long version = 0; version <= step; version++)
        {
            rows += servers.RowsOf(version, assigned);
        }

        await AwaitAsync(() => servers._data.RowsRead >= rows);
        await servers.BroadcastAsync(step, servers._plan.Pieces.Length - 1);
        return servers;
    }

    /// <summary>The coordinator's first directive, until the worker observes.</summary>
    public async Task OpenAsync()
    {
        _coordinator.Tell(_directive);
        await AwaitStatusAsync(status => status.Phase is WorkerPhase.Observing);
        _rowsBefore = _data.RowsRead;
    }

    /// <summary>The coordinator's next directive, until the worker has seen it: what servers send
    /// goes another way, and may be there before it.</summary>
    public Task DirectAsync(Func<WorkerDirective, WorkerDirective> change)
    {
        _directive = change(_directive) with
        {
            Stamp = new DirectiveStamp(new Term(1), _directive.Stamp.Sequence + 1),
        };
        _coordinator.Tell(_directive);
        return AwaitStatusAsync(status => status.Seen == _directive.Stamp);
    }

    /// <summary>Slices are opened anew; nothing that was pushed before counts.</summary>
    public async Task OpenGenerationAsync(long generation)
    {
        await DirectAsync(one => one with { Generation = new Generation(generation) });
        await AwaitStatusAsync(status => status.Phase is WorkerPhase.Observing
            && status.Generation.Value == generation);
        TakeArrivals();
        _pushed.Clear();
        _pieces.Clear();
    }

    /// <summary>The servers send a version, each piece when the worker has taken the one before.
    /// </summary>
    /// <param name="version">The version.</param>
    /// <param name="pieces">So many of its pieces; null: all.</param>
    public async Task BroadcastAsync(long version, int? pieces = null)
    {
        AlignedBuffer weights = WeightsOf(version);
        foreach (Piece piece in _plan.Pieces.Take(pieces ?? _plan.Pieces.Length))
        {
            await AwaitAsync(() => TrySend(version, piece, weights) == SendResult.Queued);
            await AwaitAsync(() => _underWay.Value == 0);
        }
    }

    /// <summary>The links on which weights are sent end.</summary>
    public void CloseLinks() => Array.ForEach(
        _servers, server => server.Hub.Close(_worker.Id, "a test"));

    /// <summary>Waits until the worker asks for pieces.</summary>
    public Task AwaitRequestAsync() => AwaitAsync(() =>
    {
        TakeArrivals();
        return _isAsked;
    });

    /// <summary>Waits for the gradients of micro-batches, and holds them against those of the
    /// weights that were sent.</summary>
    public async Task AwaitGradientsAsync(long step, MicroBatchRange range)
    {
        using GradientSet expected = Compute(step, range);
        await AwaitAsync(() =>
        {
            TakeArrivals();
            return expected.Nodes.All(node => _plan.Pieces.All(
                piece => _pieces.Contains((step, node, piece.Index))));
        });
        for (int node = 0; node < expected.Nodes.Count; node++)
        {
            RoundForTheWay(expected.Gradient(node).Span);
            Assert.Equal(
                expected.Gradient(node).Span.ToArray(), _pushed[(step, expected.Nodes[node])]);
        }
    }

    /// <summary>Waits until the worker says something.</summary>
    public Task AwaitStatusAsync(Func<WorkerStatus, bool> isMeant) => AwaitAsync(
        () => Volatile.Read(ref _status) is { } status && isMeant(status));

    public async ValueTask DisposeAsync()
    {
        await _system.Terminate();
        Array.ForEach(_inboxes, inbox => inbox.Dispose());
        Array.ForEach(_servers, server => server.Hub.Dispose());
        _worker.Hub.Dispose();
        _weights.ForEach(weights => weights.Dispose());
        _planned.Dispose();
    }

    private static async Task AwaitAsync(Func<bool> isSo)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!isSo())
        {
            await Task.Delay(2, limit.Token);
        }
    }

    private int RowsOf(long step, MicroBatchRange range)
    {
        MicroBatches cut = RunDimensions.Of(_planned.Plan).MicroBatchesOf(step);
        return cut.Start(range.End) - cut.Start(range.First);
    }

    private SendResult TrySend(long version, in Piece piece, AlignedBuffer weights)
    {
        _underWay.Add(1);
        SendResult result = _servers[piece.Slice].Hub.TrySend(
            _worker.Id,
            FrameHeader.Broadcast(
                _run, _directive.Generation.Value, version, piece.Index, piece.Offset,
                piece.Length),
            weights, piece.Offset, _underWay);
        if (result != SendResult.Queued)
        {
            _underWay.Add(-1);
        }

        return result;
    }

    private AlignedBuffer WeightsOf(long version)
    {
        var weights = new AlignedBuffer(_plan.Layout.Length);
        _weights.Add(weights);
        _planned.Plan.Network.InitializeWeights(
            (ulong)((100 * _directive.Generation.Value) + version), weights);
        return weights;
    }

    private GradientSet Compute(long step, MicroBatchRange range)
    {
        TrainingPlan plan = _planned.Plan;
        BatchLoader loader = plan.NewLoader(TargetReading.For(plan).Encoding);
        using Batch batch = loader.NewBatch(plan.BatchSize);
        var cut = new MicroBatches(loader.GlobalRows(step), plan.MicroBatches);
        loader.Load(step, cut.Start(range.First), cut.Start(range.End), batch);
        using var pool = new ComputePool(1);
        using var executor = new NetworkExecutor(
            plan.Network, plan.Loss, plan.BatchSize, plan.MicroBatches, pool);
        var gradients = new GradientSet(
            plan.Network.Layout, range.First, range.End, plan.MicroBatches);
        executor.UseWeights(WeightsOf(step));
        executor.ComputeGradients(
            batch, new StepWork(plan.Seed, step, cut), gradients, listener: null);
        return gradients;
    }

    // What arrives of a gradient.
    private void RoundForTheWay(Span<float> gradient)
    {
        TransportSpecification transport = _planned.Specification.Transport;
        foreach (Piece piece in _plan.Pieces.Where(
            piece => transport.OfGradient(piece) == ElementEncoding.Bf16))
        {
            Span<float> elements = gradient.Slice(piece.Offset, piece.Length);
            var rounded = new ushort[piece.Length];
            Bfloat16.Round(elements, rounded);
            Bfloat16.Widen(rounded, elements);
        }
    }

    private void TakeArrivals()
    {
        foreach (RunInbox inbox in _inboxes)
        {
            while (inbox.TryTake(out RunArrival next))
            {
                using (next.Arrival)
                {
                    Take(next.Arrival);
                }
            }
        }
    }

    private void Take(Arrival arrival)
    {
        FrameHeader header = arrival.Header;
        _isAsked |= header.Type == FrameType.RequestPieces;
        if (header.Type != FrameType.Push || header.Generation != _directive.Generation.Value)
        {
            return;
        }

        if (!_pushed.TryGetValue((header.Step, header.Node), out float[]? gradient))
        {
            gradient = new float[_plan.Layout.Length];
            _pushed.Add((header.Step, header.Node), gradient);
        }

        Assert.Equal(
            _planned.Specification.Transport.OfGradient(_plan.Pieces[header.Piece]),
            header.Encoding);
        Span<float> elements = gradient.AsSpan(header.Offset, header.ElementCount);
        if (header.Encoding == ElementEncoding.Bf16)
        {
            Bfloat16.Widen(arrival.RoundedElements, elements);
        }
        else
        {
            arrival.Elements.CopyTo(elements);
        }

        _pieces.Add((header.Step, header.Node, header.Piece));
    }

    private sealed class EverythingGuard : IFrameGuard
    {
        public FrameVerdict Check(in FrameHeader header) => FrameVerdict.Accept;
    }

    // Pieces that were sent and not taken yet.
    private sealed class SendCount : ISendCompletion
    {
        private int _value;

        public int Value => Volatile.Read(ref _value);

        public void Add(int count) => Interlocked.Add(ref _value, count);

        public void OnReleased(in FrameHeader header, bool sent) => Add(-1);
    }

    // Tells the worker what the test says, once, and what the run is when it asks.
    private sealed class ScriptedCoordinator : ReceiveActor
    {
        public ScriptedCoordinator(
            IActorRef worker, RunSetup setup, Action<WorkerStatus> onStatus)
        {
            Receive<WorkerDirective>(directive => worker.Tell(directive));
            Receive<SetupRequest>(_ => worker.Tell(setup));
            Receive(onStatus);
        }
    }
}
