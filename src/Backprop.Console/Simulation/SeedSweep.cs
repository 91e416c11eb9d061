using Backprop.Training.Simulation;

namespace Backprop.Console.Simulation;

/// <summary>What a sweep has come to so far.</summary>
/// <param name="Done">Seeds that are simulated.</param>
/// <param name="Failed">The lowest seed that failed; null: none did.</param>
/// <param name="Statistics">How often what happened.</param>
internal sealed record SweepState(
    ulong Done, SimulationOutcome? Failed, SimulationStatistics Statistics);

/// <summary>Simulates seeds on threads of its own, until all are done, one fails, or it is
/// interrupted. Of several that fail the lowest is told, whatever the threads.</summary>
internal sealed class SeedSweep(
    SeedRange seeds, PlantedBug bug, CancellationToken interruption)
{
    private readonly Lock _lock = new();
    private readonly SimulationStatistics _statistics = new();
    private SimulationOutcome? _failed;
    private ulong _taken;
    private ulong _done;

    /// <summary>Simulates; <paramref name="progress"/> is called now and then.</summary>
    /// <param name="threads">Threads to simulate on.</param>
    /// <param name="between">Time between two calls of <paramref name="progress"/>.</param>
    /// <param name="progress">Hears of the state, on the caller's thread.</param>
    public SweepState Run(int threads, TimeSpan between, Action<SweepState> progress)
    {
        ComputeThread<bool>[] workers =
        [
            .. Enumerable.Range(1, threads)
                .Select(i => new ComputeThread<bool>($"simulation {i}", SimulateNext)),
        ];
        foreach (ComputeThread<bool> worker in workers)
        {
            while (!worker.Wait(between))
            {
                progress(State());
            }

            worker.Result();
        }

        return State();
    }

    private SweepState State()
    {
        lock (_lock)
        {
            var statistics = new SimulationStatistics();
            statistics.Add(_statistics);
            return new SweepState(_done, _failed, statistics);
        }
    }

    private bool SimulateNext()
    {
        while (!interruption.IsCancellationRequested && Take() is { } seed)
        {
            SimulationOutcome outcome = ClusterSimulator.Run(seed, bug);
            lock (_lock)
            {
                _done++;
                _statistics.Add(outcome.Statistics);
                if (outcome.Failure is not null && !(seed > _failed?.Seed))
                {
                    _failed = outcome;
                }
            }
        }

        return true;
    }

    private ulong? Take()
    {
        lock (_lock)
        {
            bool isOver = _failed is not null || _taken > seeds.Last - seeds.First;
            return isOver ? null : seeds.First + _taken++;
        }
    }
}
