using System.Diagnostics.Metrics;

namespace Backprop.Distributed.Metering;

/// <summary>The meter of a node: what it can be measured by within .NET, from
/// <c>dotnet-counters</c>, OpenTelemetry or a <see cref="MeterListener"/>. <c>docs/metrics.md</c>
/// lists its instruments. Where nobody listens it costs nothing worth mentioning.</summary>
public static class NodeMeter
{
    /// <summary>Its name.</summary>
    public const string Name = "Backprop.Distributed";

    /// <summary>The instruments that tell events, for whoever has to have each with its moment: as
    /// series they would go on telling the last one of a run that is over.</summary>
    public static IReadOnlyList<string> Events { get; } =
        ["backprop.slice.version", "backprop.worker.step"];

    internal static Meter Meter { get; } = new(Name);

    // From a tenth of a millisecond, a small network's step, to a minute.
    internal static InstrumentAdvice<double> Seconds { get; } = new()
    {
        HistogramBucketBoundaries =
        [
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
            2.5, 5, 10, 30, 60,
        ],
    };

    internal static KeyValuePair<string, object?> Tag(string name, object value) =>
        new(name, value);
}
