using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;

/// <summary>What the runtime calls at the start of every node that is measured
/// (<c>DOTNET_STARTUP_HOOKS</c>): writes what the node's meter tells into a file, a line a measure,
/// with the time. Runs within the node, and uses nothing but the base class library.</summary>
internal static class StartupHook
{
    /// <summary>The variable that names the file.</summary>
    public const string FileVariable = "FAULTS_MEASURES";

    private const string Product = "Backprop.Distributed";

    // A line for everything else that a node measures at every step would be measured with it.
    private static readonly HashSet<string> s_read =
    [
        "backprop.slice.version", "backprop.worker.step", "backprop.checkpoint.copy",
        "backprop.checkpoint.save",
    ];

    /// <summary>Begins to listen.</summary>
    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(FileVariable) is not { } file)
        {
            return;
        }

        var writer = new StreamWriter(
            new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
        {
            AutoFlush = true,
        };
        // It listens for as long as the process lives.
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == Product && s_read.Contains(instrument.Name))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) => Write(writer, instrument, value, tags));
        listener.SetMeasurementEventCallback<double>(
            (instrument, value, tags, _) => Write(writer, instrument, value, tags));
        listener.Start();
    }

    private static void Write(
        StreamWriter writer, Instrument instrument, double value,
        ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        long now = Stopwatch.GetTimestamp();
        string slice = "-";
        foreach ((string name, object? tag) in tags)
        {
            slice = name == "slice" ? $"{tag}" : slice;
        }

        lock (writer)
        {
            writer.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{now} {instrument.Name} {value:R} {slice}"));
        }
    }
}
