using System.Text;
using Backprop.Chaos.Schedules;

namespace Backprop.Chaos;

/// <summary>What became of a run under a schedule.</summary>
/// <param name="Failure">Why it did not come to its end, with all there is to find out why; null:
/// it did.</param>
/// <param name="Weights">The digest of its weights; null: see <paramref name="Failure"/>.</param>
/// <param name="Faults">Faults that were done to it.</param>
/// <param name="Delays">After each fault: the time until the next new step was seen.</param>
internal sealed record ScheduleOutcome(
    string? Failure, string? Weights, int Faults,
    IReadOnlyList<(Fault Fault, TimeSpan? Delay)> Delays);

/// <summary>Trains a run on a cluster of processes to which a schedule happens.</summary>
internal sealed class ScheduleRun : IDisposable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_mostForStart = TimeSpan.FromMinutes(4);

    // Without a new step: a machine that has much else to do may take long for many.
    private static readonly TimeSpan s_mostForEnd = TimeSpan.FromMinutes(3);

    private readonly Schedule _schedule;
    private readonly string _specification;
    private readonly ChaosCluster _cluster;
    private readonly TextWriter? _told;
    private readonly List<(long Began, TimeSpan After, Action Undo)> _undos = [];
    private readonly List<(Fault Fault, TimeSpan? Delay)> _delays = [];
    private readonly long _began = TimeProvider.System.GetTimestamp();
    private (Fault Fault, long At, long Version)? _awaited;
    private string? _run;
    private RunState? _state;

    /// <summary>Of a schedule.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="specification">The run's.</param>
    /// <param name="directory">For state and logs.</param>
    /// <param name="told">Is told what happens; null: nobody is.</param>
    public ScheduleRun(
        Schedule schedule, string specification, string directory, TextWriter? told = null)
    {
        _schedule = schedule;
        _specification = specification;
        _told = told;
        _cluster = new ChaosCluster(directory, schedule, new ChaosOptions());
    }

    /// <summary>Does it all.</summary>
    public async Task<ScheduleOutcome> GoAsync()
    {
        _cluster.StartAll();
        if (!await UntilAsync(() => _state?.Version > 0, s_mostForStart))
        {
            return Outcome(0, "the run does not begin");
        }

        int done = 0;
        foreach (PlannedFault planned in _schedule.Faults)
        {
            long due = (_state?.Version ?? 0) + planned.AfterSteps;
            await UntilAsync(() => _state?.Version >= due || IsOver, planned.AtMost);
            if (IsOver)
            {
                break;
            }

            Do(planned.What);
            done++;
        }

        if (!await UntilAsync(() => _undos.Count == 0, s_mostForEnd)
            || !await UntilAsync(() => IsOver, s_mostForEnd))
        {
            return Outcome(done, "the run comes to no end");
        }

        return Outcome(
            done, _state!.Standing == "completed" ? null : $"the run has {_state.Standing}");
    }

    /// <inheritdoc/>
    public void Dispose() => _cluster.Dispose();

    private bool IsOver => _state is { IsOver: true };

    private ScheduleOutcome Outcome(int faults, string? failure) => new(
        failure is null ? null : Report(failure), _state?.Weights, faults, _delays);

    private void Do(Fault fault)
    {
        Tell($"version {_state?.Version}: {fault}");
        Note(null);
        _awaited = (fault, TimeProvider.System.GetTimestamp(), _state?.Version ?? 0);
        if (_cluster.Do(fault) is { } undo)
        {
            _undos.Add((TimeProvider.System.GetTimestamp(), undo.After, undo.Undo));
        }
    }

    // Looks after processes, links and the run until something holds, or the time is up: at the end
    // that since the last new step.
    private async Task<bool> UntilAsync(Func<bool> holds, TimeSpan limit)
    {
        long began = TimeProvider.System.GetTimestamp();
        long newest = _state?.Version ?? 0;
        while (TimeProvider.System.GetElapsedTime(began) < limit)
        {
            Undo();
            Restart();
            _run ??= await _cluster.Api.SubmitAsync(_specification);
            RunState? shown = _run is null ? null : await _cluster.Api.ShowAsync(_run);
            if (shown is not null && shown.Reason != _state?.Reason)
            {
                Tell($"version {shown.Version}: {shown.Standing}: {shown.Reason}");
            }

            _state = shown ?? _state;
            if (limit == s_mostForEnd && _state?.Version > newest)
            {
                newest = _state.Version;
                began = TimeProvider.System.GetTimestamp();
            }

            if (_awaited is { } awaited && _state?.Version > awaited.Version)
            {
                Note(TimeProvider.System.GetElapsedTime(awaited.At));
            }

            if (holds())
            {
                return true;
            }

            await Task.Delay(s_look);
        }

        return false;
    }

    private void Note(TimeSpan? delay)
    {
        if (_awaited is { } awaited)
        {
            _delays.Add((awaited.Fault, delay));
            Tell(delay is { } known
                ? $"next step {known.TotalSeconds:0.00} s after {awaited.Fault}"
                : $"no step between {awaited.Fault} and the next fault");
            _awaited = null;
        }
    }

    private void Undo()
    {
        foreach (var undo in _undos.ToArray())
        {
            if (TimeProvider.System.GetElapsedTime(undo.Began) >= undo.After)
            {
                _undos.Remove(undo);
                undo.Undo();
            }
        }
    }

    // Whoever has left, or ended by itself, is started again once nothing more is to happen to it.
    private void Restart()
    {
        foreach (ChaosNode node in _cluster.Nodes)
        {
            if (!node.IsRunning && _undos.Count == 0)
            {
                Tell($"node {node.Number} {node.Part} starts again");
                node.Start();
            }
        }
    }

    private void Tell(string text) => _told?.WriteLine(
        $"{TimeProvider.System.GetElapsedTime(_began).TotalSeconds,7:0.0} s  {text}");

    private string Report(string failure)
    {
        var report = new StringBuilder();
        report.AppendLine($"seed {_schedule.Seed}: {failure}");
        foreach (string line in _schedule.Describe())
        {
            report.AppendLine(line);
        }

        report.AppendLine($"the run: {_state?.Standing} at version {_state?.Version}:"
            + $" {_state?.Reason}");
        foreach (string happening in _state?.Happenings ?? [])
        {
            report.AppendLine($"  {happening}");
        }

        foreach (ChaosNode node in _cluster.Nodes)
        {
            report.AppendLine($"node {node.Number} {node.Part}, running: {node.IsRunning}");
            foreach (string line in node.LogTail())
            {
                report.AppendLine($"  {line}");
            }
        }

        return report.ToString();
    }
}
