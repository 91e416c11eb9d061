using Backprop.Data.Sources;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Ensembles;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Specification;

namespace Backprop.Models.Tests;

/// <summary>Models that a run of the repository has trained for some epochs.</summary>
internal static class TrainedModels
{
    /// <summary>The model of a run file.</summary>
    public static Model Of(string file, int epochs)
    {
        RunSpecification run = RunFiles.Read(file) with { Epochs = epochs };
        using PlannedRun planned = RunPlanner.Plan(
            run, new DataSourceOpener(RepositoryPaths.Root), long.MaxValue);
        using var pool = new ComputePool(1);
        using var trainer = new EnsembleTrainer(
            planned.Plan, run.Members, pool, TimeProvider.System);
        trainer.Run(_ => new MemberRun(new Unheard()), CancellationToken.None);
        return ModelOf(trainer, run);
    }

    private sealed class Unheard : ITrainingObserver
    {
        public void OnStep(in StepReport report)
        {
        }

        public void OnEpoch(EpochReport report)
        {
        }

        public void OnStopped(TrainingResult result)
        {
        }
    }

    private static Model ModelOf(EnsembleTrainer trainer, RunSpecification run)
    {
        using TrainedModel trained = trainer.Model();
        var whole = new TrainedModel(
            trained.Header with { Specification = run.ResolvedText }, trained.Members);
        using var stream = new MemoryStream();
        whole.WriteTo(stream);
        stream.Position = 0;
        return Model.Read("model.bpm", stream);
    }
}
