using Backprop.Training;

namespace Backprop.Console.Rendering;

/// <summary>Where a run stands, for whoever shows it.</summary>
/// <param name="StepsDone">Steps of the run that are done.</param>
/// <param name="RowsSeen">Training rows since this process took the run up.</param>
/// <param name="StepsSeen">Steps since this process took the run up.</param>
/// <param name="Loss">A smoothed loss of the last steps; NaN before the first.</param>
/// <param name="LastEpoch">The last epoch that ended; null: none yet.</param>
internal readonly record struct ProgressSnapshot(
    long StepsDone, long RowsSeen, long StepsSeen, double Loss, EpochReport? LastEpoch);

/// <summary>Takes note of a run's progress on the thread that trains, and is read by the one that
/// shows it.</summary>
internal sealed class TrainingProgress : ITrainingObserver
{
    // About the last fifty steps.
    private const double Smoothing = 0.98;

    private long _stepsDone;
    private long _rowsSeen;
    private long _stepsSeen;
    private double _loss = double.NaN;
    private EpochReport? _lastEpoch;

    /// <summary>The newest values, each whole; they may be of steps next to each other.</summary>
    public ProgressSnapshot Snapshot => new(
        Volatile.Read(ref _stepsDone), Volatile.Read(ref _rowsSeen),
        Volatile.Read(ref _stepsSeen), Volatile.Read(ref _loss), Volatile.Read(ref _lastEpoch));

    /// <inheritdoc/>
    public void OnStep(in StepReport report)
    {
        double loss = double.IsNaN(_loss)
            ? report.Loss
            : (Smoothing * _loss) + ((1 - Smoothing) * report.Loss);
        Volatile.Write(ref _loss, loss);
        Volatile.Write(ref _stepsDone, report.Step + 1);
        Volatile.Write(ref _rowsSeen, _rowsSeen + report.Rows);
        Volatile.Write(ref _stepsSeen, _stepsSeen + 1);
    }

    /// <inheritdoc/>
    public void OnEpoch(EpochReport report) => Volatile.Write(ref _lastEpoch, report);

    /// <inheritdoc/>
    public void OnStopped(TrainingResult result)
    {
    }
}
