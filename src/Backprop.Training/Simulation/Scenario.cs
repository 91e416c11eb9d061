using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>A node of a simulated cluster.</summary>
/// <param name="IsServer">Whether it is a parameter server.</param>
/// <param name="IsWorker">Whether it is a worker.</param>
/// <param name="Speed">How fast it computes; 1 is usual.</param>
public readonly record struct SimulatedRoles(bool IsServer, bool IsWorker, double Speed = 1);

/// <summary>What becomes of messages on their way.</summary>
public sealed record NetworkConditions
{
    /// <summary>The share that never arrives.</summary>
    public double Drops { get; init; }

    /// <summary>The share that arrives twice.</summary>
    public double Duplicates { get; init; }

    /// <summary>The share that takes up to <see cref="LongDelay"/>.</summary>
    public double LongDelays { get; init; }

    /// <summary>What every message takes at least; links differ, up to twice as much.</summary>
    public TimeSpan Base { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>What a message takes more, at most. Messages overtake each other by it.</summary>
    public TimeSpan Jitter { get; init; } = TimeSpan.FromMilliseconds(5);

    /// <summary>The longest that a message is under way.</summary>
    public TimeSpan LongDelay { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>What becomes of what is stored.</summary>
public sealed record StorageConditions
{
    /// <summary>The share of checkpoint parts that cannot be written.</summary>
    public double FailingWrites { get; init; }

    /// <summary>The share of restores that fail.</summary>
    public double FailingReads { get; init; }

    /// <summary>The share of the journal's writes that fail.</summary>
    public double FailingEvents { get; init; }

    /// <summary>The longest that a part takes.</summary>
    public TimeSpan PartTime { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest that events take.</summary>
    public TimeSpan EventTime { get; init; } = TimeSpan.FromMilliseconds(20);
}

/// <summary>All that a simulation is a function of.</summary>
public sealed record Scenario
{
    /// <summary>What chance is drawn from.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The run.</summary>
    public required TrainingPlan Plan { get; init; }

    /// <summary>The nodes at the beginning, by place.</summary>
    public required ImmutableArray<SimulatedRoles> Nodes { get; init; }

    /// <summary>How the run is coordinated.</summary>
    public CoordinationOptions Options { get; init; } = new();

    /// <summary>What copies of slices in memory may cost; null: none are made.</summary>
    public CopyOptions? Copies { get; init; }

    /// <summary>Whether the coordinator hears how far steps are; else checkpoints that are due by
    /// time bring training to a stand.</summary>
    public bool TellsProgress { get; init; }

    /// <summary>What becomes of messages while there are faults.</summary>
    public NetworkConditions Network { get; init; } = new();

    /// <summary>What becomes of what is stored while there are faults.</summary>
    public StorageConditions Storage { get; init; } = new();

    /// <summary>What goes wrong.</summary>
    public ImmutableArray<ScheduledFault> Faults { get; init; } = [];

    /// <summary>From then on nothing goes wrong any more, and nodes that are needed come back.
    /// </summary>
    public TimeSpan FaultsEnd { get; init; }

    /// <summary>What a usual node takes for a micro-batch.</summary>
    public TimeSpan MicroBatchTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>The scenario of a seed.</summary>
    public static Scenario Of(ulong seed) => new ScenarioMaker(seed).Make();
}
