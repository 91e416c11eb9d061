using System.Diagnostics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Benchmarks;

/// <summary>What a coordinator has done so far.</summary>
/// <param name="Received">Messages that it got.</param>
/// <param name="ReceivedBytes">Of these, as they travel.</param>
/// <param name="Sent">Messages that it sent.</param>
/// <param name="SentBytes">Of these.</param>
/// <param name="Decisions">Decisions that it made.</param>
/// <param name="Deciding">Their time.</param>
/// <param name="Allocated">Bytes that they allocated.</param>
internal readonly record struct CoordinatorCosts(
    long Received, long ReceivedBytes, long Sent, long SentBytes, long Decisions,
    TimeSpan Deciding, long Allocated)
{
    /// <summary>What was done since.</summary>
    public CoordinatorCosts Since(CoordinatorCosts before) => new(
        Received - before.Received, ReceivedBytes - before.ReceivedBytes, Sent - before.Sent,
        SentBytes - before.SentBytes, Decisions - before.Decisions,
        Deciding - before.Deciding, Allocated - before.Allocated);
}

/// <summary>The decisions of a run's coordinator, with what they cost. Orders are sent when all
/// that came at once is decided on.</summary>
internal sealed class MeasuredCoordinator(
    CoordinationPlan plan, Func<object, int> bytesOf, Func<DateTimeOffset> now)
{
    private readonly List<ServerOrder> _toServers = [];
    private readonly List<WorkerOrder> _toWorkers = [];

    /// <summary>The run.</summary>
    public RunCoordination Run { get; private set; } = RunCoordination.Submit(plan, now()).Next;

    /// <summary>What it has cost so far.</summary>
    public CoordinatorCosts Costs { get; private set; }

    /// <summary>Tells it what nodes say.</summary>
    /// <param name="statuses">That.</param>
    /// <param name="together">Whether one decision is made of it, or one of each.</param>
    public void Tell(List<CoordinatorInput> statuses, bool together)
    {
        Costs = Costs with
        {
            Received = Costs.Received + statuses.Count,
            ReceivedBytes = Costs.ReceivedBytes + statuses.Sum(status => (long)bytesOf(
                status is CoordinatorInput.ServerReported(var server)
                    ? server
                    : ((CoordinatorInput.WorkerReported)status).Status)),
        };
        if (!together)
        {
            statuses.ForEach(Tell);
        }
        else if (statuses.Count > 0)
        {
            Tell(new CoordinatorInput.Reported([.. statuses]));
        }
    }

    /// <summary>Tells it something.</summary>
    public void Tell(CoordinatorInput input)
    {
        DateTimeOffset at = now();
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        long began = Stopwatch.GetTimestamp();
        Decision decision = Run.Decide(input, at);
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Run = decision.Next;
        _toServers.AddRange(decision.ToServers);
        _toWorkers.AddRange(decision.ToWorkers);
        Costs = Costs with
        {
            Sent = Costs.Sent + decision.ToServers.Length + decision.ToWorkers.Length,
            SentBytes = Costs.SentBytes
                + decision.ToServers.Sum(order => (long)bytesOf(order.Directive))
                + decision.ToWorkers.Sum(order => (long)bytesOf(order.Directive)),
            Decisions = Costs.Decisions + 1,
            Deciding = Costs.Deciding + took,
            Allocated = Costs.Allocated + allocated,
        };
    }

    /// <summary>What is to be sent to servers, once.</summary>
    public List<ServerOrder> TakeServerOrders() => Take(_toServers);

    /// <summary>What is to be sent to workers, once.</summary>
    public List<WorkerOrder> TakeWorkerOrders() => Take(_toWorkers);

    private static List<T> Take<T>(List<T> orders)
    {
        List<T> taken = [.. orders];
        orders.Clear();
        return taken;
    }
}
