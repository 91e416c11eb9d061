using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Metrics;

namespace Backprop.Training.Ensembles;

/// <summary>What an ensemble came to.</summary>
/// <param name="Members">Each member's own result, in the order of their seeds.</param>
/// <param name="Validation">The averaged outputs on the validation part; null: there is none, or
/// the run was interrupted.</param>
/// <param name="Test">The averaged outputs on the test part; null: there is none, or the run was
/// interrupted.</param>
public sealed record EnsembleResult(
    ImmutableArray<TrainingResult> Members, EvaluationMetrics? Validation,
    EvaluationMetrics? Test);

/// <summary>What a member of an ensemble is run with.</summary>
/// <param name="Observer">Hears of its progress.</param>
/// <param name="Checkpoints">When and where to keep its checkpoints; null: never.</param>
/// <param name="ResumeFrom">Where it stands already; null: it starts. The caller disposes it.
/// </param>
/// <param name="Digests">Where the digests of its versions are kept; null: none are taken. The
/// caller disposes it.</param>
public sealed record MemberRun(
    ITrainingObserver Observer, CheckpointPolicy? Checkpoints = null,
    Checkpoint? ResumeFrom = null, IDigestLog? Digests = null);

/// <summary>
/// Trains one plan with several seeds, one after the other, on the same parts of the data, and
/// judges the average: of probabilities for classes, of outputs for values. Hansen and Salamon,
/// "Neural network ensembles", 1990.
/// </summary>
public sealed class EnsembleTrainer : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly ComputePool _pool;
    private readonly TimeProvider _time;
    private readonly List<AlignedBuffer> _weights = [];

    /// <summary>An ensemble of <paramref name="members"/> networks: member k is the plan with the
    /// seed + k.</summary>
    /// <param name="plan">What to train.</param>
    /// <param name="members">How many networks.</param>
    /// <param name="pool">The threads to compute with; the caller's to dispose.</param>
    /// <param name="time">As for <see cref="SingleProcessTrainer"/>.</param>
    /// <exception cref="ArgumentException">The plan cannot be run; the message says why.
    /// </exception>
    public EnsembleTrainer(
        TrainingPlan plan, int members, ComputePool pool, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(members, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(members, TrainedModel.MaxMembers);
        PlanCheck.Require(plan);
        _plan = plan;
        _pool = pool;
        _time = time;
        Members = members;
    }

    /// <summary>How many networks.</summary>
    public int Members { get; }

    /// <summary>Trains the members one after the other, until all have ended or one is interrupted.
    /// </summary>
    /// <param name="runOf">What a member is run with.</param>
    /// <param name="cancellation">Interrupts between two steps.</param>
    /// <exception cref="CheckpointException">A checkpoint could not be kept, or is of another plan.
    /// </exception>
    public EnsembleResult Run(Func<int, MemberRun> runOf, CancellationToken cancellation)
    {
        ForgetWeights();
        var results = ImmutableArray.CreateBuilder<TrainingResult>(Members);
        bool isInterrupted;
        do
        {
            // An interruption between two members is the next one's, before its first step.
            results.Add(TrainMember(results.Count, runOf(results.Count), cancellation));
            isInterrupted = results[^1].Stop.Kind == StopKind.Interrupted;
        }
        while (results.Count < Members && !isInterrupted);

        bool isWhole = !isInterrupted;
        return isWhole
            ? new EnsembleResult(
                results.ToImmutable(), Evaluate(_plan.Validation), Evaluate(_plan.Test))
            : new EnsembleResult(results.ToImmutable(), null, null);
    }

    /// <summary>A copy of the members' final weights with what it takes to use them; the caller
    /// disposes it.</summary>
    /// <exception cref="InvalidOperationException">No member was trained.</exception>
    public TrainedModel Model() => _weights.Count > 0
        ? TrainedModel.Of(_plan, [.. _weights])
        : throw new InvalidOperationException("no member of the ensemble was trained yet");

    /// <inheritdoc/>
    public void Dispose() => ForgetWeights();

    private TrainingResult TrainMember(
        int member, MemberRun run, CancellationToken cancellation)
    {
        using var trainer = new SingleProcessTrainer(_plan.OfMember(member), _pool, _time)
        {
            Digests = run.Digests,
        };
        if (run.ResumeFrom is { } checkpoint)
        {
            trainer.Resume(checkpoint);
        }

        TrainingResult result = trainer.Run(run.Observer, run.Checkpoints, cancellation);
        _weights.Add(RunState.CopyOf(trainer.FinalWeights));
        return result;
    }

    private EvaluationMetrics? Evaluate(IDataset? samples)
    {
        if (samples is null)
        {
            return null;
        }

        using var backend = new NetworkExecutor(
            _plan.Network, _plan.Loss, MetricsAccumulator.MicroBatchRows, 1, _pool);
        var evaluator = new Evaluator(backend, _plan.Loss, TargetReading.For(_plan));
        return evaluator.Evaluate(samples, [.. _weights]);
    }

    private void ForgetWeights()
    {
        _weights.ForEach(weights => weights.Dispose());
        _weights.Clear();
    }
}
