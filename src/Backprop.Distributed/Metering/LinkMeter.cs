using System.Diagnostics;
using System.Diagnostics.Metrics;
using Backprop.Distributed.Links;
using Backprop.Distributed.Timelines;

namespace Backprop.Distributed.Metering;

/// <summary>Measures the tensor links of this process. What happens with every frame is added up
/// here, and told when somebody asks; peers are no tags, since a node that is started again has
/// another name.</summary>
internal static class LinkMeter
{
    private static readonly Watched<SendQueue> s_queues = new();
    private static readonly Watched<RunInbox> s_inboxes = new();

    private static readonly KeyValuePair<string, object?> s_transmit =
        NodeMeter.Tag("network.io.direction", "transmit");

    private static readonly KeyValuePair<string, object?> s_receive =
        NodeMeter.Tag("network.io.direction", "receive");

    private static readonly KeyValuePair<string, object?> s_bulk = NodeMeter.Tag("lane", "bulk");
    private static readonly KeyValuePair<string, object?> s_small = NodeMeter.Tag("lane", "small");

    private static long s_sent;
    private static long s_received;
    private static long s_starvedTicks;

    static LinkMeter()
    {
        Meter meter = NodeMeter.Meter;
        meter.CreateObservableCounter<long>(
            "backprop.link.io", Bytes, "By", "Bytes that went over tensor links, headers included");
        meter.CreateObservableCounter(
            "backprop.link.credit.wait",
            () => Stopwatch.GetElapsedTime(0, Volatile.Read(ref s_starvedTicks)).TotalSeconds, "s",
            "How long links had frames to send and no credit from the peer to send them");
        meter.CreateObservableUpDownCounter(
            "backprop.link.open", () => s_queues.Sum(_ => 1), "{link}", "Links that are open");
        meter.CreateObservableUpDownCounter(
            "backprop.link.starved", () => s_queues.Sum(queue => queue.IsStarved ? 1 : 0), "{link}",
            "Links that have waited for credit since they last sent a frame");
        meter.CreateObservableUpDownCounter<long>(
            "backprop.link.queue.length", QueueLengths, "{frame}",
            "Frames that wait to be sent");
        meter.CreateObservableUpDownCounter<long>(
            "backprop.inbox.length", InboxLengths, "{frame}",
            "Frames that have arrived for a run and were not looked at yet");
    }

    /// <summary>A link is open, and sends what is queued here.</summary>
    public static void Opened(SendQueue queue) => s_queues.Add(queue);

    /// <summary>It has ended.</summary>
    public static void Ended(SendQueue queue) => s_queues.Remove(queue);

    /// <summary>A part of a run takes frames.</summary>
    public static void Opened(RunInbox inbox) => s_inboxes.Add(inbox);

    /// <summary>It takes no more.</summary>
    public static void Ended(RunInbox inbox) => s_inboxes.Remove(inbox);

    /// <summary>What went over links so far.</summary>
    public static LinkTraffic Traffic =>
        new(Volatile.Read(ref s_sent), Volatile.Read(ref s_received));

    /// <summary>Bytes have left.</summary>
    public static void Sent(int bytes) => Interlocked.Add(ref s_sent, bytes);

    /// <summary>Bytes have come.</summary>
    public static void Received(int bytes) => Interlocked.Add(ref s_received, bytes);

    /// <summary>A link had no credit from then until now, in ticks of <see cref="Stopwatch"/>.
    /// </summary>
    public static void Starved(long since) =>
        Interlocked.Add(ref s_starvedTicks, Stopwatch.GetTimestamp() - since);

    private static IEnumerable<Measurement<long>> Bytes() =>
    [
        new(Volatile.Read(ref s_sent), s_transmit), new(Volatile.Read(ref s_received), s_receive),
    ];

    private static IEnumerable<Measurement<long>> QueueLengths() =>
    [
        new(s_queues.Sum(queue => queue.BulkCount), s_bulk),
        new(s_queues.Sum(queue => queue.SmallCount), s_small),
    ];

    private static IEnumerable<Measurement<long>> InboxLengths() =>
        Enum.GetValues<RunPart>().Select(part => new Measurement<long>(
            s_inboxes.Sum(inbox => inbox.Part == part ? inbox.Count : 0),
            NodeMeter.Tag("part", $"{part}".ToLowerInvariant())));
}
