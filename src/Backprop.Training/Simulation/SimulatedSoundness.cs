using Backprop.Training.Protocol;

namespace Backprop.Training.Simulation;

/// <summary>Which steps are verified, and when a worker that is not sound comes to wrong bits: only
/// in those, since nobody could find it in others.</summary>
internal sealed class SimulatedSoundness(Scenario scenario, SimulationStatistics statistics)
{
    private readonly Draws _draws = new(scenario.Seed, DrawKind.WrongBits);
    private readonly HashSet<NodeId> _wrong = [];

    /// <summary>Which steps are verified.</summary>
    public VerificationRule Verification { get; } =
        new(scenario.Plan.Seed, scenario.Options.VerifyShare);

    /// <summary>Whether a node has come to wrong bits.</summary>
    public bool WasWrong(NodeId node) => _wrong.Contains(node);

    /// <summary>Whether a node comes to wrong bits in a computation of a step.</summary>
    public bool IsWrong(SimulatedNode node, long step)
    {
        if (!node.IsUnsound || !Verification.Includes(step) || !_draws.Chance(0.5))
        {
            return false;
        }

        statistics.WrongNodes++;
        _wrong.Add(node.Id);
        return true;
    }

    /// <summary>Another number than this one, by as little as can be.</summary>
    public static float Disturbed(float value) =>
        BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(value) ^ 1);
}
