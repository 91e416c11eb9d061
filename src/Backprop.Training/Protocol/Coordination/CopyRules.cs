using System.Collections.Immutable;
using Backprop.Engine.Schedules;
using Backprop.Training.Stopping;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Whether a generation can open from copies in the memory of servers, and where the run
/// stands there.</summary>
internal static class CopyRules
{
    /// <summary>The newest set of copies that the servers of the last generation still keep, if it
    /// is newer than the newest checkpoint; null: there is none.</summary>
    /// <param name="run">The run.</param>
    /// <param name="servers">Who opens slices from it, in order.</param>
    /// <param name="now">The time.</param>
    public static CopiesUsed? Newest(
        RunCoordination run, ImmutableArray<NodeId> servers, DateTimeOffset now)
    {
        // What failed once is not tried again before there was progress.
        if (run.State.FailedGenerations > 0)
        {
            return null;
        }

        (NodeId Node, SliceCopy Copy)[] kept =
        [
            .. run.Observed.Servers.Values
                .Where(status => run.Observed.HasServer(status.Server))
                .SelectMany(status => status.Copies.Select(copy => (status.Server, copy))),
        ];
        long least = run.State.Newest?.Version ?? 0;
        long most = run.State.Dispute?.Step ?? long.MaxValue;
        return kept.Select(entry => entry.Copy.Version).Distinct()
            .Where(version => version > least && version <= most && IsWithin(run, version))
            .OrderDescending()
            .Select(version => SetOf(
                run, version, [.. kept.Where(entry => entry.Copy.Version == version)], servers,
                now))
            .FirstOrDefault(found => found is not null);
    }

    // Every epoch before it is judged, and its own is not over.
    private static bool IsWithin(RunCoordination run, long version)
    {
        RunDimensions sizes = run.Plan.Dimensions;
        long epochs = version / sizes.StepsPerEpoch;
        return version % sizes.StepsPerEpoch > 0 && version < sizes.TotalSteps
            && ReportsUpTo(run.State.Position, version).Length == epochs;
    }

    private static CopiesUsed? SetOf(
        RunCoordination run, long version, ImmutableArray<(NodeId Node, SliceCopy Copy)> kept,
        ImmutableArray<NodeId> servers, DateTimeOffset now)
    {
        double? lossSum = kept.Select(entry => entry.Copy.EpochLossSum)
            .FirstOrDefault(sum => sum is not null);
        if (lossSum is null)
        {
            return null;
        }

        TrainingPosition position = PositionAt(run, version, lossSum.Value, now);
        long? best = CoordinatorState.BestOf(position);
        kept = kept.RemoveAll(entry => entry.Copy.BestVersion != best);
        var slices = new SlicePlan(run.Plan.Dimensions.Layout, servers.Length);
        var keepers = ImmutableArray.CreateBuilder<CopyKeeper>();
        for (int slice = 0; slice < servers.Length; slice++)
        {
            int end = slices.FirstBlock(slice + 1);
            for (int block = slices.FirstBlock(slice); block < end; block = keepers[^1].EndBlock)
            {
                if (KeeperOf(kept, servers[slice], block, end) is not { } keeper)
                {
                    return null;
                }

                keepers.Add(keeper);
            }
        }

        return new CopiesUsed(position, keepers.ToImmutable());
    }

    // Best whoever opens the slice itself, else whoever has the most blocks of it.
    private static CopyKeeper? KeeperOf(
        ImmutableArray<(NodeId Node, SliceCopy Copy)> kept, NodeId server, int block, int end) =>
        kept.Where(entry => entry.Copy.Has(block))
            .OrderByDescending(entry => entry.Node == server)
            .ThenByDescending(entry => entry.Copy.EndBlock)
            .Select(entry => (CopyKeeper?)new CopyKeeper(
                entry.Node, block, Math.Min(entry.Copy.EndBlock, end)))
            .FirstOrDefault();

    // What the epochs before came to is a function of their reports.
    private static TrainingPosition PositionAt(
        RunCoordination run, long version, double lossSum, DateTimeOffset now)
    {
        CoordinationPlan plan = run.Plan;
        ImmutableArray<EpochReport> reports = ReportsUpTo(run.State.Position, version);
        StoppingState stopping = StoppingState.Initial;
        PlateauState plateau = PlateauState.Initial;
        foreach (EpochReport report in reports)
        {
            stopping = stopping
                .Judge(plan.Stop, report.Epoch, report.TrainingLoss, report.Metric).Next;
            plateau = plan.Schedule.Plateau is { } rule
                ? PlateauDetector.Observe(
                    rule, plateau, report.Metric, StoppingState.GreaterIsBetter(plan.Stop.Metric))
                : plateau;
        }

        return run.State.Position with
        {
            Step = version,
            EpochLossSum = lossSum,
            EpochRows = plan.Dimensions.EpochRows(version),
            RunRows = plan.RunRows(version),
            Stopping = stopping,
            Plateau = plateau,
            History = reports,
            Elapsed = run.State.ElapsedAt(now),
            Ended = null,
        };
    }

    private static ImmutableArray<EpochReport> ReportsUpTo(
        TrainingPosition position, long version) =>
        [.. position.History.Where(report => report.StepsDone <= version)];
}
