using System.Reflection;

namespace Backprop.Training.Simulation;

/// <summary>How often what happened, over any number of simulations: so that one sees that the
/// faults really strike.</summary>
public sealed class SimulationStatistics
{
    /// <summary>Simulations that came to their end.</summary>
    public long Runs { get; set; }

    /// <summary>Steps of their runs.</summary>
    public long Steps { get; set; }

    /// <summary>Events in virtual time.</summary>
    public long Events { get; set; }

    /// <summary>Messages sent.</summary>
    public long Messages { get; set; }

    /// <summary>Messages that were lost.</summary>
    public long Drops { get; set; }

    /// <summary>Messages that arrived twice.</summary>
    public long Duplicates { get; set; }

    /// <summary>Connections that ended.</summary>
    public long LinkEnds { get; set; }

    /// <summary>Partitions of the network.</summary>
    public long Partitions { get; set; }

    /// <summary>Processes that died.</summary>
    public long Crashes { get; set; }

    /// <summary>Processes that came back.</summary>
    public long Restarts { get; set; }

    /// <summary>Nodes that joined.</summary>
    public long Joins { get; set; }

    /// <summary>Processes that left, and said so before.</summary>
    public long Leaves { get; set; }

    /// <summary>Processes that stood still.</summary>
    public long Pauses { get; set; }

    /// <summary>Nodes that became slow.</summary>
    public long Slowdowns { get; set; }

    /// <summary>Workers that began to come to wrong bits.</summary>
    public long Miscomputations { get; set; }

    /// <summary>Nodes of the gradient tree with wrong bits, that were counted or told of.
    /// </summary>
    public long WrongNodes { get; set; }

    /// <summary>Disputes between two workers.</summary>
    public long Disputes { get; set; }

    /// <summary>Workers that were quarantined.</summary>
    public long Quarantines { get; set; }

    /// <summary>Runs whose wrong bits nobody compared, since a report was lost or their nodes were
    /// cut otherwise: what they come to is not judged.</summary>
    public long UnseenErrors { get; set; }

    /// <summary>Runs that failed since a dispute came up when they had just ended.</summary>
    public long LateDisputes { get; set; }

    /// <summary>Times that a machine's clock was set.</summary>
    public long ClockJumps { get; set; }

    /// <summary>Nodes that were taken for dead, and were not.</summary>
    public long FalseAlarms { get; set; }

    /// <summary>Coordinators that took over.</summary>
    public long Terms { get; set; }

    /// <summary>Orders of a coordinator that was followed by another.</summary>
    public long StaleOrders { get; set; }

    /// <summary>Times that the database was away.</summary>
    public long StorageFailures { get; set; }

    /// <summary>Events that could not be stored, or were not acted on.</summary>
    public long LostEvents { get; set; }

    /// <summary>Checkpoints that could not be saved.</summary>
    public long LostCheckpoints { get; set; }

    /// <summary>Slices that could not be restored, or failed.</summary>
    public long FailedSlices { get; set; }

    /// <summary>Times that a user paused the run.</summary>
    public long UserPauses { get; set; }

    /// <summary>Generations.</summary>
    public long Generations { get; set; }

    /// <summary>Copies of slices in memory that were taken.</summary>
    public long Copies { get; set; }

    /// <summary>Generations that opened from copies in memory.</summary>
    public long OpenedFromCopies { get; set; }

    /// <summary>Assignments.</summary>
    public long Assignments { get; set; }

    /// <summary>Checkpoints that were committed.</summary>
    public long Commits { get; set; }

    /// <summary>Checkpoints that were aborted.</summary>
    public long Aborts { get; set; }

    /// <summary>Leases that were ended early.</summary>
    public long Halts { get; set; }

    /// <summary>Generations with more servers than the one before.</summary>
    public long Spreads { get; set; }

    /// <summary>Times that a run had too few workers.</summary>
    public long TooFewWorkers { get; set; }

    /// <summary>Computations of micro-batches that were late elsewhere.</summary>
    public long Speculations { get; set; }

    /// <summary>Steps that were gone on with, after layers had been computed ahead.</summary>
    public long StepsAhead { get; set; }

    /// <summary>Gradients that were pushed again.</summary>
    public long PushesAgain { get; set; }

    /// <summary>Gradients that were counted already.</summary>
    public long DuplicateGradients { get; set; }

    /// <summary>What came from a generation before.</summary>
    public long StaleGenerations { get; set; }

    /// <summary>Runs that ended with numbers that are not finite.</summary>
    public long NonFiniteRuns { get; set; }

    /// <summary>Adds what another has counted.</summary>
    public void Add(SimulationStatistics other)
    {
        foreach (PropertyInfo count in Counts)
        {
            count.SetValue(this, (long)count.GetValue(this)! + (long)count.GetValue(other)!);
        }
    }

    /// <summary>Every count by its name, in the order above.</summary>
    public IReadOnlyList<(string Name, long Count)> All() =>
        [.. Counts.Select(count => (count.Name, (long)count.GetValue(this)!))];

    private static PropertyInfo[] Counts { get; } = typeof(SimulationStatistics).GetProperties(
        BindingFlags.Public | BindingFlags.Instance);
}
