using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Coordination;

/// <summary>To a run's coordinator: it may use these nodes, and no others.</summary>
/// <param name="Nodes">Every node with a parameter server, and the workers granted to the run.
/// </param>
/// <param name="IsItsTurn">Whether it may hold anything: one that has lost its workers keeps its
/// slices, unless others have their turn now.</param>
internal sealed record UseNodes(ImmutableArray<AvailableNode> Nodes, bool IsItsTurn)
    : INoSerializationVerificationNeeded;

/// <summary>To a run's coordinator: its trained model is on record.</summary>
internal sealed record ModelKept : INoSerializationVerificationNeeded;

/// <summary>From a run's coordinator: it has begun, and waits to hear of its nodes.</summary>
/// <param name="Run">The run.</param>
/// <param name="Actor">The run's coordinator.</param>
internal sealed record RunBegun(RunId Run, IActorRef Actor)
    : INoSerializationVerificationNeeded;

/// <summary>From a run's coordinator: what it is at has changed.</summary>
/// <param name="Summary">What a list shows of it.</param>
/// <param name="IsPausedByUser">Whether it waits for the user.</param>
/// <param name="IsOver">Whether it is over, and every node has let go of it.</param>
/// <param name="Servers">The parameter servers that hold its slices.</param>
/// <param name="Outcome">What it is compared by; null: it has not completed.</param>
internal sealed record RunChanged(
    RunSummaryView Summary, bool IsPausedByUser, bool IsOver, ImmutableArray<NodeId> Servers,
    RunOutcome? Outcome)
    : INoSerializationVerificationNeeded;

/// <summary>From a run's coordinator: its trained model is stored, to be put on record.</summary>
/// <param name="Run">The run.</param>
/// <param name="Model">Where.</param>
internal sealed record ModelReady(RunId Run, StoredFile Model)
    : INoSerializationVerificationNeeded;
