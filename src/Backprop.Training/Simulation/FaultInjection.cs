using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>Lets a scenario's faults strike, and has everything heal once they are over.</summary>
internal sealed class FaultInjection(SimulatedCluster cluster, Scenario scenario)
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);

    private readonly Draws _draws = new(scenario.Seed, DrawKind.Faults);

    private EventQueue Queue => cluster.Queue;

    private SimulationStatistics Statistics => cluster.Statistics;

    public void Schedule()
    {
        foreach (ScheduledFault fault in scenario.Faults)
        {
            Queue.After(fault.At, null, () => StrikeWhenDue(fault));
        }

        if (scenario.Faults.All(fault => fault.AtVersion is null))
        {
            Queue.After(scenario.FaultsEnd, null, Heal);
        }
    }

    private void StrikeWhenDue(ScheduledFault fault)
    {
        if (fault.AtVersion is { } version && cluster.Checks.LeastVersion < version)
        {
            Queue.After(s_look, null, () => StrikeWhenDue(fault));
            return;
        }

        cluster.Trace?.Write(Queue.Now, "fault", $"{fault.Fault}");
        Strike(fault.Fault);
    }

    private void Strike(Fault fault)
    {
        switch (fault)
        {
            case Fault.Crash crash when cluster.At(crash.Place) is { } node:
                Crash(node, crash.RestartAfter);
                break;
            case Fault.Leave leave when cluster.At(leave.Place) is { } node:
                Leave(node, leave.Notice);
                break;
            case Fault.CrashAll all:
                CrashAll(all.RestartAfter);
                break;
            case Fault.Pause pause when cluster.At(pause.Place) is { } node:
                Pause(node, pause.Lasts);
                break;
            case Fault.Slow slow when cluster.At(slow.Place) is { } node:
                Statistics.Slowdowns++;
                node.Slowness = slow.Factor;
                Queue.After(slow.Lasts, node.Life, () => node.Slowness = 1);
                break;
            case Fault.Join join:
                Statistics.Joins++;
                Announce(cluster.Add(new SimulatedRoles(
                    join.IsServer, join.IsWorker, join.Speed)));
                break;
            case Fault.Partition partition:
                Separate(partition);
                break;
            case Fault.LinkEnd link:
                Statistics.LinkEnds++;
                cluster.Network.EndLink(link.First, link.Second);
                break;
            case Fault.LoseAllUnderWay:
                cluster.Network.LoseAll();
                break;
            case Fault.FailSlice slice:
                cluster.At(slice.Place)?.Server?.Fail("its disk is gone");
                break;
            case Fault.Miscompute wrong when cluster.At(wrong.Place) is { } node:
                Statistics.Miscomputations++;
                node.IsUnsound = true;
                Queue.After(wrong.Lasts, node.Life, () => node.IsUnsound = false);
                break;
            case Fault.SetClock clock:
                Statistics.ClockJumps++;
                cluster.Clock.DaysOffset += clock.By;
                break;
            case Fault.MoveCoordinator move:
                Move(move);
                break;
            case Fault.StorageAway away:
                Statistics.StorageFailures++;
                cluster.Storage.AwayUntil = Queue.Now + away.Lasts;
                break;
            case Fault.PauseRun pause:
                cluster.Coordinator?.Take(new CoordinatorInput.Pause());
                Queue.After(pause.Lasts, null, Resume);
                break;
        }
    }

    private void Crash(SimulatedNode node, TimeSpan? restartAfter)
    {
        Statistics.Crashes++;
        cluster.EndNode(node, "dies");
        Queue.After(
            _draws.Seconds(0.1, 8), null, () => cluster.Membership.Down(node.Id));
        if (restartAfter is { } delay)
        {
            Queue.After(delay, null, () => Restart(node.Place));
        }
    }

    private void Leave(SimulatedNode node, TimeSpan notice)
    {
        Statistics.Leaves++;
        Queue.After(
            _draws.Seconds(0.05, 0.5), node.Life, () => cluster.Membership.Leaving(node.Id));
        Queue.After(notice, node.Life, () =>
        {
            cluster.EndNode(node, "leaves");
            cluster.Membership.Down(node.Id);
            if (!cluster.IsFaulty)
            {
                EnsureNodes();
            }
        });
    }

    private void CrashAll(TimeSpan restartAfter)
    {
        foreach (SimulatedNode node in cluster.Nodes.ToArray())
        {
            Crash(node, restartAfter + _draws.Seconds(0, 2));
        }

        Move(new Fault.MoveCoordinator(restartAfter + _draws.Seconds(0, 2), TimeSpan.Zero));
    }

    private void Restart(int place)
    {
        if (cluster.At(place) is null)
        {
            Statistics.Restarts++;
            Announce(cluster.StartNode(place));
        }
    }

    private void Announce(SimulatedNode node) => Queue.After(
        _draws.Seconds(0.05, 1), node.Life, () => cluster.Membership.Up(node));

    // Who stands still for long is taken for dead. Awake again, it is taken back, or has to start
    // anew.
    private void Pause(SimulatedNode node, TimeSpan lasts)
    {
        Statistics.Pauses++;
        node.Life.StandStill(Queue.Now + lasts);
        TakeForDead(node, lasts, () => node.Life.ResumesAt <= Queue.Now);
    }

    private void TakeForDead(SimulatedNode node, TimeSpan lasts, Func<bool> isBack)
    {
        TimeSpan patience = _draws.Seconds(2, 10);
        if (lasts < patience)
        {
            return;
        }

        bool startsAnew = _draws.Chance(0.5);
        Queue.After(patience, null, () =>
        {
            if (node.Life.IsOver || isBack())
            {
                return;
            }

            Statistics.FalseAlarms++;
            cluster.Membership.Down(node.Id);
            Queue.After(lasts - patience, null, () => TakeBack(node, startsAnew));
        });
    }

    private void TakeBack(SimulatedNode node, bool startsAnew)
    {
        if (node.Life.IsOver)
        {
            return;
        }

        if (startsAnew)
        {
            cluster.EndNode(node, "was taken for dead, and starts anew");
            Restart(node.Place);
        }
        else
        {
            Announce(node);
        }
    }

    private void Separate(Fault.Partition fault)
    {
        Statistics.Partitions++;
        object partition = cluster.Network.Separate(fault.Places, fault.WithCoordinator);
        bool isHealed = false;
        foreach (SimulatedNode node in cluster.Nodes.ToArray())
        {
            if (fault.Places.Contains(node.Place) != fault.WithCoordinator)
            {
                TakeForDead(node, fault.Lasts, () => isHealed);
            }
        }

        Queue.After(fault.Lasts, null, () =>
        {
            isHealed = true;
            cluster.Network.Heal(partition);
        });
    }

    private void Move(Fault.MoveCoordinator move)
    {
        if (cluster.Coordinator is { } old)
        {
            Queue.After(
                move.OldLives, old.Life, () => cluster.EndCoordinator(old, restarts: false));
        }

        Queue.After(move.Without, null, cluster.StartCoordinator);
    }

    private void Resume()
    {
        SimulatedCoordinator? coordinator = cluster.Coordinator;
        coordinator?.Take(new CoordinatorInput.Resume());
        Queue.After(TimeSpan.FromSeconds(1), null, Resume);
    }

    private void Heal()
    {
        cluster.Trace?.Write(Queue.Now, "fault", "nothing goes wrong any more");
        cluster.Network.IsFaulty = false;
        cluster.Network.HealAll();
        cluster.Storage.AwayUntil = Queue.Now;
        foreach (SimulatedNode node in cluster.Nodes)
        {
            node.Slowness = 1;
            node.IsUnsound = false;
        }

        KeepEnoughNodes();
    }

    // Again and again: what was wrong before may come out later, and take workers out.
    private void KeepEnoughNodes()
    {
        EnsureNodes();
        Queue.After(TimeSpan.FromSeconds(5), null, KeepEnoughNodes);
    }

    // Until the run has ended somebody has to be there.
    private void EnsureNodes()
    {
        cluster.EndOldCoordinators();
        if (cluster.Coordinator is null)
        {
            cluster.StartCoordinator();
        }

        if (!cluster.Nodes.Any(node => node.Roles.IsServer))
        {
            Start(roles => roles.IsServer, new SimulatedRoles(true, false));
        }

        // Who is party to a dispute, or quarantined, does not count.
        CoordinatorState? state = cluster.Coordinator?.Run?.State;
        int workers = cluster.Nodes.Count(node => node.Roles.IsWorker
            && state?.Quarantined.Contains(node.Id) != true
            && state?.Dispute?.Pushed != node.Id && state?.Dispute?.Checked != node.Id);
        for (int i = workers; i < scenario.Options.MinWorkers; i++)
        {
            Start(roles => roles.IsWorker, new SimulatedRoles(false, true));
        }
    }

    private void Start(Func<SimulatedRoles, bool> hasRole, SimulatedRoles otherwise)
    {
        int? place = scenario.Nodes.Select((roles, index) => (roles, index))
            .Where(one => hasRole(one.roles) && cluster.At(one.index) is null)
            .Select(one => (int?)one.index).FirstOrDefault();
        if (place is { } free)
        {
            Restart(free);
        }
        else
        {
            Statistics.Joins++;
            Announce(cluster.Add(otherwise));
        }
    }
}
