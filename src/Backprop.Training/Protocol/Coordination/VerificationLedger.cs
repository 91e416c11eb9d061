using Backprop.Training.Digests;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Two workers came to other bits in the same micro-batches.</summary>
/// <param name="Step">The step.</param>
/// <param name="Range">The micro-batches.</param>
/// <param name="Pushed">Whose gradient the step was made of.</param>
/// <param name="Checked">Who has computed it once more.</param>
/// <param name="Digest">What the latter came to: <see cref="CheckedNode.Whole"/>.</param>
public sealed record Dispute(
    long Step, MicroBatchRange Range, NodeId Pushed, NodeId Checked, VersionDigest Digest)
{
    /// <summary>In words, with both workers and the step.</summary>
    public override string ToString() =>
        $"{Pushed} and {Checked} came to other bits in micro-batches {Range} of step {Step}";
}

/// <summary>Holds what was pushed in verified steps against what others computed once more. One
/// caller at a time; the oldest steps are let go of when there are too many.</summary>
public sealed class VerificationLedger
{
    private const int MaxSteps = 64;

    private readonly SortedDictionary<long, StepEntries> _steps = [];
    private Generation _generation;

    /// <summary>Nodes that were held against each other, slice by slice.</summary>
    public long Compared { get; private set; }

    /// <summary>A server says what was pushed.</summary>
    /// <returns>That it differs from what was computed once more; null: it does not, or that is not
    /// known yet.</returns>
    public Dispute? Take(PushReport report, RunGeneration? generation)
    {
        if (generation is null || report.Generation != generation.Number || report.Slice < 0
            || report.Slice >= generation.Servers.Length
            || generation.Servers[report.Slice] != report.Server
            || StepOf(report.Generation, report.Step) is not { } step)
        {
            return null;
        }

        foreach (PushedNode node in report.Nodes)
        {
            step.Pushed[(report.Slice, node.Range)] = node;
        }

        return DifferenceIn(step, report.Step);
    }

    /// <summary>A worker says what it has computed once more.</summary>
    /// <returns>As for the other.</returns>
    public Dispute? Take(CheckReport report, RunGeneration? generation)
    {
        if (generation is null || report.Generation != generation.Number
            || report.Nodes.Any(node => node.Slices.Length != generation.Servers.Length)
            || StepOf(report.Generation, report.Step) is not { } step)
        {
            return null;
        }

        foreach (CheckedNode node in report.Nodes)
        {
            step.Checked[node.Range] = (report.Worker, node);
        }

        return DifferenceIn(step, report.Step);
    }

    private StepEntries? StepOf(Generation generation, long step)
    {
        if (generation != _generation)
        {
            _generation = generation;
            _steps.Clear();
        }

        if (!_steps.TryGetValue(step, out StepEntries? entries))
        {
            if (_steps.Count == MaxSteps)
            {
                long oldest = _steps.Keys.First();
                if (step < oldest)
                {
                    return null;
                }

                _steps.Remove(oldest);
            }

            entries = new StepEntries();
            _steps.Add(step, entries);
        }

        return entries;
    }

    private Dispute? DifferenceIn(StepEntries entries, long step)
    {
        foreach (((int slice, MicroBatchRange range), PushedNode pushed) in entries.Pushed)
        {
            if (!entries.Checked.TryGetValue(range, out (NodeId Worker, CheckedNode Node) check)
                || check.Worker == pushed.Worker || !entries.Compared.Add((slice, range)))
            {
                continue;
            }

            Compared++;
            if (check.Node.Slices[slice] != pushed.Digest)
            {
                return new Dispute(
                    step, range, pushed.Worker, check.Worker, check.Node.Whole);
            }
        }

        return null;
    }

    private sealed class StepEntries
    {
        public Dictionary<(int Slice, MicroBatchRange Range), PushedNode> Pushed { get; } = [];

        public Dictionary<MicroBatchRange, (NodeId Worker, CheckedNode Node)> Checked { get; } = [];

        public HashSet<(int Slice, MicroBatchRange Range)> Compared { get; } = [];
    }
}
