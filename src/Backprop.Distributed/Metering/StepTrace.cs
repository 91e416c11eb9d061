using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Metering;

/// <summary>Traces of some steps of a run: what each node did in them, as spans of OpenTelemetry.
/// Which steps, and which trace is whose, follows from their numbers, so that nodes need not tell
/// each other: the spans of a step name a parent that nobody sends.</summary>
internal sealed class StepTrace
{
    /// <summary>The name of the activities' source.</summary>
    public const string Name = NodeMeter.Name;

    private static readonly ActivitySource s_source = new(Name);

    private readonly RunId _run;
    private readonly NodeId _node;
    private readonly int _every;

    /// <summary>Of a node's part of a run.</summary>
    /// <param name="run">The run.</param>
    /// <param name="node">The node.</param>
    /// <param name="every">Of one step in so many; 0: of none.</param>
    public StepTrace(RunId run, NodeId node, int every)
    {
        _run = run;
        _node = node;
        _every = every;
    }

    /// <summary>Whether a step is traced.</summary>
    public bool Includes(long step) =>
        _every > 0 && step % _every == 0 && s_source.HasListeners();

    /// <summary>Something in a step has ended; nothing if the step is not traced.</summary>
    /// <param name="name">What.</param>
    /// <param name="generation">Of the step.</param>
    /// <param name="step">The step.</param>
    /// <param name="took">How long it took.</param>
    /// <param name="slice">The slice whose it is; null: none's.</param>
    /// <param name="ago">Since it ended; just now, where nothing is said.</param>
    public void Ended(
        string name, Generation generation, long step, TimeSpan took, int? slice = null,
        TimeSpan ago = default)
    {
        if (!Includes(step))
        {
            return;
        }

        DateTimeOffset end = DateTimeOffset.UtcNow - ago;
        using Activity? span = s_source.StartActivity(
            name, ActivityKind.Internal, ParentOf(generation, step), startTime: end - took);
        if (span is null)
        {
            return;
        }

        span.SetTag("backprop.run", _run.Value);
        span.SetTag("backprop.generation", generation.Value);
        span.SetTag("backprop.step", step);
        span.SetTag("backprop.node", _node.Value);
        if (slice is { } number)
        {
            span.SetTag("backprop.slice", number);
        }

        span.SetEndTime(end.UtcDateTime);
    }

    private ActivityContext ParentOf(Generation generation, long step)
    {
        const int TraceBytes = 16;
        const int SpanBytes = 8;
        string name = string.Create(
            CultureInfo.InvariantCulture, $"{_run.Value}/{generation.Value}/{step}");
        ReadOnlySpan<byte> hash = SHA256.HashData(Encoding.UTF8.GetBytes(name));
        return new ActivityContext(
            ActivityTraceId.CreateFromBytes(hash[..TraceBytes]),
            ActivitySpanId.CreateFromBytes(hash.Slice(TraceBytes, SpanBytes)),
            ActivityTraceFlags.Recorded, isRemote: true);
    }
}
