namespace Backprop.Training.Tests;

/// <summary>Keeps what it hears, and interrupts the run after a step of the test's choice.
/// </summary>
internal sealed class RecordingObserver(long? interruptAfterStep = null)
    : ITrainingObserver, IDisposable
{
    private readonly CancellationTokenSource _interruption = new();

    public CancellationToken Interruption => _interruption.Token;

    public List<StepReport> Steps { get; } = [];

    public List<EpochReport> Epochs { get; } = [];

    public TrainingResult? Stopped { get; private set; }

    public void OnStep(in StepReport report)
    {
        Steps.Add(report);
        if (report.Step == interruptAfterStep)
        {
            _interruption.Cancel();
        }
    }

    public void OnEpoch(EpochReport report) => Epochs.Add(report);

    public void OnStopped(TrainingResult result) => Stopped = result;

    public void Dispose() => _interruption.Dispose();
}
