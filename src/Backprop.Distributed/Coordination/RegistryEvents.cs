using Backprop.Distributed.Nodes;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Coordination;

/// <summary>Something that has happened to the cluster's runs, and is persisted. What happens
/// within a run lies in the run's own journal.</summary>
/// <param name="At">When.</param>
public abstract record RegistryEvent(DateTimeOffset At);

/// <summary>A run was submitted.</summary>
/// <param name="At">When.</param>
/// <param name="Run">Its name from now on.</param>
/// <param name="Submission">Chosen by who submitted it.</param>
/// <param name="Name">Its name in the specification.</param>
/// <param name="Specification">The text, with every include in place.</param>
/// <param name="Source">The file that it came from.</param>
/// <param name="Priority">A higher one goes first.</param>
public sealed record RunRegistered(
    DateTimeOffset At, RunId Run, Guid Submission, string Name, string Specification,
    string Source, int Priority) : RegistryEvent(At)
{
    /// <summary>The trial of a sweep that it is; null: a user has submitted it.</summary>
    public SweepTrialId? Trial { get; init; }
}

/// <summary>A trial of a sweep in one of its rounds.</summary>
/// <param name="Sweep">The sweep.</param>
/// <param name="Round">The round, from 1.</param>
/// <param name="Trial">The trial's number, from 1.</param>
public sealed record SweepTrialId(SweepId Sweep, int Round, int Trial);

/// <summary>A worker has looked at a run's data.</summary>
/// <param name="At">When.</param>
/// <param name="Run">The run.</param>
/// <param name="Outline">What they come to.</param>
public sealed record RunOutlined(DateTimeOffset At, RunId Run, RunOutline Outline)
    : RegistryEvent(At);

/// <summary>Something has happened to the queue.</summary>
/// <param name="Happened">What.</param>
public sealed record QueueChanged(QueueEvent Happened) : RegistryEvent(Happened.At);

/// <summary>A run's trained model is stored.</summary>
/// <param name="At">When.</param>
/// <param name="Run">The run.</param>
/// <param name="Model">Where.</param>
public sealed record ModelStored(DateTimeOffset At, RunId Run, StoredFile Model)
    : RegistryEvent(At);

/// <summary>A run is over, and every node has let go of it.</summary>
/// <param name="At">When.</param>
/// <param name="Run">The run.</param>
/// <param name="Summary">What it came to.</param>
public sealed record RunEnded(DateTimeOffset At, RunId Run, RunSummaryView Summary)
    : RegistryEvent(At)
{
    /// <summary>What trials are compared by; null: it has not completed.</summary>
    public RunOutcome? Outcome { get; init; }
}

/// <summary>What a run that has completed is compared by.</summary>
/// <param name="Stop">How it ended.</param>
/// <param name="BestMetric">The best value of its metric; null: no epoch was evaluated.</param>
/// <param name="WeightsSha256">Of its final weights, in lower-case hex.</param>
public sealed record RunOutcome(StopDecision Stop, double? BestMetric, string WeightsSha256)
{
    /// <summary>Of a result.</summary>
    public static RunOutcome Of(TrainingResult result) =>
        new(result.Stop, result.BestMetric, result.WeightsSha256);
}

/// <summary>A sweep was submitted.</summary>
/// <param name="At">When.</param>
/// <param name="Sweep">Its name from now on.</param>
/// <param name="Submission">Chosen by who submitted it.</param>
/// <param name="Name">Its name in the specification.</param>
/// <param name="Specification">Its text, with every include in place.</param>
/// <param name="Run">The text of the run that is swept, with every include in place.</param>
/// <param name="Source">The file that it came from.</param>
/// <param name="Priority">Of its runs.</param>
/// <param name="Runs">How many it has at most, in all rounds.</param>
public sealed record SweepRegistered(
    DateTimeOffset At, SweepId Sweep, Guid Submission, string Name, string Specification,
    string Run, string Source, int Priority, int Runs) : RegistryEvent(At);

/// <summary>The user has ended a sweep: what it still trains ends, and nothing more begins.
/// </summary>
/// <param name="At">When.</param>
/// <param name="Sweep">The sweep.</param>
public sealed record SweepStopped(DateTimeOffset At, SweepId Sweep) : RegistryEvent(At);

/// <summary>A sweep is over, and so are all its runs.</summary>
/// <param name="At">When.</param>
/// <param name="Sweep">The sweep.</param>
/// <param name="Summary">What it came to.</param>
public sealed record SweepEnded(DateTimeOffset At, SweepId Sweep, SweepSummaryView Summary)
    : RegistryEvent(At);
