using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>What a simulation came to.</summary>
/// <param name="Seed">Repeats it.</param>
/// <param name="Failure">What must not be, in words; null: the run has ended in the single
/// process's bits, and nothing was wrong on the way.</param>
/// <param name="Trace">The latest that happened, a line each; empty where none was asked for.
/// </param>
/// <param name="Events">What has happened to the run, as it was stored.</param>
/// <param name="Statistics">How often what happened.</param>
public sealed record SimulationOutcome(
    ulong Seed, string? Failure, IReadOnlyList<string> Trace, IReadOnlyList<RunEvent> Events,
    SimulationStatistics Statistics);
