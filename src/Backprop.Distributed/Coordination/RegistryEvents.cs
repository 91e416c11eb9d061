using Backprop.Distributed.Nodes;
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
    string Source, int Priority) : RegistryEvent(At);

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
    : RegistryEvent(At);
