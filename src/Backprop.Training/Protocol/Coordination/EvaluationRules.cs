using System.Collections.Immutable;
using Backprop.Engine.Schedules;
using Backprop.Training.Metrics;
using Backprop.Training.Stopping;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>How an epoch is evaluated by many and judged as the single process does.</summary>
internal static class EvaluationRules
{
    /// <summary>What is seen of the cluster, with the evaluation that is due shared out.</summary>
    public static Observations ShareOut(RunCoordination run)
    {
        Observations observed = run.Observed;
        if (run.State.Phase is not RunPhase.Evaluating evaluating
            || run.State.Open is not { } open || run.Plan.Dimensions.EvaluationMicroBatches == 0)
        {
            return observed;
        }

        ImmutableArray<NodeId> workers = observed.Prompt(observed.WholeWorkers(), 1);
        bool isNew = observed.Evaluation is not { } last
            || last.Generation != open.Number || last.Version != evaluating.Version;
        if (isNew && workers.IsEmpty)
        {
            return observed;
        }

        EvaluationShares shares = isNew
            ? EvaluationShares.Cut(
                open.Number, evaluating.Version, run.Plan.Dimensions.EvaluationMicroBatches,
                workers.Length)
            : observed.Evaluation!;
        return observed with { Evaluation = shares.ShareOut(workers) };
    }

    /// <summary>The epoch's judgement, once all of its evaluation is there; null: it is not.
    /// </summary>
    public static EpochJudged? Judge(
        RunCoordination run, RunPhase.Evaluating evaluating, DateTimeOffset now)
    {
        CoordinationPlan plan = run.Plan;
        EvaluationMetrics? validation = null;
        if (plan.Dimensions.EvaluationMicroBatches > 0)
        {
            if (run.Observed.Evaluation is not { AreDone: true } done
                || done.Version != evaluating.Version
                || done.Generation != run.State.Generation!.Number)
            {
                return null;
            }

            validation = Fold(plan, done);
        }

        return Judge(run, evaluating, validation, now);
    }

    private static EvaluationMetrics Fold(CoordinationPlan plan, EvaluationShares done)
    {
        var metrics = new MetricsAccumulator(plan.Reading, plan.Outputs, plan.ValidationRows);
        foreach (MetricsPart part in done.Parts)
        {
            metrics.Add(part);
        }

        return metrics.Finish();
    }

    private static EpochJudged Judge(
        RunCoordination run, RunPhase.Evaluating evaluating, EvaluationMetrics? validation,
        DateTimeOffset now)
    {
        CoordinationPlan plan = run.Plan;
        TrainingPosition position = run.State.Position;
        long version = evaluating.Version, lastStep = version - 1;
        long epoch = lastStep / plan.Dimensions.StepsPerEpoch;
        double trainingLoss = evaluating.LossSum / plan.Dimensions.EpochRows(version);
        double metric = EpochEvaluation.MetricOf(plan.Stop, trainingLoss, validation);
        EpochVerdict verdict = position.Stopping.Judge(plan.Stop, epoch, trainingLoss, metric);
        PlateauState plateau = plan.Schedule.Plateau is { } rule
            ? PlateauDetector.Observe(
                rule, position.Plateau, metric, StoppingState.GreaterIsBetter(plan.Stop.Metric))
            : position.Plateau;
        var report = new EpochReport
        {
            Epoch = epoch,
            StepsDone = version,
            TrainingLoss = trainingLoss,
            Validation = validation,
            Layers = evaluating.Layers,
            LearningRate = plan.LearningRateAt(lastStep, position.Plateau.Reductions),
            Metric = metric,
            IsBest = verdict.IsBest,
            Reason = verdict.Reason,
        };
        return new EpochJudged(
            now, report, verdict.Next, plateau,
            verdict.Stop ?? LimitReached(plan, evaluating, run.State.ElapsedAt(now)));
    }

    private static StopDecision? LimitReached(
        CoordinationPlan plan, RunPhase.Evaluating evaluating, TimeSpan elapsed)
    {
        if (evaluating.Version == plan.Epochs * plan.Dimensions.StepsPerEpoch)
        {
            return new StopDecision(StopKind.EpochsDone, $"all {plan.Epochs} epochs are done");
        }

        if (evaluating.Version == plan.Dimensions.TotalSteps)
        {
            return new StopDecision(
                StopKind.MaxSteps, $"all of {plan.Dimensions.TotalSteps} steps are done");
        }

        return evaluating.Ends == HaltCause.MaxTime || elapsed >= plan.Stop.MaxTime
            ? new StopDecision(StopKind.MaxTime, $"the time of {plan.Stop.MaxTime} is over")
            : null;
    }
}
