using Backprop.Console.Rendering;

namespace Backprop.Console.Training;

/// <summary>A run of <c>backprop train</c> as it is shown. May be read from any thread.</summary>
internal interface ITrainingSession
{
    /// <summary>How far the run goes; null: its data are still being opened.</summary>
    RunExtent? Extent { get; }

    /// <summary>Where the network that is being trained stands.</summary>
    ProgressSnapshot Progress { get; }

    /// <summary>Trains until the run ends or is interrupted, on the calling thread.</summary>
    TrainingOutcome Run(CancellationToken cancellation);
}
