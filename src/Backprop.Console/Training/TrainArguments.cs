namespace Backprop.Console.Training;

/// <summary>What <c>backprop train</c> was asked for.</summary>
/// <param name="Specification">The file.</param>
/// <param name="Resume">Go on from a checkpoint.</param>
/// <param name="Restart">Discard the checkpoints of an interrupted run.</param>
/// <param name="Output">The run's directory; null: by the run's name.</param>
/// <param name="Summary">A second place for the summary; null: none.</param>
internal sealed record TrainArguments(
    string Specification, bool Resume, bool Restart, string? Output, string? Summary);
