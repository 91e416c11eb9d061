using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>Makes a scenario from a seed: the run, the cluster, and what goes wrong in it.
/// </summary>
internal sealed class ScenarioMaker(ulong seed)
{
    private readonly Draws _draws = new(seed, DrawKind.Scenario);
    private readonly Draws _soundness = new(seed, DrawKind.Soundness);
    private readonly Draws _clocks = new(seed, DrawKind.Clocks);

    public Scenario Make()
    {
        TrainingPlan plan = new PlanMaker(seed, _draws).Make();
        ImmutableArray<SimulatedRoles> nodes = Nodes();
        TimeSpan microBatchTime = _draws.Seconds(0.01, 0.3);
        TimeSpan faultsEnd = FaultsEnd(plan, nodes, microBatchTime);
        bool isCalm = _draws.Chance(0.05);
        return new Scenario
        {
            Seed = seed,
            Plan = plan,
            Nodes = nodes,
            Options = Options() with
            {
                VerifyShare = _soundness.Chance(0.4) ? _soundness.Of(0.1, 0.5, 1) : 0,
            },
            Network = isCalm ? new NetworkConditions() : Network(),
            Storage = isCalm ? new StorageConditions() : Storage(),
            Faults = isCalm ? [] : Faults(nodes, faultsEnd),
            FaultsEnd = faultsEnd,
            MicroBatchTime = microBatchTime,

            TellsProgress = _draws.Chance(0.6),

            // Whatever the cost: the more there are, the more is tried.
            Copies = _draws.Chance(0.7)
                ? new CopyOptions { Share = 1, LeastInterval = _draws.Seconds(0, 3) }
                : null,
        };
    }

    private ImmutableArray<SimulatedRoles> Nodes()
    {
        var nodes = ImmutableArray.CreateBuilder<SimulatedRoles>();
        int servers = _draws.Between(1, 3), workers = _draws.Between(1, 5);
        int both = _draws.Chance(0.5) ? _draws.Between(1, Math.Min(servers, workers)) : 0;
        for (int i = 0; i < servers + workers - both; i++)
        {
            double speed = _draws.Chance(0.3) ? _draws.Between(0.1, 4) : 1;
            nodes.Add(new SimulatedRoles(
                IsServer: i < servers, IsWorker: i >= servers - both, speed));
        }

        return nodes.ToImmutable();
    }

    // Generations that fail one after the other end a run; with faults as dense as here they would.
    private CoordinationOptions Options() => new()
    {
        MinWorkers = _draws.Chance(0.3) ? 2 : 1,
        MaxWorkers = _draws.Chance(0.2) ? 3 : AssignmentPlanner.MaxWorkers,
        CheckpointEveryEpochs = _draws.Chance(0.8) ? _draws.Between(1, 2) : null,
        CheckpointInterval = _draws.Chance(0.6) ? _draws.Seconds(0.5, 10) : null,
        CheckpointNotice = _draws.Seconds(0, 0.7),
        KeepCheckpoints = _draws.Between(1, 3),
        CheckpointRetry = _draws.Seconds(0.5, 15),
        MaxCheckpointAttempts = 1_000,
        MaxFailedGenerations = 1_000,
        OpeningTimeout = _draws.Seconds(5, 60),
        ResendAfter = _draws.Seconds(0.3, 1.5),
        RepeatAfter = _draws.Seconds(1.5, 6),
        MaxSpeculations = _draws.Between(0, 3),
        SpreadAfter = _draws.Seconds(0.5, 15),
    };

    private NetworkConditions Network() => new()
    {
        Drops = _draws.Chance(0.6) ? _draws.Between(0.0, 0.15) : 0,
        Duplicates = _draws.Chance(0.6) ? _draws.Between(0.0, 0.2) : 0,
        LongDelays = _draws.Chance(0.6) ? _draws.Between(0.0, 0.1) : 0,
        Base = _draws.Seconds(0.0001, 0.01),
        Jitter = _draws.Seconds(0, 0.2),
        LongDelay = _draws.Seconds(1, 20),
    };

