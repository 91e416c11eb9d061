using System.Collections.Immutable;
using Backprop.Training.Digests;
using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A node that the run may use.</summary>
/// <param name="Node">The node.</param>
/// <param name="IsServer">Whether it has the role of a parameter server.</param>
/// <param name="IsWorker">Whether it has the role of a worker, and is granted to the run.</param>
public readonly record struct ClusterNode(NodeId Node, bool IsServer, bool IsWorker)
{
    /// <summary>Whether it wants to leave: its slice is saved first, and it opens no other.
    /// </summary>
    public bool IsLeaving { get; init; }
}

/// <summary>What the examination of a run's final weights has found: it reads them from the
/// checkpoint that the run ended with.</summary>
/// <param name="Checkpoint">That checkpoint.</param>
/// <param name="WeightsSha256">Digest of the final weights.</param>
/// <param name="StateSha256">Digest of the last weights and the optimizer's state.</param>
/// <param name="Validation">On the validation part; null: there is none.</param>
/// <param name="Test">On the test part; null: there is none.</param>
/// <param name="Notes">What else is worth saying.</param>
public sealed record FinalExamination(
    long Checkpoint, string WeightsSha256, string StateSha256, EvaluationMetrics? Validation,
    EvaluationMetrics? Test, ImmutableArray<string> Notes);

/// <summary>Something that a run's coordinator is told.</summary>
public abstract record CoordinatorInput
{
    private CoordinatorInput()
    {
    }

    /// <summary>Time has passed.</summary>
    public sealed record Tick : CoordinatorInput;

    /// <summary>The nodes that the run may use are these, and no others. After a recovery nothing
    /// is decided before it has come.</summary>
    /// <param name="Nodes">All of them; none: it is not the run's turn.</param>
    public sealed record NodesChanged(ImmutableArray<ClusterNode> Nodes) : CoordinatorInput;

    /// <summary>A parameter server says what it holds.</summary>
    /// <param name="Status">What it says.</param>
    public sealed record ServerReported(ServerStatus Status) : CoordinatorInput;

    /// <summary>A worker says what it holds.</summary>
    /// <param name="Status">What it says.</param>
    public sealed record WorkerReported(WorkerStatus Status) : CoordinatorInput;

    /// <summary>How far steps are; there need not be one for each.</summary>
    /// <param name="Generation">The generation that makes them.</param>
    /// <param name="Version">The version that the first server has just made.</param>
    /// <param name="StepTime">What a step takes.</param>
    public sealed record Progressed(Generation Generation, long Version, TimeSpan StepTime)
        : CoordinatorInput;

    /// <summary>Several nodes say what they hold. One decision on all of it is as good as one on
    /// each, and hundreds of statuses that come at once are hundreds of times cheaper so.</summary>
    /// <param name="Statuses">A <see cref="ServerReported"/> or a <see cref="WorkerReported"/>
    /// each, in the order in which they came. It is refused if all of them are.</param>
    public sealed record Reported(ImmutableArray<CoordinatorInput> Statuses) : CoordinatorInput;

    /// <summary>The final weights were examined.</summary>
    /// <param name="Found">What was found.</param>
    public sealed record Examined(FinalExamination Found) : CoordinatorInput;

    /// <summary>Nobody could examine the final weights.</summary>
    /// <param name="Checkpoint">The checkpoint that holds them.</param>
    /// <param name="Reason">Why, in words.</param>
    public sealed record ExaminationFailed(long Checkpoint, string Reason) : CoordinatorInput
    {
        /// <summary>Whether what is stored of the checkpoint is not what was saved.</summary>
        public bool IsDamage { get; init; }
    }

    /// <summary>A version was computed again, and came to other bits than before.</summary>
    /// <param name="Generation">The generation that computed it again.</param>
    /// <param name="Difference">The version, and both digests.</param>
    public sealed record DigestsDiffer(Generation Generation, DigestDifference Difference)
        : CoordinatorInput;

    /// <summary>Two workers came to other bits.</summary>
    /// <param name="Generation">The generation.</param>
    /// <param name="Dispute">The step and the workers.</param>
    public sealed record WorkersDiffer(Generation Generation, Dispute Dispute) : CoordinatorInput;

    /// <summary>A worker has computed micro-batches once more.</summary>
    /// <param name="Report">What they came to.</param>
    public sealed record Rechecked(CheckReport Report) : CoordinatorInput;

    /// <summary>The user wants the run to pause: it saves a checkpoint and lets go of its nodes.
    /// </summary>
    public sealed record Pause : CoordinatorInput;

    /// <summary>The user wants a paused run to go on.</summary>
    public sealed record Resume : CoordinatorInput;

    /// <summary>The user wants the run to end at once; its checkpoints stay.</summary>
    public sealed record Stop : CoordinatorInput;
}
