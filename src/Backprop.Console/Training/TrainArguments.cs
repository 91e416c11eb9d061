namespace Backprop.Console.Training;

/// <summary>What <c>backprop train</c> was asked for.</summary>
/// <param name="Specification">The file.</param>
/// <param name="Resume">Go on from a checkpoint.</param>
/// <param name="Restart">Discard the checkpoints of an interrupted run.</param>
/// <param name="Output">The run's directory; null: by the run's name.</param>
/// <param name="Summary">A second place for the summary; null: none.</param>
/// <param name="Cluster">Workers and parameter servers in this process; null: neither, one loop
/// trains.</param>
internal sealed record TrainArguments(
    string Specification, bool Resume, bool Restart, string? Output, string? Summary,
    EmbeddedSize? Cluster);

/// <summary>How many actors train in this process.</summary>
/// <param name="Workers">Workers.</param>
/// <param name="ParameterServers">Parameter servers.</param>
internal sealed record EmbeddedSize(int Workers, int ParameterServers);
