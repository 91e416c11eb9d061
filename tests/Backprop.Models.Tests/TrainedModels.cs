using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Ensembles;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Specification;

namespace Backprop.Models.Tests;

/// <summary>Models that a run of the repository has trained for some epochs, or steps.</summary>
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

    /// <summary>The model of a run file after a few steps. Images that are not in the repository
    /// are drawn.</summary>
    public static Model AfterSteps(string file, int steps)
    {
        RunSpecification run = RunFiles.Read(file);
        using PlannedRun planned = RunPlanner.Plan(run, new DataAtHand(), long.MaxValue);
        TrainingPlan plan = planned.Plan with
        {
            Validation = null,
            Test = null,
            Stop = new StopRules(StopMetric.TrainingLoss, MaxSteps: steps),
        };
        using var pool = new ComputePool(1);
        using var trainer = new EnsembleTrainer(plan, run.Members, pool, TimeProvider.System);
        trainer.Run(_ => new MemberRun(new Unheard()), CancellationToken.None);
        return ModelOf(trainer, run);
    }

    private sealed class DataAtHand : IDataSourceOpener
    {
        private const int Images = 256;
        private readonly DataSourceOpener _opener = new(RepositoryPaths.Root);

        public IDataset Open(DataSource source, IDataset? train)
        {
            if (source is not DataSource.Idx { Options: var options }
                || !options.Shards[0].Images.StartsWith(
                    "data/fashion-mnist/", StringComparison.Ordinal))
            {
                return _opener.Open(source, train);
            }

            var shape = Shape.Of(28, 28);
            var random = new Random(1);
            ImmutableArray<string> classes =
                options.Classes ?? ((TargetSchema.Class)train!.Target).Classes;
            return new InMemoryDataset(
                options.Shards[0].Images, shape, new TargetSchema.Class(classes),
                [.. Enumerable.Range(0, Images * shape.Count).Select(_ => (float)random.Next(256))],
                [.. Enumerable.Range(0, Images).Select(image => (float)(image % classes.Length))]);
        }

        public ITensorFile OpenTensors(string file) => _opener.OpenTensors(file);
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
