using Backprop.Engine.Threading;

namespace Backprop.Training.Simulation;

/// <summary>
/// Runs a whole cluster in one thread and in virtual time: the real states of coordinator,
/// parameter servers and workers with the real engine on a tiny run, over a network that delays,
/// reorders, repeats and loses, with processes that die, stand still, come back and join. At every
/// event it is looked at what must hold, and in the end the run must have come to the bits of
/// <see cref="SingleProcessTrainer"/>. The same scenario always takes the same course.
/// </summary>
public static class ClusterSimulator
{
    /// <summary>Lines of a trace that are usually enough to see what has led to a failure.
    /// </summary>
    public const int UsualTraceLines = 200;

    // Nothing that heals takes longer: after the last fault the run has so much virtual time left.
    private static readonly TimeSpan s_most = TimeSpan.FromMinutes(30);

    private const long MostEvents = 5_000_000;

    /// <summary>Simulates the scenario of a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="bug">A mistake to make, to see that it is found.</param>
    /// <param name="traceLines">The latest lines of the trace to keep; 0: none.</param>
    public static SimulationOutcome Run(
        ulong seed, PlantedBug bug = PlantedBug.None, int traceLines = 0) =>
        Run(Scenario.Of(seed), bug, traceLines);

    /// <summary>Simulates a scenario.</summary>
    /// <param name="scenario">All that happens is a function of it.</param>
    /// <param name="bug">A mistake to make, to see that it is found.</param>
    /// <param name="traceLines">The latest lines of the trace to keep; 0: none.</param>
    public static SimulationOutcome Run(
        Scenario scenario, PlantedBug bug = PlantedBug.None, int traceLines = 0)
    {
        using var pool = new ComputePool(1);
        SimulationTrace? trace = traceLines > 0 ? new SimulationTrace(traceLines) : null;
        Oracle oracle = Oracle.Of(scenario.Plan, pool);
        using var cluster = new SimulatedCluster(scenario, oracle, bug, trace, pool);
        string? failure = null;
        try
        {
            RunToEnd(cluster, scenario);
            cluster.Statistics.Runs++;
        }
        catch (Exception wrong)
        {
            // Whatever a state throws is as wrong as what the checks find.
            failure = wrong is SimulationFailure ? wrong.Message : wrong.ToString();
            trace?.Write(cluster.Queue.Now, "failure", failure);
        }

        cluster.Statistics.Events += cluster.Queue.Events;
        return new SimulationOutcome(
            scenario.Seed, failure, [.. trace?.Lines ?? []], cluster.Storage.Events,
            cluster.Statistics);
    }

    private static void RunToEnd(SimulatedCluster cluster, Scenario scenario)
    {
        EventQueue queue = cluster.Queue;
        cluster.Start();
        while (cluster.Checks.Result is null)
        {
            if (cluster.Checks.EndsInDispute)
            {
                return;
            }

            Action next = queue.Next()
                ?? throw new SimulationFailure("nothing more happens, and the run is not over");
            if (queue.Now > scenario.FaultsEnd + s_most || queue.Events > MostEvents)
            {
                throw new SimulationFailure($"the run stands still: {cluster.Reason()}");
            }

            next();
        }

        cluster.Checks.Completed(cluster.Checks.Result);
    }
}
