using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Coordination;

/// <summary>What a sweep is at, in one word for people and programs.</summary>
public enum SweepStanding
{
    /// <summary>Its trials are trained, round after round.</summary>
    Training,

    /// <summary>The user has ended it, and some of its runs are not over yet.</summary>
    Stopping,

    /// <summary>Every round is over, and there is a best trial.</summary>
    Completed,

    /// <summary>Every trial failed, or it could not go on.</summary>
    Failed,

    /// <summary>The user has ended it.</summary>
    Stopped,
}

/// <summary>A sweep in a list.</summary>
/// <param name="Id">The sweep.</param>
/// <param name="Name">Its name, for people.</param>
/// <param name="Standing">What it is at.</param>
/// <param name="Reason">That in words.</param>
/// <param name="Priority">Of its runs.</param>
/// <param name="Submitted">When it was submitted.</param>
/// <param name="Round">The round that goes on, or was the last, from 1; 0: it has none.</param>
/// <param name="Rounds">Rounds in all.</param>
/// <param name="Trials">Trials of that round.</param>
/// <param name="Over">How many of these are over.</param>
/// <param name="Best">The best trial's number; null: there is none, or not yet.</param>
/// <param name="Metric">What that came to; null: there is none, or not yet.</param>
public sealed record SweepSummaryView(
    SweepId Id, string Name, SweepStanding Standing, string Reason, int Priority,
    DateTimeOffset Submitted, int Round, int Rounds, int Trials, int Over, int? Best,
    double? Metric);

/// <summary>A sweep, and what its trials come to is a function of.</summary>
/// <param name="Summary">What a list shows of it.</param>
/// <param name="Specification">Its text, with every include in place.</param>
/// <param name="Run">The text of the run that is swept.</param>
/// <param name="Source">The file that it came from.</param>
/// <param name="Runs">The runs that were submitted for it.</param>
public sealed record SweepView(
    SweepSummaryView Summary, string Specification, string Run, string Source,
    ImmutableArray<SweptRunView> Runs);

/// <summary>A run of a sweep.</summary>
/// <param name="Round">The round, from 1.</param>
/// <param name="Trial">The trial, from 1.</param>
/// <param name="Run">The run.</param>
/// <param name="Standing">What it is at.</param>
/// <param name="Reason">That in words.</param>
/// <param name="Outcome">What it is compared by; null: it has not completed.</param>
public sealed record SweptRunView(
    int Round, int Trial, RunId Run, RunStanding Standing, string Reason, RunOutcome? Outcome)
{
    /// <summary>The longest reason: there may be thousands of them in one message.</summary>
    public const int MaxReasonLength = 500;

    /// <summary>As much of a reason as is told.</summary>
    public static string Shorten(string reason) =>
        reason.Length <= MaxReasonLength ? reason : reason[..MaxReasonLength];

    /// <summary>Whether it is over; one that has completed is once its outcome is on record.
    /// </summary>
    public bool IsOver =>
        Outcome is not null || Standing is RunStanding.Failed or RunStanding.Stopped;
}
