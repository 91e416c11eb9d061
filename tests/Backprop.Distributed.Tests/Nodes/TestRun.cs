using Backprop.Data.Sources;
using Backprop.Distributed.Nodes;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A small run with enough parameters for three slices, and what a single process makes of
/// it.</summary>
internal static class TestRun
{
    public const string Specification = """
        name = tiny
        seed = 11
        data {
          train { generated { moons { samples = 90, noise = 0.2, seed = 1 } } }
          validation { generated { moons { samples = 300, noise = 0.2, seed = 2 } } }
          test { generated { moons { samples = 40, noise = 0.2, seed = 3 } } }
          normalize = standard
        }
        model = [
          { dense { units = 300, activation = relu } }
          { dropout { rate = 0.2 } }
          { dense { units = 300, activation = tanh } }
          { dense { units = 300, activation = relu } }
          { dense { units = 2, name = output } }
        ]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 0.01 } }
        clip { norm = 0.5 }
        batch-size = 32, micro-batches = 5, epochs = 4
        """;

    private static readonly PlannedRun s_planned =
        RunPlanner.Plan(Read(Specification), new DataSourceOpener(), long.MaxValue);

    private static readonly List<VersionDigest> s_digests = [];

    private static readonly Lazy<TrainingResult> s_oracle = new(Train);

    public static RunId Id { get; } = new("tiny-1");

    public static TrainingPlan Plan => s_planned.Plan;

    public static RunSetup Setup { get; } = new(Id, Specification, s_planned.Outline);

    public static long StepsPerEpoch => RunDimensions.Of(Plan).StepsPerEpoch;

    public static TrainingResult Oracle => s_oracle.Value;

    /// <summary>The digests of the versions that a single process makes, from version 0 on.
    /// </summary>
    public static IReadOnlyList<VersionDigest> Digests
    {
        get
        {
            _ = s_oracle.Value;
            return s_digests;
        }
    }

    public static CoordinationOptions Options { get; } = new()
    {
        ResendAfter = TimeSpan.FromMilliseconds(200),
        RepeatAfter = TimeSpan.FromSeconds(1),
        CheckpointRetry = TimeSpan.FromMilliseconds(200),
    };

    /// <summary>What a worker with the data would make of a specification.</summary>
    public static RunSetup SetupOf(string specification, LayerPlugins? plugins = null)
    {
        using PlannedRun planned = RunPlanner.Plan(
            Read(specification, plugins), new DataSourceOpener(), long.MaxValue);
        return new RunSetup(Id, specification, planned.Outline);
    }

    public static RunSpecification Read(string text, LayerPlugins? plugins = null) =>
        RunSpecificationReader.Read(text, "test", plugins: plugins);

    /// <summary>What a single process makes of a specification.</summary>
    public static TrainingResult Train(string specification)
    {
        using PlannedRun planned = RunPlanner.Plan(
            Read(specification), new DataSourceOpener(), long.MaxValue);
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(planned.Plan, pool, TimeProvider.System);
        return trainer.Run(new SilentObserver(), null, CancellationToken.None);
    }

    private static TrainingResult Train()
    {
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(Plan, pool, TimeProvider.System)
        {
            Digests = new DigestList(),
        };
        return trainer.Run(new SilentObserver(), null, CancellationToken.None);
    }

    private sealed class DigestList : IDigestLog
    {
        public void Record(long version, VersionDigest digest)
        {
            Assert.Equal(s_digests.Count, version);
            s_digests.Add(digest);
        }

        public void Flush()
        {
        }
    }

    public sealed class SilentObserver : ITrainingObserver
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
}
