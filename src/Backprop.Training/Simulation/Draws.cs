using Backprop.Engine.Randomness;

namespace Backprop.Training.Simulation;

/// <summary>What chance is asked for.</summary>
internal enum DrawKind : uint
{
    /// <summary>The run, the nodes and the faults of a scenario.</summary>
    Scenario = 1,

    /// <summary>What becomes of messages on their way.</summary>
    Network,

    /// <summary>How long nodes take.</summary>
    Nodes,

    /// <summary>How long storage takes, and when it fails.</summary>
    Storage,

    /// <summary>What becomes of nodes and coordinators while there are faults.</summary>
    Faults,

    /// <summary>Whether steps are verified, and which worker is not sound when.</summary>
    Soundness,

    /// <summary>When a worker that is not sound comes to wrong bits.</summary>
    WrongBits,

    /// <summary>When machines' clocks are set, and to what.</summary>
    Clocks,
}

/// <summary>Draws of one kind, one after the other: the same seed, the same draws.</summary>
internal sealed class Draws(ulong seed, DrawKind kind)
{
    private readonly RandomStream _stream = new(seed, RandomPurpose.Simulation, (uint)kind);
    private ulong _next;

    /// <summary>In [0, 1).</summary>
    public double Unit() => _stream.Word(0, _next++) * (1.0 / (1L << 32));

    /// <summary>True this often.</summary>
    public bool Chance(double share) => Unit() < share;

    /// <summary>A whole number of these, both included.</summary>
    public int Between(int least, int most) => least + (int)(Unit() * (most - least + 1));

    /// <summary>In [<paramref name="least"/>, <paramref name="most"/>).</summary>
    public double Between(double least, double most) => least + (Unit() * (most - least));

    /// <summary>In [<paramref name="least"/>, <paramref name="most"/>), in seconds.</summary>
    public TimeSpan Seconds(double least, double most) =>
        TimeSpan.FromTicks((long)(Between(least, most) * TimeSpan.TicksPerSecond));

    /// <summary>One of these.</summary>
    public T Of<T>(params ReadOnlySpan<T> choices) => choices[Between(0, choices.Length - 1)];
}
