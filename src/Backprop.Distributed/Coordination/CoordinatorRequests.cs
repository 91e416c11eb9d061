using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>Something that a user, or a node, asks of the coordinator. Each is answered once it is
/// durable; a request that is not answered in time may be repeated.</summary>
public abstract record CoordinatorRequest
{
    private CoordinatorRequest()
    {
    }

    /// <summary>Take a run on. Answered by <see cref="CoordinatorAnswer.Submitted"/>.</summary>
    /// <param name="Submission">Chosen by who asks, so that a repeated request submits nothing
    /// twice.</param>
    /// <param name="Specification">The specification's text, with every include in place.</param>
    /// <param name="Source">The file it came from, for messages.</param>
    /// <param name="Priority">A higher one goes first.</param>
    public sealed record Submit(
        Guid Submission, string Specification, string Source, int Priority) : CoordinatorRequest;

    /// <summary>Runs, newest first. Answered by <see cref="CoordinatorAnswer.Runs"/>.</summary>
    public sealed record ListRuns : CoordinatorRequest
    {
        /// <summary>Only those that are older than this one; null: from the newest on.</summary>
        public RunId? After { get; init; }

        /// <summary>At most so many.</summary>
        public int Limit { get; init; } = RegistryState.MaxRuns;
    }

    /// <summary>One run. Answered by <see cref="CoordinatorAnswer.Run"/>.</summary>
    /// <param name="Run">Which.</param>
    public sealed record ShowRun(RunId Run) : CoordinatorRequest;

    /// <summary>One run, as far as it is not known. Answered by
    /// <see cref="CoordinatorAnswer.Followed"/>.</summary>
    /// <param name="Run">Which.</param>
    /// <param name="Known">What is known of it.</param>
    public sealed record FollowRun(RunId Run, RunCursor Known) : CoordinatorRequest;

    /// <summary>A run's specification. Answered by
    /// <see cref="CoordinatorAnswer.Specification"/>.</summary>
    /// <param name="Run">Which.</param>
    public sealed record ShowSpecification(RunId Run) : CoordinatorRequest;

    /// <summary>Change a run's course. Answered by <see cref="CoordinatorAnswer.Done"/>.</summary>
    /// <param name="Run">Which.</param>
    /// <param name="Control">How.</param>
    public sealed record ControlRun(RunId Run, RunControl Control) : CoordinatorRequest;

    /// <summary>What it takes to compute a version of a run again. Answered by
    /// <see cref="CoordinatorAnswer.Replay"/>.</summary>
    /// <param name="Run">Which run.</param>
    /// <param name="Version">Which version of its weights.</param>
    public sealed record ShowReplay(RunId Run, long Version) : CoordinatorRequest;

    /// <summary>What the nodes of a run did in its last steps. Answered by
    /// <see cref="CoordinatorAnswer.Timeline"/>, once they have told.</summary>
    /// <param name="Run">Which.</param>
    public sealed record ShowTimeline(RunId Run) : CoordinatorRequest;

    /// <summary>Take a sweep on. Answered by <see cref="CoordinatorAnswer.SubmittedSweep"/>.
    /// </summary>
    /// <param name="Submission">Chosen by who asks, so that a repeated request submits nothing
    /// twice.</param>
    /// <param name="Specification">Its text, with every include in place.</param>
    /// <param name="Run">The text of the run that is swept, with every include in place.</param>
    /// <param name="Source">The file that it came from, for messages.</param>
    /// <param name="Priority">Of its runs.</param>
    public sealed record SubmitSweep(
        Guid Submission, string Specification, string Run, string Source, int Priority)
        : CoordinatorRequest;

    /// <summary>All sweeps, newest first. Answered by <see cref="CoordinatorAnswer.Sweeps"/>.
    /// </summary>
    public sealed record ListSweeps : CoordinatorRequest;

    /// <summary>One sweep. Answered by <see cref="CoordinatorAnswer.Sweep"/>.</summary>
    /// <param name="Sweep">Which.</param>
    public sealed record ShowSweep(SweepId Sweep) : CoordinatorRequest;

