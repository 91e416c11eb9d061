using System.Diagnostics.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Metering;

/// <summary>Measures a slice of a run on a parameter server, from its opening to its end. Its tags
/// are made once, so that a step allocates nothing.</summary>
internal sealed class SliceMeter : IDisposable
{
    private static readonly Watched<SliceMeter> s_all = new();

    private static readonly Gauge<long> s_version = NodeMeter.Meter.CreateGauge<long>(
        "backprop.slice.version", "{version}", "The version that a slice has just come to");

    private static readonly Histogram<double> s_gather = NodeMeter.Meter.CreateHistogram(
        "backprop.step.gather", "s",
        "From one version of a slice until the gradient of the step after it was whole",
        advice: NodeMeter.Seconds);

    private static readonly Histogram<double> s_apply = NodeMeter.Meter.CreateHistogram(
        "backprop.step.apply", "s", "From a whole gradient until the next version was written",
        advice: NodeMeter.Seconds);

    private static readonly Counter<long> s_samples = NodeMeter.Meter.CreateCounter<long>(
        "backprop.run.samples", "{sample}", "Samples whose gradients have become a version");

    private static readonly Histogram<double> s_copy = NodeMeter.Meter.CreateHistogram(
        "backprop.checkpoint.copy", "s", "How long a slice stood still to be copied",
        advice: NodeMeter.Seconds);

    private static readonly Histogram<double> s_save = NodeMeter.Meter.CreateHistogram(
        "backprop.checkpoint.save", "s", "From then until the copy was durable",
        advice: NodeMeter.Seconds);

    private static readonly Counter<long> s_saved = NodeMeter.Meter.CreateCounter<long>(
        "backprop.checkpoint.io", "By", "Bytes of slices that were saved for checkpoints");

    private readonly KeyValuePair<string, object?> _run;
    private readonly KeyValuePair<string, object?> _slice;
    private readonly int _number;
    private readonly TimeProvider _time;
    private readonly StepTrace _trace;
    private Waiting? _waiting;

    static SliceMeter()
    {
        NodeMeter.Meter.CreateObservableGauge(
            "backprop.slice.waiting", () => s_all.Measure(one => one.Waits()), "s",
            "How long a slice has been waiting for what is late; 0: nothing is");
        NodeMeter.Meter.CreateObservableGauge(
            "backprop.slice.missing", () => s_all.Measure(one => one.Misses()), "{microbatch}",
            "Micro-batches whose gradients, being late, a slice waits for");
    }

    public SliceMeter(RunId run, int slice, TimeProvider time, StepTrace trace)
    {
        _run = NodeMeter.Tag("run", run.Value);
        _slice = NodeMeter.Tag("slice", slice);
        _number = slice;
        _time = time;
        _trace = trace;
        s_all.Add(this);
    }

    /// <summary>Whether anybody wants to know what a step is made of.</summary>
    public bool Wants(long step) =>
        s_gather.Enabled || s_apply.Enabled || _trace.Includes(step);

    /// <summary>A step's gradient is whole.</summary>
    public void Gathered(Generation generation, long step, TimeSpan took)
    {
        s_gather.Record(took.TotalSeconds, _run, _slice);
        _trace.Ended("gather", generation, step, took, _number);
    }

    /// <summary>The version after it is written.</summary>
    public void Applied(Generation generation, long step, TimeSpan took)
    {
        s_apply.Record(took.TotalSeconds, _run, _slice);
        _trace.Ended("apply", generation, step, took, _number);
    }

    /// <summary>The slice has come to a version.</summary>
    public void Made(long version) => s_version.Record(version, _run, _slice);

    /// <summary>A step was made of so many samples; only the first slice says so.</summary>
    public void Trained(int samples) => s_samples.Add(samples, _run);

    /// <summary>What is late now; null: nothing.</summary>
    public void Waits(SliceWait? wait)
    {
        if (!ReferenceEquals(wait, _waiting?.Wait))
        {
            Volatile.Write(
                ref _waiting, wait is null ? null : new Waiting(wait, _time.GetTimestamp()));
        }
    }

    /// <summary>The slice was copied for a checkpoint.</summary>
    public void Copied(TimeSpan took) => s_copy.Record(took.TotalSeconds, _run, _slice);

    /// <summary>Its copy was stored.</summary>
    public void Saved(TimeSpan took, long bytes)
    {
        s_save.Record(took.TotalSeconds, _run, _slice);
        s_saved.Add(bytes, _run, _slice);
    }

    /// <inheritdoc/>
    public void Dispose() => s_all.Remove(this);

    private IEnumerable<Measurement<double>> Waits()
    {
        Waiting? waiting = Volatile.Read(ref _waiting);
        double seconds = waiting is null
            ? 0
            : (waiting.Wait.Waited + _time.GetElapsedTime(waiting.Said)).TotalSeconds;
        yield return new Measurement<double>(seconds, _run, _slice);
    }

    private IEnumerable<Measurement<long>> Misses()
    {
        Waiting? waiting = Volatile.Read(ref _waiting);
        long missing = waiting is { Wait.Missing: { IsDefault: false } ranges }
            ? ranges.Sum(range => range.Count)
            : 0;
        yield return new Measurement<long>(missing, _run, _slice);
    }

    private sealed record Waiting(SliceWait Wait, long Said);
}
