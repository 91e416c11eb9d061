namespace Backprop.Training.Simulation;

/// <summary>A simulation has come upon something that must not be; the message says what.</summary>
internal sealed class SimulationFailure(string message) : Exception(message);
