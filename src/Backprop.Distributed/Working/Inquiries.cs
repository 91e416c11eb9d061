using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Working;

/// <summary>What a worker finds out for a coordinator: what data come to, and what a checkpoint's
/// weights do. It takes long, so it is for a thread of its own; every failure is an answer.
/// </summary>
internal sealed class Inquiries(NodeContext context)
{
    /// <summary>Opens a run's data and says what they come to.</summary>
    public OutlineAnswer Answer(OutlineRequest request)
    {
        try
        {
            RunSpecification run = RunSpecificationReader.Read(
                request.Specification, "the specification", fileRefusal: context.FileRefusal,
                plugins: context.Plugins);
            if (ClusterRules.Refusal(run) is { } refusal)
            {
                throw new SpecificationException([refusal]);
            }

            using PlannedRun planned = RunPlanner.Plan(
                run, context.Data, context.MemoryLimitBytes);
            return new OutlineAnswer(
                request.Run, context.Node, planned.Outline, null);
        }
        catch (Exception failure)
        {
            return new OutlineAnswer(
                request.Run, context.Node, null, $"{context.Node}: {failure.Message}");
        }
    }

    /// <summary>Reads a checkpoint, says what its weights come to, and stores the trained model.
    /// </summary>
    public ExaminationAnswer Answer(ExaminationRequest request)
    {
        try
        {
            (FinalExamination found, StoredFile model) = Examine(request);
            return new ExaminationAnswer(request.Setup.Run, context.Node, found, model, null);
        }
        catch (Exception failure)
        {
            return new ExaminationAnswer(
                request.Setup.Run, context.Node, null, null,
                $"{context.Node}: {failure.Message}")
            {
                IsDamaged = failure is CheckpointException { IsDamage: true },
            };
        }
    }

    private (FinalExamination Found, StoredFile Model) Examine(ExaminationRequest request)
    {
        CheckpointManifest manifest = request.Manifest;
        if (request.UseBest && manifest.BestVersion is null)
        {
            throw new CheckpointException(
                $"checkpoint {manifest.Version} of run {request.Setup.Run} has no best weights");
        }

        KnownRun known = KnownRun.Of(request.Setup, context.Plugins);
        using PlannedRun planned = RunPlanner.Plan(
            known.Specification, context.Data, context.MemoryLimitBytes);
        TrainingPlan plan = planned.Plan;
        RunComputation.RequireEqual(request.Setup.Outline, planned);
        ParameterLayout layout = plan.Network.Layout;
        var cut = new PieceCut(
            layout.Length, plan.Rules.StateCount, manifest.BestVersion is not null);
        using var weights = new AlignedBuffer(layout.Length);
        using var state = new AlignedBuffer(layout.Length * plan.Rules.StateCount);
        using AlignedBuffer? best = cut.HasBest ? new AlignedBuffer(layout.Length) : null;
        var content = new SliceContent(cut, 0, cut.BlockCount, weights, state, best);
        context.Checkpoints
            .RestoreAsync(
                request.Setup.Run, manifest.Version, manifest.Parts, content,
                CancellationToken.None)
            .GetAwaiter().GetResult();
        using var final = new AlignedBuffer(layout.Length);
        ReadOnlySpan<float> result = request.UseBest
            ? best!.Span
            : plan.Rules.ResultOf(manifest.Version, weights, state);
        result.CopyTo(final.Span);
        StoredFile model = Store(request, plan, known.Specification.ResolvedText, final);
        (EvaluationMetrics? validation, EvaluationMetrics? test) = Evaluate(plan, final);
        return (
            new FinalExamination(
                manifest.Version, WeightsDigest.OfWeights(layout, final),
                WeightsDigest.OfState(layout, weights, state), validation, test,
                ClusterRules.NotesOf(known.Specification)),
            model);
    }

    private (EvaluationMetrics? Validation, EvaluationMetrics? Test) Evaluate(
        TrainingPlan plan, AlignedBuffer weights)
    {
        using var pool = new ComputePool(context.Threads);
        using var backend = new NetworkExecutor(
            plan.Network, plan.Loss, MetricsAccumulator.MicroBatchRows, 1, pool);
        var evaluator = new Evaluator(backend, plan.Loss, TargetReading.For(plan));
        return (
            plan.Validation is { } validation ? evaluator.Evaluate(validation, weights) : null,
            plan.Test is { } test ? evaluator.Evaluate(test, weights) : null);
    }

    // The model is used without the files that its specification includes, so it holds what they
    // said.
    private StoredFile Store(
        ExaminationRequest request, TrainingPlan plan, string specification, AlignedBuffer weights)
    {
        using TrainedModel model = TrainedModel.Of(
            plan with { Specification = specification }, weights);
        using var content = new MemoryStream();
        model.WriteTo(content);
        return context.Models
            .SaveAsync(
                $"model/{request.Setup.Run}",
                content.GetBuffer().AsMemory(0, (int)content.Length), CancellationToken.None)
            .GetAwaiter().GetResult();
    }
}
