using System.Security.Cryptography;
using System.Text;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>A sweep that a cluster trains by itself: it is submitted once, and followed by whoever
/// wants to.</summary>
/// <param name="api">The cluster.</param>
/// <param name="time">The clock.</param>
internal sealed class ClusterSweep(ApiClient api, TimeProvider time)
{
    // A coordinator that moves, or a node that starts again, is back by then.
    private const int MostFailures = 60;

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <summary>Submits it, or finds it again: the same texts are the same sweep, until that was
    /// stopped or has failed.</summary>
    /// <param name="sweep">The sweep's text and the run's.</param>
    /// <param name="source">The sweep's file, for messages.</param>
    /// <param name="priority">Of its runs.</param>
    /// <param name="cancellation">Of the wait.</param>
    public async Task<SweepId> SubmitAsync(
        SweepSubmission sweep, string source, int priority, CancellationToken cancellation)
    {
        SweepList before = await api.SweepsAsync(cancellation);
        Dictionary<SweepId, SweepStanding> known =
            before.Sweeps.ToDictionary(one => one.Id, one => one.Standing);
        for (int turn = 1; ; turn++)
        {
            SweepId id = await api.SubmitSweepAsync(
                SubmissionOf(sweep, turn), sweep, source, priority, cancellation);
            if (!known.TryGetValue(id, out SweepStanding standing)
                || standing is SweepStanding.Training or SweepStanding.Completed)
            {
                return id;
            }
        }
    }

    /// <summary>Tells what happens to it until it is over.</summary>
    /// <param name="id">The sweep.</param>
    /// <param name="report">Tells it.</param>
    /// <param name="cancellation">Ends that; the sweep goes on.</param>
    public async Task<SweepDetail> FollowAsync(
        SweepId id, SweepReport report, CancellationToken cancellation)
    {
        int begun = 0;
        var told = new HashSet<(int Round, int Trial)>();
        while (true)
        {
            SweepDetail detail = await LookAsync(id, cancellation);
            foreach (SweepRoundDetail round in detail.Rounds)
            {
                if (round.Round > begun)
                {
                    begun = round.Round;
                    report.Begin(round.Round, round.Trials.Length);
                }

                foreach (TrialOutcome outcome in round.Trials
                    .Select(trial => trial.Outcome).OfType<TrialOutcome>()
                    .Where(outcome => told.Add((round.Round, outcome.Trial))))
                {
                    report.Tell(
                        outcome, told.Count(one => one.Round == round.Round),
                        round.Trials.Length);
                }
            }

            if (detail.IsOver)
            {
                return detail;
            }

            await Task.Delay(s_look, time, cancellation);
        }
    }

    private async Task<SweepDetail> LookAsync(SweepId id, CancellationToken cancellation)
    {
        for (int failures = 0; ; failures++)
        {
            try
            {
                return await api.SweepAsync(id, cancellation);
            }
            catch (ApiUnavailableException) when (failures < MostFailures)
            {
                await Task.Delay(s_look, time, cancellation);
            }
        }
    }

    private static Guid SubmissionOf(SweepSubmission sweep, int turn) =>
        new(SHA256.HashData(Encoding.UTF8.GetBytes(
            $"{turn}\0{sweep.Specification}\0{sweep.Run}")).AsSpan(0, 16));
}
