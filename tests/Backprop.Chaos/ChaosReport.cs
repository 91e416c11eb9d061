using System.Globalization;
using Backprop.Chaos.Schedules;

namespace Backprop.Chaos;

/// <summary>Tells what became of schedules, and sums it up.</summary>
internal sealed class ChaosReport(TextWriter output)
{
    private readonly List<(Fault Fault, TimeSpan? Delay)> _delays = [];
    private int _schedules;
    private int _faults;
    private int _failures;

    /// <summary>Whether a schedule came to no end, or to other bits.</summary>
    public bool HasFailures => _failures > 0;

    /// <summary>One more schedule.</summary>
    /// <param name="schedule">Which.</param>
    /// <param name="outcome">What became of it.</param>
    /// <param name="undisturbed">The digest that it had to come to.</param>
    public void Add(Schedule schedule, ScheduleOutcome outcome, string undisturbed)
    {
        string? failure = outcome.Failure
            ?? (outcome.Weights == undisturbed ? null : $"other weights: {outcome.Weights}");
        _schedules++;
        _faults += outcome.Faults;
        _failures += failure is null ? 0 : 1;
        _delays.AddRange(outcome.Delays);
        output.WriteLine(
            $"seed {schedule.Seed}: {schedule.Servers} servers, {schedule.Workers} workers,"
            + $" {outcome.Faults} faults: {failure ?? "the same bits"}");
    }

    /// <summary>All of them together.</summary>
    public void Close()
    {
        output.WriteLine(
            $"{_schedules} schedules, {_faults} faults, {_failures} failed");
        foreach (var kind in _delays.GroupBy(entry => entry.Fault.GetType().Name)
            .OrderBy(kind => kind.Key, StringComparer.Ordinal))
        {
            double[] seconds =
                [.. kind.Select(entry => entry.Delay?.TotalSeconds).OfType<double>().Order()];
            int none = kind.Count() - seconds.Length;
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {kind.Key,-8} {kind.Count(),4} times; the next step was seen after"
                + $" {Quantile(seconds, 0.5):0.00} s (half), {Quantile(seconds, 0.99):0.00} s"
                + $" (99%); {none} were followed by another fault before that"));
        }
    }

    private static double Quantile(double[] sorted, double share) => sorted.Length == 0
        ? double.NaN
        : sorted[(int)Math.Ceiling(share * sorted.Length) - 1];
}
