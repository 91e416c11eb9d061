using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;

namespace Backprop.Training.Simulation;

/// <summary>What the single process makes of a run: every version, every epoch, the result.
/// </summary>
internal sealed class Oracle : ICheckpointStore, ITrainingObserver
{
    private readonly Dictionary<long, OracleVersion> _versions = [];
    private readonly List<EpochReport> _epochs = [];
    private readonly UpdateRules _rules;

    private Oracle(TrainingPlan plan, ComputePool pool)
    {
        _rules = plan.Rules;
        using (var first = new Engine.AlignedBuffer(plan.Network.Layout.Length))
        {
            plan.Network.InitializeWeights(plan.Seed, first);
            var state = new float[plan.Network.Layout.Length * plan.Rules.StateCount];
            _versions.Add(0, new OracleVersion(first.Span.ToArray(), state, null));
        }

        using var trainer = new SingleProcessTrainer(plan, pool, new StandingClock());
        Result = trainer.Run(
            this, new CheckpointPolicy(this, EveryEpochs: null, EverySteps: 1), default);
    }

    /// <summary>What the run comes to.</summary>
    public TrainingResult Result { get; }

    /// <summary>The reports of the epochs.</summary>
    public IReadOnlyList<EpochReport> Epochs => _epochs;

    /// <summary>Trains a run.</summary>
    public static Oracle Of(TrainingPlan plan, ComputePool pool) => new(plan, pool);

    /// <summary>What a version is; null: the run never makes it.</summary>
    public OracleVersion? Version(long version) => _versions.GetValueOrDefault(version);

    void ICheckpointStore.Save(Checkpoint checkpoint) =>
        _versions[checkpoint.Header.Position.Step] = new OracleVersion(
            checkpoint.Weights.Span.ToArray(), checkpoint.OptimizerState.Span.ToArray(),
            checkpoint.BestWeights?.Span.ToArray())
        {
            Result = _rules.ResultOf(
                checkpoint.Header.Position.Step, checkpoint.Weights, checkpoint.OptimizerState)
                .ToArray(),
        };

    Checkpoint? ICheckpointStore.Load() => null;

    void ITrainingObserver.OnStep(in StepReport report)
    {
    }

    void ITrainingObserver.OnEpoch(EpochReport report) => _epochs.Add(report);

    void ITrainingObserver.OnStopped(TrainingResult result)
    {
    }

    private sealed class StandingClock : TimeProvider
    {
        public override long GetTimestamp() => 0;
    }
}

/// <summary>A version of a run in the single process.</summary>
/// <param name="Weights">[length].</param>
/// <param name="State">[states · length].</param>
/// <param name="Best">[length]: the best weights as of it; null: no epoch was judged.</param>
internal sealed record OracleVersion(float[] Weights, float[] State, float[]? Best)
{
    /// <summary>[length]: what the run has come to at it: see <see cref="UpdateRules.ResultOf"/>.
    /// </summary>
    public float[] Result { get; init; } = Weights;
}
