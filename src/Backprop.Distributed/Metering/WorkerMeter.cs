using System.Diagnostics.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Metering;

/// <summary>What for a worker computes micro-batches.</summary>
internal enum ComputedFor
{
    /// <summary>They are its own.</summary>
    Itself,

    /// <summary>They are late elsewhere.</summary>
    Others,

    /// <summary>Somebody else's gradients are checked.</summary>
    Verification,
}

/// <summary>Measures a worker's part of a run. Its tags are made once, so that a step allocates
/// nothing.</summary>
internal sealed class WorkerMeter
{
    private static readonly Gauge<long> s_step = NodeMeter.Meter.CreateGauge<long>(
        "backprop.worker.step", "{step}", "The step that a worker has just computed its part of");

    private static readonly Histogram<double> s_compute = NodeMeter.Meter.CreateHistogram(
        "backprop.step.compute", "s", "What a worker computed its part of a step in",
        advice: NodeMeter.Seconds);

    private static readonly Histogram<double> s_push = NodeMeter.Meter.CreateHistogram(
        "backprop.step.push", "s",
        "From the end of computing until the last of a step's gradients had left the worker",
        advice: NodeMeter.Seconds);

    private static readonly Histogram<double> s_wait = NodeMeter.Meter.CreateHistogram(
        "backprop.step.wait", "s",
        "From the end of computing until the worker had the next version whole",
        advice: NodeMeter.Seconds);

    private static readonly Counter<long> s_microBatches = NodeMeter.Meter.CreateCounter<long>(
        "backprop.worker.microbatches", "{microbatch}", "Micro-batches that a worker computed");

    // By ComputedFor.
    private static readonly KeyValuePair<string, object?>[] s_purposes =
    [
        NodeMeter.Tag("purpose", "share"), NodeMeter.Tag("purpose", "speculation"),
        NodeMeter.Tag("purpose", "verification"),
    ];

    private readonly KeyValuePair<string, object?> _run;
    private readonly StepTrace _trace;

    public WorkerMeter(RunId run, StepTrace trace) =>
        (_run, _trace) = (NodeMeter.Tag("run", run.Value), trace);

    /// <summary>A step's part is computed and handed to the links, on the thread that computes.
    /// </summary>
    public void Contributed(long step) => s_step.Record(step, _run);

    /// <summary>Micro-batches of a step are computed.</summary>
    public void Computed(
        Generation generation, in WorkerTask task, ComputedFor whom, TimeSpan took)
    {
        s_compute.Record(took.TotalSeconds, _run);
        Count(task.Range, whom);
        _trace.Ended("compute", generation, task.Version, took);
    }

    /// <summary>Micro-batches are counted that are no part of a step's time.</summary>
    public void Count(MicroBatchRange range, ComputedFor whom) =>
        s_microBatches.Add(range.Count, _run, s_purposes[(int)whom]);

    /// <summary>The next version is whole.</summary>
    /// <param name="generation">Of the step.</param>
    /// <param name="step">The step.</param>
    /// <param name="pushed">From the end of computing until the last gradients had left.</param>
    /// <param name="waited">From the end of computing until now.</param>
    public void Ended(Generation generation, long step, TimeSpan pushed, TimeSpan waited)
    {
        s_push.Record(pushed.TotalSeconds, _run);
        _trace.Ended("push", generation, step, pushed, ago: waited - pushed);
        s_wait.Record(waited.TotalSeconds, _run);
        _trace.Ended("wait", generation, step, waited);
    }
}
