using System.Text.Json;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Console.Api;

/// <summary>A timeline in the format of Chrome's trace viewers (chrome://tracing, Perfetto): a
/// process for each node, a thread for its part in the run, times in microseconds.</summary>
internal static class ChromeTrace
{
    private const int WorkerThread = 1;

    // A broadcast may go on while the next step's gradients come: it has a row of its own.
    private const int ThreadsOfSlice = 2;
    private const int FirstSliceThread = 2;
    private const double MicrosecondsInSecond = 1e6;

    /// <summary>The JSON, as UTF-8.</summary>
    public static byte[] Write(TimelineView view)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            Write(view, json);
        }

        return stream.ToArray();
    }

    private static void Write(TimelineView view, Utf8JsonWriter json)
    {
        Dictionary<NodeId, int> processes = view.Servers.Select(server => server.Node)
            .Concat(view.Workers.Select(worker => worker.Node)).Distinct()
            .Select((node, index) => (node, process: index + 1))
            .ToDictionary(entry => entry.node, entry => entry.process);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartObject("otherData");
        json.WriteString("run", view.Run.Value);
        json.WriteString("taken", view.Taken);
        json.WriteEndObject();
        json.WriteStartArray("traceEvents");
        foreach ((NodeId node, int process) in processes)
        {
            Name(json, "process_name", process, 0, node.Value);
        }

        foreach (WorkerTimelineView worker in view.Workers)
        {
            int process = processes[worker.Node];
            Name(json, "thread_name", process, WorkerThread, "worker");
            foreach (SpanView span in worker.Spans)
            {
                Span(json, process, WorkerThread, span);
            }
        }

        foreach (ServerTimelineView server in view.Servers)
        {
            Write(server, processes[server.Node], view, json);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(
        ServerTimelineView server, int process, TimelineView view, Utf8JsonWriter json)
    {
        int thread = FirstSliceThread + (ThreadsOfSlice * server.Slice);
        Name(json, "thread_name", process, thread, $"slice {server.Slice}");
        Name(json, "thread_name", process, thread + 1, $"slice {server.Slice}, broadcasts");
        foreach (SpanView span in server.Spans)
        {
            Span(json, process, span.Kind == SpanKind.Broadcast ? thread + 1 : thread, span);
        }

        foreach (TreeView tree in view.Trees.Where(tree => tree.Slice == server.Slice))
        {
            foreach (ArrivalView arrival in tree.Arrivals)
            {
                Arrival(json, process, thread, tree.Step, arrival);
            }
        }
    }

    private static void Name(
        Utf8JsonWriter json, string what, int process, int thread, string name)
    {
        Begin(json, what, "M", process, thread);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Span(Utf8JsonWriter json, int process, int thread, SpanView span)
    {
        Begin(json, span.Kind.ToString().ToLowerInvariant(), "X", process, thread);
        json.WriteNumber("ts", Microseconds(span.Begin));
        json.WriteNumber("dur", Microseconds(span.End - span.Begin));
        json.WriteStartObject("args");
        json.WriteNumber("step", span.Step);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Arrival(
        Utf8JsonWriter json, int process, int thread, long step, ArrivalView arrival)
    {
        Begin(json, "arrival", "i", process, thread);
        json.WriteString("s", "t");
        json.WriteNumber("ts", Microseconds(arrival.At));
        json.WriteStartObject("args");
        json.WriteNumber("step", step);
        json.WriteString("worker", arrival.Worker.Value);
        json.WriteNumber("firstMicroBatch", arrival.FirstMicroBatch);
        json.WriteNumber("count", arrival.Count);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void Begin(
        Utf8JsonWriter json, string name, string phase, int process, int thread)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("ph", phase);
        json.WriteNumber("pid", process);
        json.WriteNumber("tid", thread);
    }

    // Of a tenth: the clock is no finer.
    private static double Microseconds(double seconds) =>
        Math.Round(seconds * MicrosecondsInSecond, 1);
}
