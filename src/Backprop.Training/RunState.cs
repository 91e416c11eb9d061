using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Schedules;
using Backprop.Training.Checkpoints;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>
/// What changes while a run trains: two versions of the weights, the optimizer's state with the
/// average of the weights, the best weights, and the position. A checkpoint is a copy of it.
/// </summary>
internal sealed class RunState : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly AlignedBuffer _bestWeights;
    private readonly AlignedBuffer? _average;
    private readonly ImmutableArray<EpochReport>.Builder _history =
        ImmutableArray.CreateBuilder<EpochReport>();

    private bool _previousIsKept;

    public RunState(TrainingPlan plan, int stateLength)
    {
        _plan = plan;
        ParameterLayout layout = plan.Network.Layout;
        Weights = new AlignedBuffer(layout.Length);
        NextWeights = new AlignedBuffer(layout.Length);
        _bestWeights = new AlignedBuffer(layout.Length);
        OptimizerState = new AlignedBuffer(stateLength);
        _average = plan.Averaging is null ? null : new AlignedBuffer(layout.Length);
        plan.Network.InitializeWeights(plan.Seed, Weights);
    }

    /// <summary>[length]: version <see cref="Step"/>.</summary>
    public AlignedBuffer Weights { get; private set; }

    /// <summary>[length]: where the next version goes; until then, the version before.</summary>
    public AlignedBuffer NextWeights { get; private set; }

    /// <summary>[states · length].</summary>
    public AlignedBuffer OptimizerState { get; }

    /// <summary>The weights of the best epoch; null: none was evaluated.</summary>
    public AlignedBuffer? BestWeights => Stopping.BestEpoch is null ? null : _bestWeights;

    /// <summary>Whether the run's weights are those of its best epoch.</summary>
    public bool FinalIsBest => _plan.Stop.Patience is not null && BestWeights is not null;

    /// <summary>What the run has come to: see <see cref="SingleProcessTrainer"/>.</summary>
    public AlignedBuffer FinalWeights => FinalIsBest ? _bestWeights : CurrentResult();

    /// <summary>What the end of an epoch is judged by: the weights, or their average.</summary>
    public AlignedBuffer JudgedWeights =>
        _plan.Averaging is { EvaluatesEpochs: true } ? CurrentResult() : Weights;

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Sum of the rows' losses in the epoch.</summary>
    public double EpochLossSum { get; private set; }

    /// <summary>Rows of the epoch so far.</summary>
    public long EpochRows { get; private set; }

    /// <summary>Training rows so far.</summary>
    public long RunRows { get; private set; }

    /// <summary>What early stopping remembers.</summary>
    public StoppingState Stopping { get; private set; } = StoppingState.Initial;

    /// <summary>What has been seen of a plateau.</summary>
    public PlateauState Plateau { get; private set; } = PlateauState.Initial;

    /// <summary>Notes for the result.</summary>
    public ImmutableArray<string> Notes { get; set; } = [];

    /// <summary>Time spent, as of the last checkpoint or interruption.</summary>
    public TimeSpan Elapsed { get; set; }

    /// <summary>Why the run has ended; null: it has not.</summary>
    public StopDecision? Ended { get; set; }

    /// <summary>The reports of the epochs.</summary>
    public IReadOnlyList<EpochReport> History => _history;

    /// <summary>Takes the next version for the weights.</summary>
    public void Advance(double lossSum, int rows)
    {
        (Weights, NextWeights) = (NextWeights, Weights);
        _previousIsKept = true;
        Step++;
        EpochLossSum += lossSum;
        EpochRows += rows;
        RunRows += rows;
    }

    /// <summary>Closes the books of an epoch: keeps its weights if they are the best, and shows
    /// its metric to the schedule if that wants to see it.</summary>
    public void EndEpoch(EpochVerdict verdict, EpochReport report)
    {
        Stopping = verdict.Next;
        if (_plan.Schedule.Plateau is { } rule)
        {
            Plateau = PlateauDetector.Observe(
                rule, Plateau, report.Metric, StoppingState.GreaterIsBetter(_plan.Stop.Metric));
        }

        if (verdict.IsBest)
        {
            CurrentResult().Span.CopyTo(_bestWeights.Span);
        }

        _history.Add(report);
        EpochLossSum = 0;
        EpochRows = 0;
    }

    /// <summary>Goes back to the version before if the weights are not finite: a step may make
    /// such ones though its gradient was finite, and then those it read are the last good ones.
    /// </summary>
    public void KeepLastGoodWeights()
    {
        if (_previousIsKept && !WeightsAreFinite())
        {
            (Weights, NextWeights) = (NextWeights, Weights);
            _previousIsKept = false;
            Step--;
        }
    }

    /// <summary>Whether every weight is a number.</summary>
    public bool WeightsAreFinite()
    {
        foreach (float weight in Weights.Span)
        {
            if (!float.IsFinite(weight))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>A checkpoint over the very buffers of the run: good until the next step.</summary>
    public Checkpoint Borrow() => new(Header(), Weights, OptimizerState, BestWeights);

    /// <summary>Takes everything from a checkpoint.</summary>
    /// <exception cref="CheckpointException">It belongs to another plan.</exception>
    public void Restore(Checkpoint checkpoint)
    {
        checkpoint.RequireOf(_plan);
        TrainingPosition position = checkpoint.Header.Position;
        checkpoint.Weights.Span.CopyTo(Weights.Span);
        checkpoint.OptimizerState.Span.CopyTo(OptimizerState.Span);
        checkpoint.BestWeights?.Span.CopyTo(_bestWeights.Span);
        _previousIsKept = false;
        Step = position.Step;
        EpochLossSum = position.EpochLossSum;
        EpochRows = position.EpochRows;
        RunRows = position.RunRows;
        Stopping = position.Stopping;
        Plateau = position.Plateau;
        Notes = position.Notes;
        Elapsed = position.Elapsed;
        Ended = position.Ended;
        _history.Clear();
        _history.AddRange(position.History);
    }

    public void Dispose()
    {
        Weights.Dispose();
        NextWeights.Dispose();
        _bestWeights.Dispose();
        _average?.Dispose();
        OptimizerState.Dispose();
    }

    internal static AlignedBuffer CopyOf(AlignedBuffer source)
    {
        var copy = new AlignedBuffer(source.Length);
        source.Span.CopyTo(copy.Span);
        return copy;
    }

    // What the run would come to if it ended now, its best epoch aside.
    private AlignedBuffer CurrentResult()
    {
        if (_average is null)
        {
            return Weights;
        }

        _plan.Rules.ResultOf(Step, Weights, OptimizerState).CopyTo(_average.Span);
        return _average;
    }

    private CheckpointHeader Header()
    {
        ParameterLayout layout = _plan.Network.Layout;
        PlanIdentity identity = PlanIdentity.Of(_plan);
        return new CheckpointHeader(
            _plan.Name, identity, identity.Fingerprint(), Position(), StoredParameter.Of(layout),
            layout.Length, _plan.Rules.StateCount, BestWeights is not null);
    }

    private TrainingPosition Position() => new()
    {
        Step = Step,
        EpochLossSum = EpochLossSum,
        EpochRows = EpochRows,
        RunRows = RunRows,
        Stopping = Stopping,
        Plateau = Plateau,
        History = _history.ToImmutable(),
        Notes = Notes,
        Elapsed = Elapsed,
        Ended = Ended,
    };
}
