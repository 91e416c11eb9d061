using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Timelines;

/// <summary>From a gatherer to the actor that began it: what was gathered.</summary>
internal sealed record TimelineGathered(TimelineView View) : INoSerializationVerificationNeeded;

/// <summary>Asks the nodes of a run what they did lately, tells its parent once everybody has
/// answered or the time is up, and stops.</summary>
internal sealed class TimelineGatherer : UntypedActor, IWithTimers
{
    private readonly ImmutableArray<AskedNode> _asked;
    private readonly TimelineRequest _request;
    private readonly TimelineGathering _gathering;
    private readonly TimeProvider _time;
    private readonly TimeSpan _deadline;
    private readonly ILoggingAdapter _log = Context.GetLogger();

    /// <summary>Made by <see cref="Props"/>.</summary>
    public TimelineGatherer(
        TimelineRequest request, ImmutableArray<AskedNode> asked, TimelineGathering gathering,
        TimeProvider time, TimeSpan deadline)
    {
        _request = request;
        _asked = asked;
        _gathering = gathering;
        _time = time;
        _deadline = deadline;
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>A gatherer.</summary>
    /// <param name="request">What is asked, beside the slice.</param>
    /// <param name="asked">Who is asked.</param>
    /// <param name="gathering">Takes their answers.</param>
    /// <param name="time">The clock.</param>
    /// <param name="deadline">How long answers are waited for.</param>
    public static Props Props(
        TimelineRequest request, ImmutableArray<AskedNode> asked, TimelineGathering gathering,
        TimeProvider time, TimeSpan deadline) => Akka.Actor.Props.Create(
        () => new TimelineGatherer(request, asked, gathering, time, deadline))
        .WithDispatcher(NodeDispatchers.Nodes);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        Timers.StartSingleTimer("deadline", Deadline.Instance, _deadline);
        foreach (AskedNode one in _asked)
        {
            one.Actor?.Tell(_request with { Slice = one.Slice }, Self);
        }

        EndIfWhole();
    }

    /// <inheritdoc/>
    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case TimelineAnswer answer:
                if (_gathering.Enter(answer, _time.GetUtcNow()) is { } reason)
                {
                    _log.Debug("A timeline of run {0} is dropped: {1}", _request.Run, reason);
                }

                EndIfWhole();
                break;
            case Deadline:
                End();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void EndIfWhole()
    {
        if (_gathering.IsWhole)
        {
            End();
        }
    }

    private void End()
    {
        Context.Parent.Tell(new TimelineGathered(_gathering.View(_time.GetUtcNow())));
        Context.Stop(Self);
    }

    private sealed class Deadline : INoSerializationVerificationNeeded
    {
        public static Deadline Instance { get; } = new();
    }
}
