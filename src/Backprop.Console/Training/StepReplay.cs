using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Specification;

namespace Backprop.Console.Training;

/// <summary>What is computed again.</summary>
internal sealed record ReplayRequest
{
    /// <summary>The run, with the newest checkpoint at or before the first step.</summary>
    public required RunSource Source { get; init; }

    /// <summary>The run's name, for people.</summary>
    public string Name => Source.Name;

    /// <summary>Which network of an ensemble; 0 where there is one.</summary>
    public required int Member { get; init; }

    /// <summary>The first step to show.</summary>
    public required long First { get; init; }

    /// <summary>The last step to compute.</summary>
    public required long Last { get; init; }

    /// <summary>The digests on record, by version.</summary>
    public required IReadOnlyList<VersionDigest> Recorded { get; init; }
}

/// <summary>A step that was computed again.</summary>
/// <param name="Step">The step.</param>
/// <param name="Loss">Mean loss of its rows.</param>
/// <param name="Digest">Of the version that it made.</param>
/// <param name="Recorded">What is on record of that; not there: nothing.</param>
internal readonly record struct ReplayedStep(
    long Step, double Loss, VersionDigest Digest, VersionDigest Recorded)
{
    /// <summary>Whether it came to other bits.</summary>
    public bool Differs => Recorded.IsThere && Recorded != Digest;
}

/// <summary>Computes steps of a run again, in one process, from the newest checkpoint before them,
/// and holds every version on the way against its record.</summary>
internal sealed class StepReplay : IDigestLog, ITrainingObserver, IDisposable
{
    private readonly ReplayRequest _request;
    private readonly Action<long> _begun;
    private readonly Action<ReplayedStep> _computed;
    private readonly CancellationTokenSource _enough;
    private double _loss;
    private long? _start;

    /// <summary>Of steps.</summary>
    /// <param name="request">Which.</param>
    /// <param name="begun">Told the version that it begins with.</param>
    /// <param name="computed">Told of every step from the first on, and of those before it that
    /// differ.</param>
    /// <param name="cancellation">Interrupts between two steps.</param>
    public StepReplay(
        ReplayRequest request, Action<long> begun, Action<ReplayedStep> computed,
        CancellationToken cancellation)
    {
        _request = request;
        _begun = begun;
        _computed = computed;
        _enough = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <summary>Whether the version that it began with has another digest than on record.</summary>
    public bool StartDiffers { get; private set; }

    /// <summary>Computes.</summary>
    /// <exception cref="MistakeException">The run has no such steps, or the data here are not
    /// its.</exception>
    public TrainingResult Run(int threads, TimeProvider time)
    {
        using PlannedRun planned = SpecificationFile.Plan(_request.Source.Specification);
        _request.Source.RequireData(planned.Outline);
        TrainingPlan plan = planned.Plan.OfMember(_request.Member) with
        {
            // How long it took then says nothing of how long it may take now.
            Stop = planned.Plan.Stop with { MaxTime = null },
        };
        long steps = RunExtent.Of(plan).TotalSteps;
        if (_request.Last >= steps)
        {
            throw new MistakeException(
                $"{_request.Name} has no step {_request.Last}: its {steps} steps are 0 to"
                + $" {steps - 1}");
        }

        using Checkpoint? start = _request.Source.Checkpoint(_request.Member, plan);
        using var pool = new ComputePool(threads);
        using var trainer = new SingleProcessTrainer(plan, pool, time) { Digests = this };
        if (start is not null)
        {
            trainer.Resume(start);
        }

        return trainer.Run(this, null, _enough.Token);
    }

    /// <inheritdoc/>
    public void Record(long version, VersionDigest digest)
    {
        VersionDigest recorded =
            version < _request.Recorded.Count ? _request.Recorded[(int)version] : default;
        var step = new ReplayedStep(version - 1, _loss, digest, recorded);
        if (_start is null)
        {
            _start = version;
            StartDiffers = step.Differs;
            _begun(version);
        }
        else if (step.Step >= _request.First || step.Differs)
        {
            _computed(step);
        }

        if (step.Step >= _request.Last)
        {
            _enough.Cancel();
        }
    }

    /// <inheritdoc/>
    public void Flush()
    {
        // Nothing is kept.
    }

    /// <inheritdoc/>
    public void OnStep(in StepReport report) => _loss = report.Loss;

    /// <inheritdoc/>
    public void OnEpoch(EpochReport report)
    {
        // Epochs on the way are judged as they were then, which the learning rate may depend on.
    }

    /// <inheritdoc/>
    public void OnStopped(TrainingResult result)
    {
        // The caller has it.
    }

    /// <inheritdoc/>
    public void Dispose() => _enough.Dispose();
}
