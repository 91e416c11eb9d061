using System.Diagnostics;
using System.Diagnostics.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Nodes;

/// <summary>What a node can be measured by, through the meters of .NET. Where nobody listens it
/// costs nothing.</summary>
internal static class NodeMeter
{
    private static readonly Meter s_meter = new("Backprop.Distributed");

    private static readonly Gauge<long> s_version = s_meter.CreateGauge<long>(
        "backprop.slice.version", "{version}", "The version that a slice has just come to");

    private static readonly Gauge<long> s_step = s_meter.CreateGauge<long>(
        "backprop.worker.step", "{step}", "The step that a worker has just computed its part of");

    private static readonly Histogram<double> s_copy = s_meter.CreateHistogram<double>(
        "backprop.checkpoint.copy", "s", "How long a slice stood still to be copied");

    private static readonly Histogram<double> s_save = s_meter.CreateHistogram<double>(
        "backprop.checkpoint.save", "s", "From then until the copy was durable");

    /// <summary>A slice has come to a version.</summary>
    public static void Made(RunId run, Generation generation, int slice, long version)
    {
        if (s_version.Enabled)
        {
            s_version.Record(version, Tags(run, generation, slice));
        }
    }

    /// <summary>A worker has computed its part of a step, and pushed it.</summary>
    public static void Computed(RunId run, Generation generation, long step)
    {
        if (s_step.Enabled)
        {
            s_step.Record(
                step, new TagList { { "run", run.Value }, { "generation", generation.Value } });
        }
    }

    /// <summary>A slice was copied for a checkpoint.</summary>
    public static void Copied(RunId run, Generation generation, int slice, TimeSpan took) =>
        Record(s_copy, run, generation, slice, took);

    /// <summary>Its copy was stored.</summary>
    public static void Saved(RunId run, Generation generation, int slice, TimeSpan took) =>
        Record(s_save, run, generation, slice, took);

    private static void Record(
        Histogram<double> histogram, RunId run, Generation generation, int slice, TimeSpan took)
    {
        if (histogram.Enabled)
        {
            histogram.Record(took.TotalSeconds, Tags(run, generation, slice));
        }
    }

    private static TagList Tags(RunId run, Generation generation, int slice) => new()
    {
        { "run", run.Value }, { "generation", generation.Value }, { "slice", slice },
    };
}