    /// <summary>End a sweep and its runs. Answered by <see cref="CoordinatorAnswer.Done"/>.
    /// </summary>
    /// <param name="Sweep">Which.</param>
    public sealed record StopSweep(SweepId Sweep) : CoordinatorRequest;

    /// <summary>The cluster's nodes. Answered by <see cref="CoordinatorAnswer.Cluster"/>.</summary>
    public sealed record ShowCluster : CoordinatorRequest;

    /// <summary>A node is about to leave: give it nothing more to do, and save what it serves.
    /// Answered by <see cref="CoordinatorAnswer.Done"/> once nobody loses by its going, and until
    /// then by a refusal of the kind <see cref="RefusalKind.Conflict"/>: it asks again.</summary>
    /// <param name="Node">The node.</param>
    public sealed record LetGo(NodeId Node) : CoordinatorRequest;
}

/// <summary>How a user changes a run's course.</summary>
public enum RunControl
{
    /// <summary>Save a checkpoint and let go of the nodes, until it is resumed.</summary>
    Pause,

    /// <summary>Go on.</summary>
    Resume,

    /// <summary>End at once; checkpoints stay.</summary>
    Stop,
}

/// <summary>What the coordinator answers.</summary>
public abstract record CoordinatorAnswer
{
    private CoordinatorAnswer()
    {
    }

    /// <summary>The run is in the queue.</summary>
    /// <param name="Id">Its name from now on.</param>
    public sealed record Submitted(RunId Id) : CoordinatorAnswer;

    /// <summary>All runs, newest first.</summary>
    public sealed record Runs(ImmutableArray<RunSummaryView> All) : CoordinatorAnswer;

    /// <summary>One run.</summary>
    public sealed record Run(RunView View) : CoordinatorAnswer;

    /// <summary>One run, and what is new of it.</summary>
    /// <param name="View">The run; of its epochs' reports and happenings those that were not known.
    /// </param>
    /// <param name="Curves">What is new of its curves.</param>
    public sealed record Followed(RunView View, CurvesView Curves) : CoordinatorAnswer;

    /// <summary>A run's specification.</summary>
    /// <param name="Text">It stands alone: what it includes is in it.</param>
    public sealed record Specification(string Text) : CoordinatorAnswer;

    /// <summary>What it takes to compute a version again.</summary>
    /// <param name="Setup">The run.</param>
    /// <param name="From">The newest checkpoint at or before the version; its position is without
    /// the epochs' reports. Null: there is none, and one begins with the first weights.</param>
    public sealed record Replay(RunSetup Setup, CheckpointManifest? From) : CoordinatorAnswer;

    /// <summary>What the nodes of a run did in its last steps.</summary>
    public sealed record Timeline(TimelineView View) : CoordinatorAnswer;

    /// <summary>The sweep goes on until every round is done.</summary>
    /// <param name="Id">Its name from now on.</param>
    public sealed record SubmittedSweep(SweepId Id) : CoordinatorAnswer;

    /// <summary>All sweeps, newest first.</summary>
    public sealed record Sweeps(ImmutableArray<SweepSummaryView> All) : CoordinatorAnswer;

    /// <summary>One sweep.</summary>
    public sealed record Sweep(SweepView View) : CoordinatorAnswer;

    /// <summary>It is done.</summary>
    public sealed record Done : CoordinatorAnswer;

    /// <summary>The cluster.</summary>
    public sealed record Cluster(ClusterView View) : CoordinatorAnswer;

    /// <summary>It is not done, and nothing has changed.</summary>
    /// <param name="Kind">What kind of mistake it was.</param>
    /// <param name="Reason">Why, in words: what, where, what would be right.</param>
    public sealed record Refused(RefusalKind Kind, string Reason) : CoordinatorAnswer;
}

/// <summary>Why a request is refused.</summary>
public enum RefusalKind
{
    /// <summary>What was sent is wrong.</summary>
    Invalid,

    /// <summary>There is no such run or sweep.</summary>
    NotFound,

    /// <summary>The run or sweep is not in a state for that.</summary>
    Conflict,

    /// <summary>Not now; later perhaps.</summary>
    Unavailable,
}
