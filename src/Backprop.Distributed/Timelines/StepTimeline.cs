using System.Collections.Immutable;

namespace Backprop.Distributed.Timelines;

/// <summary>A kind of span that lies between two marks.</summary>
/// <param name="Kind">The kind.</param>
/// <param name="Begin">The mark that it begins with.</param>
/// <param name="End">The mark that it ends with.</param>
internal readonly record struct SpanRule(SpanKind Kind, int Begin, int End);

/// <summary>When each of the last steps came to its marks: a ring of times, that takes its memory
/// once. One caller at a time.</summary>
internal sealed class StepTimeline
{
    /// <summary>Steps that are kept.</summary>
    public const int Steps = 64;

    // No time: the step has not come to the mark.
    private static readonly TimeSpan s_never = TimeSpan.MinValue;

    private readonly ImmutableArray<SpanRule> _rules;
    private readonly int _marks;
    private readonly long[] _steps = new long[Steps];

    // [steps, marks].
    private readonly TimeSpan[] _times;

    /// <summary>Nothing is kept yet.</summary>
    /// <param name="rules">What lies between the marks.</param>
    public StepTimeline(ImmutableArray<SpanRule> rules)
    {
        _rules = rules;
        _marks = 1 + rules.Max(rule => Math.Max(rule.Begin, rule.End));
        _times = new TimeSpan[Steps * _marks];
        Array.Fill(_steps, -1);
    }

    /// <summary>A step comes to a mark; what was said of the mark before counts no more. A step
    /// whose place a later one has taken is over.</summary>
    public void Mark(long step, int mark, TimeSpan at)
    {
        int place = (int)(step % Steps);
        if (_steps[place] > step)
        {
            return;
        }

        Span<TimeSpan> times = TimesAt(place);
        if (_steps[place] < step)
        {
            _steps[place] = step;
            times.Fill(s_never);
        }

        times[mark] = at;
    }

    /// <summary>When a step came to a mark; null: it has not, or is not kept.</summary>
    public TimeSpan? At(long step, int mark)
    {
        int place = (int)(step % Steps);
        return _steps[place] == step && TimesAt(place)[mark] is var at && at != s_never ? at : null;
    }

    /// <summary>The spans whose ends are both known, step by step.</summary>
    /// <param name="now">What their times are told from: all lie before it.</param>
    public ImmutableArray<TimelineSpan> Spans(TimeSpan now)
    {
        var spans = ImmutableArray.CreateBuilder<TimelineSpan>(Steps * _rules.Length);
        foreach (long step in _steps.Where(step => step >= 0).Order())
        {
            foreach (SpanRule rule in _rules)
            {
                if (At(step, rule.Begin) is { } begin && At(step, rule.End) is { } end)
                {
                    spans.Add(new TimelineSpan(step, rule.Kind, begin - now, end - now));
                }
            }
        }

        return spans.ToImmutable();
    }

    private Span<TimeSpan> TimesAt(int place) => _times.AsSpan(place * _marks, _marks);
}
