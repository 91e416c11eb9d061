using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;

namespace Backprop.Training;

/// <summary>Keeps a run's time, and its checkpoints when they are due. Nothing but
/// <see cref="StopRules.MaxTime"/> lets time into a result.</summary>
internal sealed class RunClock
{
    private readonly TimeProvider _time;
    private readonly RunState _run;
    private readonly CheckpointPolicy? _policy;
    private readonly IDigestLog? _digests;
    private readonly TimeSpan _before;
    private readonly long _started;
    private long _savedAt;
    private long _savedStep;
    private long _savedEpochs;

    public RunClock(
        TimeProvider time, RunState run, CheckpointPolicy? policy, IDigestLog? digests)
    {
        _time = time;
        _run = run;
        _policy = policy;
        _digests = digests;
        _before = run.Elapsed;
        _started = _savedAt = time.GetTimestamp();
        _savedStep = run.Step;
        _savedEpochs = run.History.Count;
    }

    /// <summary>Time spent on the run, that before a resumption included.</summary>
    public TimeSpan Elapsed => _before + _time.GetElapsedTime(_started);

    /// <summary>Keeps a checkpoint if the policy says so; called between two steps.</summary>
    public void SaveIfDue()
    {
        if (_policy is null)
        {
            return;
        }

        bool due = _run.Step - _savedStep >= _policy.EverySteps
            || _run.History.Count - _savedEpochs >= _policy.EveryEpochs
            || _time.GetElapsedTime(_savedAt) >= _policy.Interval;
        if (due)
        {
            Save(_policy.Store);
        }
    }

    /// <summary>Stops the clock, and keeps a checkpoint of where the run has come to.</summary>
    public void Finish()
    {
        _run.Elapsed = Elapsed;
        if (_policy is not null)
        {
            Save(_policy.Store);
        }
        else
        {
            _digests?.Flush();
        }
    }

    private void Save(ICheckpointStore store)
    {
        _run.Elapsed = Elapsed;
        _digests?.Flush();
        store.Save(_run.Borrow());
        _savedAt = _time.GetTimestamp();
        _savedStep = _run.Step;
        _savedEpochs = _run.History.Count;
    }
}
