using System.Diagnostics.Metrics;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Metering;

/// <summary>Measures a run, where it is coordinated, until it is over.</summary>
internal sealed class RunMeter : IDisposable
{
    private static readonly Watched<RunMeter> s_all = new();

    private readonly KeyValuePair<string, object?> _run;
    private readonly TimeProvider _time;
    private Known? _known;

    static RunMeter()
    {
        Meter meter = NodeMeter.Meter;
        meter.CreateObservableGauge(
            "backprop.run.standing", () => s_all.Measure(one => one.Standing()), "{run}",
            "1 for what a run is at");
        meter.CreateObservableGauge(
            "backprop.run.version", () => s_all.Measure(one => one.Of(run => run.Version)),
            "{step}", "Steps of a run that are done");
        meter.CreateObservableGauge(
            "backprop.run.length", () => s_all.Measure(one => one.Of(run => run.TotalSteps)),
            "{step}", "Steps of a run if nothing ends it earlier");
        meter.CreateObservableGauge(
            "backprop.run.workers", () => s_all.Measure(one => one.Of(run => run.Workers)),
            "{worker}", "Workers that have a part of a run");
        meter.CreateObservableGauge(
            "backprop.run.checkpoint.age", () => s_all.Measure(one => one.CheckpointAge()), "s",
            "Time since a run's newest checkpoint was committed, or since it began to train");
    }

    public RunMeter(RunId run, TimeProvider time)
    {
        _run = NodeMeter.Tag("run", run.Value);
        _time = time;
        s_all.Add(this);
    }

    /// <summary>What is known of the run now.</summary>
    /// <param name="summary">As in a list.</param>
    /// <param name="committed">When its newest checkpoint was committed; null: it has none.</param>
    public void Update(RunSummaryView summary, DateTimeOffset? committed)
    {
        Known? before = _known;
        bool isOver = summary.Standing
            is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped;
        bool trains = summary.Standing
            is RunStanding.Training or RunStanding.Evaluating or RunStanding.Checkpointing;
        DateTimeOffset? since = trains ? before?.TrainsSince ?? _time.GetUtcNow() : null;
        if (isOver)
        {
            Volatile.Write(ref _known, null);
        }
        else if (before is null || before.Summary != summary || before.Committed != committed
            || before.TrainsSince != since)
        {
            Volatile.Write(ref _known, new Known(summary, committed, since));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => s_all.Remove(this);

    private IEnumerable<Measurement<long>> Standing()
    {
        if (Volatile.Read(ref _known) is { } known)
        {
            yield return new Measurement<long>(
                1, _run, NodeMeter.Tag("standing", ClusterMeter.NameOf(known.Summary.Standing)));
        }
    }

    private IEnumerable<Measurement<long>> Of(Func<RunSummaryView, long> measure)
    {
        if (Volatile.Read(ref _known) is { } known)
        {
            yield return new Measurement<long>(measure(known.Summary), _run);
        }
    }

    // A run that is taken up again after a pause has its time for the next one.
    private IEnumerable<Measurement<double>> CheckpointAge()
    {
        if (Volatile.Read(ref _known) is { TrainsSince: { } trains } known)
        {
            DateTimeOffset since = known.Committed > trains ? known.Committed.Value : trains;
            yield return new Measurement<double>((_time.GetUtcNow() - since).TotalSeconds, _run);
        }
    }

    private sealed record Known(
        RunSummaryView Summary, DateTimeOffset? Committed, DateTimeOffset? TrainsSince);
}
