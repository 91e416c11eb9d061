using System.Globalization;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Console.Rendering;

/// <summary>What <c>backprop timeline</c> shows, as lines of text.</summary>
internal static class TimelineText
{
    private const int NameLength = 16;
    private const double MillisecondsInSecond = 1e3;

    private static readonly SpanKind[] s_columns =
    [
        SpanKind.Compute, SpanKind.Push, SpanKind.Wait, SpanKind.Gather, SpanKind.Apply,
        SpanKind.Broadcast,
    ];

    private static readonly string[] s_head =
    [
        "step", .. s_columns.Select(kind => kind.ToString().ToLowerInvariant()), "slowest",
    ];

    /// <summary>The lines: a table of the newest steps, and who is missing.</summary>
    /// <param name="view">The timeline.</param>
    /// <param name="steps">Steps to show.</param>
    /// <param name="width">Of the longest line.</param>
    public static IEnumerable<string> Lines(TimelineView view, int steps, int width)
    {
        long first = Math.Max(view.FirstStep, view.EndStep - steps);
        ILookup<long, (NodeId Node, SpanView Span)> spans =
            view.Workers.SelectMany(worker => worker.Spans.Select(span => (worker.Node, span)))
                .Concat(view.Servers.SelectMany(
                    server => server.Spans.Select(span => (server.Node, span))))
                .ToLookup(entry => entry.span.Step);
        yield return $"{view.Run}: the longest of {Count(view.Workers.Length, "worker")} and"
            + $" {Count(view.Servers.Length, "slice")} in each step, in ms";
        List<string[]> rows = [];
        for (long step = first; step < view.EndStep; step++)
        {
            rows.Add(Row(step, [.. spans[step]]));
        }

        foreach (string line in TextTable.Write(s_head, rows, width))
        {
            yield return line;
        }

        if (!view.Missing.IsEmpty)
        {
            yield return $"no answer came from {string.Join(", ", view.Missing.Select(Name))}";
        }
    }

    private static string[] Row(long step, (NodeId Node, SpanView Span)[] spans)
    {
        (NodeId Node, SpanView Span)[] computed =
            [.. spans.Where(one => one.Span.Kind == SpanKind.Compute)];
        return
        [
            NumberText.Count(step),
            .. s_columns.Select(kind =>
            {
                double[] lengths =
                [
                    .. spans.Where(one => one.Span.Kind == kind)
                        .Select(one => one.Span.End - one.Span.Begin),
                ];
                return lengths.Length == 0 ? "-" : Milliseconds(lengths.Max());
            }),
            computed.Length == 0
                ? "-"
                : Name(computed.MaxBy(one => one.Span.End - one.Span.Begin).Node),
        ];
    }

    private static string Count(int count, string what) =>
        count == 1 ? $"one {what}" : $"{count} {what}s";

    private static string Milliseconds(double seconds) =>
        (seconds * MillisecondsInSecond).ToString("N2", CultureInfo.InvariantCulture);

    // The end of a name tells nodes apart.
    private static string Name(NodeId node) => RunWatchText.Name(node) is { Length: > NameLength }
        and var name ? "…" + name[^(NameLength - 1)..] : RunWatchText.Name(node);
}
