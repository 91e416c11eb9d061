using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Akka.Event;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Cluster;

/// <summary>How a node writes what it logs.</summary>
public enum LogFormat
{
    /// <summary>For people.</summary>
    Text,

    /// <summary>A JSON object a line, for programs.</summary>
    Json,
}

/// <summary>What an event of a node's log is about, as far as that is known. Given as the value of
/// a log message's placeholder it reads as the run's name.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">Its generation then.</param>
/// <param name="Version">Its version then, which is the step that was under way.</param>
public readonly record struct LogScope(
    RunId Run, Generation? Generation = null, long? Version = null)
{
    /// <inheritdoc/>
    public override string ToString() => Run.ToString();
}

/// <summary>A line of a node's log.</summary>
/// <param name="At">When, in universal time.</param>
/// <param name="Level">How bad it is.</param>
/// <param name="Message">What, in words.</param>
public sealed record LogLine(DateTime At, LogLevel Level, string Message)
{
    // What is read by programs, not put into a page, needs no more escapes than JSON asks for.
    private static readonly JsonWriterOptions s_json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The node that writes it; null: not known yet.</summary>
    public string? Node { get; init; }

    /// <summary>The node that it is about; null: none.</summary>
    public NodeId? Peer { get; init; }

    /// <summary>The run that it is about; null: none.</summary>
    public LogScope? Scope { get; init; }

    /// <summary>What went wrong, with where; null: nothing.</summary>
    public Exception? Cause { get; init; }

    /// <summary>As it is written, without the line's end.</summary>
    public string Write(LogFormat format) => format == LogFormat.Json ? Json() : Text();

    private string Text()
    {
        string level = Level switch
        {
            LogLevel.ErrorLevel => "ERROR",
            LogLevel.WarningLevel => "WARN ",
            LogLevel.DebugLevel => "DEBUG",
            _ => "INFO ",
        };
        string cause = Cause is null ? "" : $" ({Cause.Message})";
        string text = $"{Message}{cause}".ReplaceLineEndings(" ");
        return string.Create(
            CultureInfo.InvariantCulture, $"{At.ToLocalTime():HH:mm:ss} {level} {text}");
    }

    private string Json()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, s_json))
        {
            json.WriteStartObject();
            json.WriteString("time", At.ToString("O", CultureInfo.InvariantCulture));
            json.WriteString("level", Level switch
            {
                LogLevel.ErrorLevel => "error",
                LogLevel.WarningLevel => "warning",
                LogLevel.DebugLevel => "debug",
                _ => "info",
            });
            json.WriteString("message", Message);
            WriteKnown(json, "node", Node);
            WriteKnown(json, "peer", Peer?.Value);
            WriteScope(json);
            WriteKnown(json, "exception", Cause?.ToString());
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private void WriteScope(Utf8JsonWriter json)
    {
        if (Scope is not { } scope)
        {
            return;
        }

        json.WriteString("run", scope.Run.Value);
        if (scope.Generation is { } generation)
        {
            json.WriteNumber("generation", generation.Value);
        }

        if (scope.Version is { } version)
        {
            json.WriteNumber("version", version);
        }
    }

    private static void WriteKnown(Utf8JsonWriter json, string name, string? value)
    {
        if (value is not null)
        {
            json.WriteString(name, value);
        }
    }
}