    private StorageConditions Storage() => new()
    {
        FailingWrites = _draws.Chance(0.3) ? _draws.Between(0.0, 0.1) : 0,
        FailingReads = _draws.Chance(0.3) ? _draws.Between(0.0, 0.2) : 0,
        FailingEvents = _draws.Chance(0.3) ? _draws.Between(0.0, 0.05) : 0,
        PartTime = _draws.Seconds(0.01, 1),
        EventTime = _draws.Seconds(0.001, 0.2),
    };

    // Faults strike while there is something to disturb, and a little longer.
    private TimeSpan FaultsEnd(
        TrainingPlan plan, ImmutableArray<SimulatedRoles> nodes, TimeSpan microBatchTime)
    {
        RunDimensions run = RunDimensions.Of(plan);
        double speed = nodes.Where(node => node.IsWorker).Sum(node => node.Speed);
        TimeSpan step = TimeSpan.FromSeconds(0.3) + (microBatchTime * (run.MicroBatches / speed));
        return TimeSpan.FromSeconds(5) + (run.TotalSteps * step * _draws.Between(0.5, 3));
    }

    private ImmutableArray<ScheduledFault> Faults(
        ImmutableArray<SimulatedRoles> nodes, TimeSpan end)
    {
        int count = _draws.Between(0, 10);
        return
        [
            .. Enumerable.Range(0, count)
                .Select(_ => new ScheduledFault(DrawFault(nodes.Length), end * _draws.Unit()))
                .Concat(Miscomputations(nodes, end)).Concat(SetClocks(end))
                .OrderBy(fault => fault.At),
        ];
    }

    // At one place only: of two workers with wrong bits a third vote may bear the wrong one out.
    private ScheduledFault[] Miscomputations(ImmutableArray<SimulatedRoles> nodes, TimeSpan end)
    {
        int[] workers = [.. nodes.Index().Where(one => one.Item.IsWorker).Select(one => one.Index)];
        int place = _soundness.Of<int>(workers);
        return
        [
            .. Enumerable.Range(0, _soundness.Between(0, 3)).Select(_ => new ScheduledFault(
                new Fault.Miscompute(place, _soundness.Seconds(2, 60)), end * _soundness.Unit())),
        ];
    }

    private ScheduledFault[] SetClocks(TimeSpan end) =>
    [
        .. Enumerable.Range(0, _clocks.Chance(0.3) ? _clocks.Between(1, 3) : 0)
            .Select(_ => new ScheduledFault(
                new Fault.SetClock(_clocks.Seconds(-7200, 7200)), end * _clocks.Unit())),
    ];

    private Fault DrawFault(int nodes)
    {
        int place = _draws.Between(0, nodes - 1);
        return _draws.Between(0, 21) switch
        {
            <= 3 => new Fault.Crash(
                place, _draws.Chance(0.8) ? _draws.Seconds(0, 12) : null),
            <= 6 => new Fault.Pause(place, _draws.Seconds(0.2, 15)),
            <= 7 => new Fault.Slow(place, _draws.Between(2.0, 30), _draws.Seconds(1, 30)),
            <= 9 => DrawJoin(),
            <= 11 => new Fault.Partition(
                [.. Enumerable.Range(0, nodes).Where(_ => _draws.Chance(0.4))],
                _draws.Chance(0.5), _draws.Seconds(0.2, 15)),
            12 => new Fault.LinkEnd(place, _draws.Between(0, nodes - 1)),
            13 => new Fault.LoseAllUnderWay(),
            14 => new Fault.FailSlice(place),
            <= 16 => new Fault.MoveCoordinator(
                _draws.Seconds(0, 8),
                _draws.Chance(0.5) ? _draws.Seconds(0.5, 10) : TimeSpan.Zero),
            17 => new Fault.StorageAway(_draws.Seconds(0.5, 20)),
            18 => new Fault.PauseRun(_draws.Seconds(0.5, 20)),
            <= 20 => new Fault.Leave(place, _draws.Seconds(1, 20)),
            _ => new Fault.CrashAll(_draws.Seconds(0.5, 5)),
        };
    }

    private Fault.Join DrawJoin()
    {
        bool isServer = _draws.Chance(0.5);
        return new Fault.Join(
            isServer, !isServer || _draws.Chance(0.5), _draws.Of(1.0, 1.0, 0.3, 3.0));
    }
}
