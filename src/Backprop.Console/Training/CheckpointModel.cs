using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Engine;
using Backprop.Models;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Console.Training;

/// <summary>The network that a run has come to at a checkpoint, as if it had ended there.</summary>
internal static class CheckpointModel
{
    /// <summary>Makes a model of the checkpoints of a run's networks. The run's data are read
    /// again, since a checkpoint knows no classes and no vocabulary.</summary>
    /// <param name="source">The run.</param>
    /// <param name="plugins">The plug-ins that it may have layers of.</param>
    /// <param name="step">The step that was asked for, for messages; null: the newest.</param>
    /// <exception cref="MistakeException">There is no such checkpoint, or the data are not the
    /// run's any more.</exception>
    /// <exception cref="CheckpointException">The checkpoint is of another run.</exception>
    public static Model Load(RunSource source, LayerPlugins plugins, long? step)
    {
        using PlannedRun planned = SpecificationFile.Plan(source.Specification);
        source.RequireData(planned.Outline);
        var weights = new List<AlignedBuffer>();
        try
        {
            for (int member = 0; member < source.Members; member++)
            {
                weights.Add(WeightsOf(source, planned.Plan.OfMember(member), member, step));
            }

            using var model = TrainedModel.Of(
                planned.Plan with { Specification = source.Specification.ResolvedText },
                [.. weights]);
            using var content = new MemoryStream();
            model.WriteTo(content);
            content.Position = 0;
            return Model.Read(source.Name, content, plugins);
        }
        finally
        {
            weights.ForEach(buffer => buffer.Dispose());
        }
    }

    private static AlignedBuffer WeightsOf(
        RunSource source, TrainingPlan plan, int member, long? step)
    {
        using Checkpoint checkpoint = source.Checkpoint(member, plan)
            ?? throw new MistakeException(step is { } wanted
                ? $"{source.Name} has no checkpoint at or before step {NumberText.Count(wanted)}"
                : $"{source.Name} has no checkpoint yet; a run that has ended has a model");
        checkpoint.RequireOf(plan);
        ReadOnlySpan<float> result = plan.Rules.ResultOf(
            checkpoint.Header.Position.Step, checkpoint.Weights, checkpoint.OptimizerState);
        var weights = new AlignedBuffer(result.Length);
        result.CopyTo(weights.Span);
        return weights;
    }
}
