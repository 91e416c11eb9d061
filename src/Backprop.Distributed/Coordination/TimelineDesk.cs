using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>Where a run's coordinator is asked what its nodes did lately. It waits for nobody: a
/// child asks the nodes, and whoever asks while it does has the same answer, so that a hundred
/// watchers cost the nodes as much as one. For its actor's thread.</summary>
/// <param name="time">The clock.</param>
/// <param name="deadline">How long nodes are waited for.</param>
internal sealed class TimelineDesk(TimeProvider time, TimeSpan deadline)
{
    /// <summary>Those who wait for an answer at the same time.</summary>
    public const int MaxAskers = 256;

    private readonly List<IActorRef> _askers = [];
    private IActorRef? _gatherer;

    /// <summary>Answers, now or when the nodes have.</summary>
    /// <param name="asker">Who asks.</param>
    /// <param name="run">The run.</param>
    /// <param name="nodes">Its nodes.</param>
    /// <param name="context">The coordinator's.</param>
    public void Ask(
        IActorRef asker, RunCoordination run, IReadOnlyDictionary<NodeId, AvailableNode> nodes,
        IActorContext context)
    {
        DateTimeOffset now = time.GetUtcNow();
        if (run.State.Open is not { } open)
        {
            asker.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Conflict,
                $"run {run.Plan.Run} has no nodes at the moment that could tell what they did:"
                + $" {run.Reason(now)}"));
            return;
        }

        if (_askers.Count == MaxAskers)
        {
            asker.Tell(new CoordinatorAnswer.Refused(
                RefusalKind.Unavailable,
                $"{MaxAskers} already wait for a timeline of run {run.Plan.Run}"));
            return;
        }

        _askers.Add(asker);
        if (_gatherer is null)
        {
            ImmutableArray<AskedNode> asked = NodesOf(run, open, nodes);
            _gatherer = context.ActorOf(TimelineGatherer.Props(
                new TimelineRequest(run.Plan.Run, open.Number, null), asked,
                new TimelineGathering(
                    run.Plan.Run, open.Number, run.Plan.Dimensions, asked, now),
                time, deadline));
            context.Watch(_gatherer);
        }
    }

    /// <summary>The nodes have answered, or had time to.</summary>
    public void End(TimelineGathered gathered) =>
        End(new CoordinatorAnswer.Timeline(gathered.View));

    /// <summary>A child has stopped: that which asks the nodes has failed if it is still waited
    /// for.</summary>
    public void End(Terminated terminated)
    {
        if (terminated.ActorRef.Equals(_gatherer))
        {
            End(new CoordinatorAnswer.Refused(
                RefusalKind.Unavailable,
                "the nodes could not be asked what they did; ask again"));
        }
    }

    private void End(CoordinatorAnswer answer)
    {
        _gatherer = null;
        _askers.ForEach(asker => asker.Tell(answer));
        _askers.Clear();
    }

    // Workers in the order of their micro-batches.
    private static ImmutableArray<AskedNode> NodesOf(
        RunCoordination run, RunGeneration open, IReadOnlyDictionary<NodeId, AvailableNode> nodes)
    {
        IReadOnlyDictionary<NodeId, MicroBatchRange> assigned = open.Ranges();
        return
        [
            .. open.Servers.Take(TimelineGathering.MaxNodes).Select((server, slice) =>
                new AskedNode(server, slice, nodes.GetValueOrDefault(server)?.ParameterServer)),
            .. run.Observed.PresentWorkers()
                .OrderBy(worker => assigned.GetValueOrDefault(worker).Count == 0)
                .ThenBy(worker => assigned.GetValueOrDefault(worker).First)
                .Take(TimelineGathering.MaxNodes)
                .Select(worker => new AskedNode(
                    worker, null, nodes.GetValueOrDefault(worker)?.Worker)),
        ];
    }
}
