using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Who computes late micro-batches of one step beside those they are assigned to. Another
/// is added only once the wait has doubled, up to a limit: the copies are the same bits, so a false
/// alarm costs some work and nothing else.</summary>
/// <param name="Step">The step.</param>
/// <param name="Waited">How long a server had waited when the last one was added.</param>
/// <param name="Extra">What they compute.</param>
public sealed record SpeculationRound(
    long Step, TimeSpan Waited, ImmutableSortedDictionary<NodeId, Speculation> Extra)
{
    /// <summary>What is speculated on once a server waits.</summary>
    /// <param name="last">The last round; null: there was none.</param>
    /// <param name="wait">What the server waits for.</param>
    /// <param name="generation">Who is assigned what.</param>
    /// <param name="whole">Workers whose replicas are whole, fastest first.</param>
    /// <param name="most">Workers that may compute extra.</param>
    public static SpeculationRound? Next(
        SpeculationRound? last, SliceWait wait, RunGeneration generation,
        IEnumerable<NodeId> whole, int most)
    {
        if (last is not null && wait.Step < last.Step)
        {
            return last;
        }

        SpeculationRound round = last is not null && last.Step == wait.Step
            ? last
            : new(wait.Step, TimeSpan.Zero, ImmutableSortedDictionary<NodeId, Speculation>.Empty);
        if (wait.Missing.IsDefaultOrEmpty || round.Extra.Count >= most
            || wait.Waited < 2 * round.Waited)
        {
            return last;
        }

        IReadOnlyDictionary<NodeId, MicroBatchRange> assigned = generation.Ranges();
        foreach (NodeId worker in whole)
        {
            bool isLate = wait.Lacks(assigned.GetValueOrDefault(worker));
            if (!isLate && !round.Extra.ContainsKey(worker))
            {
                return new SpeculationRound(
                    wait.Step, wait.Waited,
                    round.Extra.Add(worker, new Speculation(wait.Step, wait.Missing)));
            }
        }

        return last;
    }
}
