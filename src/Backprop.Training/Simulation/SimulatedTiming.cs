namespace Backprop.Training.Simulation;

/// <summary>How long everything takes.</summary>
internal sealed class SimulatedTiming(Scenario scenario)
{
    private readonly Draws _nodes = new(scenario.Seed, DrawKind.Nodes);
    private readonly Draws _storage = new(scenario.Seed, DrawKind.Storage);

    /// <summary>Taking memory and opening data.</summary>
    public TimeSpan Open() => _nodes.Seconds(0, 0.5);

    /// <summary>Waiting for a buffer to write the next version to.</summary>
    public TimeSpan Apply() => _nodes.Chance(0.1) ? _nodes.Seconds(0, 0.5) : TimeSpan.Zero;

    /// <summary>Computing so many micro-batches, or evaluating them.</summary>
    public TimeSpan Compute(SimulatedNode node, int count) =>
        scenario.MicroBatchTime
        * (count * node.Slowness / node.Roles.Speed * _nodes.Between(0.9, 1.3));

    /// <summary>Reading so many parts.</summary>
    public TimeSpan Read(int parts) => scenario.Storage.PartTime * (parts * _storage.Unit());

    /// <summary>Writing one part.</summary>
    public TimeSpan WritePart() => scenario.Storage.PartTime * _storage.Unit();

    /// <summary>Blocks that the next part holds.</summary>
    public int BlocksOfPart() => _storage.Between(1, 4);

    /// <summary>Storing events.</summary>
    public TimeSpan WriteEvents() => scenario.Storage.EventTime * _storage.Unit();

    /// <summary>Between the storing of events and acting on them.</summary>
    public TimeSpan Act() => scenario.Storage.EventTime * (0.2 * _storage.Unit());

    /// <summary>Whether something of storage fails, that fails this often.</summary>
    public bool Fails(double share) => share > 0 && _storage.Chance(share);

    /// <summary>A node's clock against the simulation's.</summary>
    public TimeSpan ClockOffset() => _nodes.Seconds(0, 100_000);

    /// <summary>Before a node's first look.</summary>
    public TimeSpan FirstLook() => _nodes.Seconds(0, 0.25);
}
