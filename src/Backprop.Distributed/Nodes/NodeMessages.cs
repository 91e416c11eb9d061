using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Nodes;

/// <summary>To the coordinator of a run: a directive has come for a run that is not known here.
/// The answer is a <see cref="RunSetup"/>.</summary>
/// <param name="Run">The run.</param>
/// <param name="Node">Who asks.</param>
public sealed record SetupRequest(RunId Run, NodeId Node);

/// <summary>To a node: what a run is.</summary>
/// <param name="Run">The run.</param>
/// <param name="Specification">Its text, with every include in place.</param>
/// <param name="Outline">What its data come to.</param>
public sealed record RunSetup(RunId Run, string Specification, RunOutline Outline);

/// <summary>To the coordinator of a run: what a committed checkpoint is made of is wanted. The
/// answer is a <see cref="ManifestAnswer"/>.</summary>
/// <param name="Run">The run.</param>
/// <param name="Version">The checkpoint's version.</param>
/// <param name="Node">Who asks.</param>
public sealed record ManifestRequest(RunId Run, long Version, NodeId Node);

/// <summary>To a node: what a committed checkpoint is made of.</summary>
/// <param name="Run">The run.</param>
/// <param name="Version">The checkpoint's version.</param>
/// <param name="Parts">All blocks, in order; empty: there is no such checkpoint (any more).</param>
public sealed record ManifestAnswer(
    RunId Run, long Version, ImmutableArray<CheckpointPart> Parts);

/// <summary>To a worker's node: open a run's data and say what they come to. The answer is an
/// <see cref="OutlineAnswer"/>. It may be asked of any worker, any number of times.</summary>
/// <param name="Run">The run.</param>
/// <param name="Specification">Its text, with every include in place.</param>
public sealed record OutlineRequest(RunId Run, string Specification);

/// <summary>What a run's data come to, or why it cannot be trained.</summary>
/// <param name="Run">The run.</param>
/// <param name="Node">Who has looked.</param>
/// <param name="Outline">What the data come to; null: see <paramref name="Refusal"/>.</param>
/// <param name="Refusal">Why it cannot be trained, in words that name file, line and key; null: it
/// can.</param>
public sealed record OutlineAnswer(
    RunId Run, NodeId Node, RunOutline? Outline, string? Refusal);

/// <summary>To a worker's node: read a checkpoint, say what its weights come to, and store them as
/// a trained model. The answer is an <see cref="ExaminationAnswer"/>. It may be asked of any
/// worker, any number of times.</summary>
/// <param name="Setup">The run.</param>
/// <param name="Manifest">The checkpoint.</param>
/// <param name="UseBest">Whether the final weights are the best ones in it; else its own.</param>
public sealed record ExaminationRequest(
    RunSetup Setup, CheckpointManifest Manifest, bool UseBest);

/// <summary>What a checkpoint's weights come to.</summary>
/// <param name="Run">The run.</param>
/// <param name="Node">Who has looked.</param>
/// <param name="Found">What was found; null: see <paramref name="Failure"/>.</param>
/// <param name="Model">The stored file of the trained model; null: see
/// <paramref name="Failure"/>.</param>
/// <param name="Failure">Why it could not be examined, in words; null: it was.</param>
public sealed record ExaminationAnswer(
    RunId Run, NodeId Node, FinalExamination? Found, StoredFile? Model, string? Failure)
{
    /// <summary>Whether it could not be examined because what is stored of it is not what was
    /// saved.</summary>
    public bool IsDamaged { get; init; }
}

/// <summary>A file in the state database, in pieces of at most 8 MiB.</summary>
/// <param name="Place">What it is stored under.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">Of its bytes, in lower-case hex.</param>
public sealed record StoredFile(string Place, long Bytes, string Sha256);

/// <summary>From the first parameter server of a run to its coordinator, a few times a second at
/// most: how training goes. For people; it may be lost, and nothing is decided by it.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Version">The version that was made last.</param>
/// <param name="Loss">Mean of the rows' losses of the step before it.</param>
/// <param name="GradientNorm">The gradient's norm in it.</param>
/// <param name="StepSeconds">Median of the latest steps' times.</param>
public sealed record StepProgress(
    RunId Run, Generation Generation, long Version, double Loss, double GradientNorm,
    double StepSeconds);
