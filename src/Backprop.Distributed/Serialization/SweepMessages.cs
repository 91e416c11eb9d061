using System.Runtime.Serialization;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serialization;

/// <summary>What is stored and told of sweeps, to the wire and back.</summary>
internal static class SweepMessages
{
    public static SweepId Sweep(string name) => new(WireChecks.Name(name, "a sweep's name"));

    public static Wire.SweepTrial ToWire(SweepTrialId trial) => new()
    {
        Sweep = trial.Sweep.Value,
        Round = trial.Round,
        Trial = trial.Trial,
    };

    public static SweepTrialId FromWire(Wire.SweepTrial trial) =>
        new(Sweep(trial.Sweep), Number(trial.Round), Number(trial.Trial));

    public static Wire.RunOutcome ToWire(RunOutcome outcome)
    {
        var message = new Wire.RunOutcome
        {
            Stop = ResultMessages.ToWire(outcome.Stop),
            WeightsSha256 = ResultMessages.ToWire(outcome.WeightsSha256),
        };
        if (outcome.BestMetric is { } metric)
        {
            message.BestMetric = metric;
        }

        return message;
    }

    public static RunOutcome FromWire(Wire.RunOutcome outcome) => new(
        ResultMessages.FromWire(outcome.Stop),
        outcome.HasBestMetric ? outcome.BestMetric : null,
        ResultMessages.FromWire(outcome.WeightsSha256));

    public static Wire.SweepRegistered ToWire(SweepRegistered registered) => new()
    {
        Sweep = registered.Sweep.Value,
        Submission = RegistryMessages.ToWire(registered.Submission),
        Name = registered.Name,
        Specification = registered.Specification,
        Run = registered.Run,
        Source = WireChecks.ToReason(registered.Source),
        Priority = registered.Priority,
        Runs = registered.Runs,
    };

    public static SweepRegistered FromWire(DateTimeOffset at, Wire.SweepRegistered message) => new(
        at, Sweep(message.Sweep), RegistryMessages.GuidOf(message.Submission),
        WireChecks.Text(message.Name, "a sweep's name"),
        WireChecks.Specification(message.Specification), WireChecks.Specification(message.Run),
        WireChecks.FromReason(message.Source), message.Priority, message.Runs);

    public static SweepEnded FromWire(DateTimeOffset at, Wire.SweepEnded message)
    {
        SweepSummaryView summary = FromWire(message.Summary);
        return new SweepEnded(at, summary.Id, summary);
    }

    public static Wire.SweepSummary ToWire(SweepSummaryView summary)
    {
        var message = new Wire.SweepSummary
        {
            Sweep = summary.Id.Value,
            Name = summary.Name,
            Standing = (Wire.SweepStanding)(1 + (int)summary.Standing),
            Reason = WireChecks.ToReason(summary.Reason),
            Priority = summary.Priority,
            SubmittedTicks = WireChecks.ToTicks(summary.Submitted),
            Round = summary.Round,
            Rounds = summary.Rounds,
            Trials = summary.Trials,
            Over = summary.Over,
        };
        if (summary.Best is { } best)
        {
            message.Best = best;
        }

        if (summary.Metric is { } metric)
        {
            message.Metric = metric;
        }

        return message;
    }

    public static SweepSummaryView FromWire(Wire.SweepSummary? message)
    {
        message = WireChecks.Required(message, "what a sweep is at");
        return new SweepSummaryView(
            Sweep(message.Sweep), WireChecks.Text(message.Name, "a sweep's name"),
            WireChecks.Enum<SweepStanding>((int)message.Standing - 1, "standing of a sweep"),
            WireChecks.FromReason(message.Reason), message.Priority,
            WireChecks.FromTicks(message.SubmittedTicks), message.Round, message.Rounds,
            message.Trials, message.Over, message.HasBest ? message.Best : null,
            message.HasMetric ? message.Metric : null);
    }

    public static Wire.SweepView ToWire(SweepView view)
    {
        var message = new Wire.SweepView
        {
            Summary = ToWire(view.Summary),
            Specification = view.Specification,
            Run = view.Run,
            Source = WireChecks.ToReason(view.Source),
        };
        message.Runs.Add(view.Runs.Select(run => new Wire.SweptRun
        {
            Round = run.Round,
            Trial = run.Trial,
            Run = run.Run.Value,
            Standing = (Wire.RunStanding)(1 + (int)run.Standing),
            Reason = SweptRunView.Shorten(run.Reason),
            Outcome = run.Outcome is { } outcome ? ToWire(outcome) : null,
        }));
        return message;
    }

    public static SweepView FromWire(Wire.SweepView message) => new(
        FromWire(message.Summary), WireChecks.Specification(message.Specification),
        WireChecks.Specification(message.Run), WireChecks.FromReason(message.Source),
        WireChecks.List(message.Runs, RegistryState.MaxRuns, "runs", run => new SweptRunView(
            Number(run.Round), Number(run.Trial), ProtocolParts.Run(run.Run),
            WireChecks.Enum<RunStanding>((int)run.Standing - 1, "standing of a run"),
            WireChecks.FromReason(run.Reason),
            run.Outcome is { } outcome ? FromWire(outcome) : null)));

    private static int Number(int number) => number >= 1
        ? number
        : throw new SerializationException($"a round or trial {number}, which count from 1");
}
