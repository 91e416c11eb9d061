using System.Collections.Immutable;
using Backprop.Engine.Gradients;

namespace Backprop.Training.Protocol;

/// <summary>A worker as the planner sees it.</summary>
/// <param name="Node">Who it is.</param>
/// <param name="Speed">Micro-batches a second, measured; any positive number where nothing is
/// measured yet, the same for all.</param>
public readonly record struct WorkerSpeed(NodeId Node, double Speed);

/// <summary>Who computes which micro-batches.</summary>
/// <param name="Ranges">Each worker's range, in the order the workers were given; some may have
/// none.</param>
/// <param name="Makespan">Seconds until the slowest is done, by the measured speeds.</param>
/// <param name="PushedNodes">Tree nodes pushed in all: a contiguous range is pushed as the nodes of
/// its cover.</param>
/// <param name="Reason">The choice in words.</param>
public sealed record AssignmentPlan(
    ImmutableArray<(NodeId Worker, MicroBatchRange Range)> Ranges,
    double Makespan,
    int PushedNodes,
    string Reason);

/// <summary>
/// Cuts the micro-batches into one contiguous range a worker: in proportion to the workers' speeds,
/// but with borders at those of subtrees where that costs little, since a range that cuts the tree
/// badly is pushed as up to 2·log2 M nodes.
/// </summary>
public static class AssignmentPlanner
{
    /// <summary>The most workers that one run may have.</summary>
    public const int MaxWorkers = 4_096;

    // One more node is one more push of the model and one more fold of it: measured, a few per cent
    // of computing a share.
    private const double NodeWeight = 0.05;

    // Borders are searched this far around the proportional ones: further away, imbalance costs
    // more than any number of nodes.
    private const int MaxShift = 16;

    private const int Halvings = 40;

    // How much longer than the best possible the slowest may take, for the sake of fewer nodes.
    private static readonly double[] Allowances = [1, 1.03, 1.06, 1.1, 1.15, 1.25];

    /// <summary>Plans <paramref name="microBatches"/> for the workers.</summary>
    /// <exception cref="ArgumentException">There is no worker, there are too many, or a speed is
    /// not a positive number.</exception>
    public static AssignmentPlan Plan(IReadOnlyList<WorkerSpeed> workers, int microBatches)
    {
        Check(workers, microBatches);
        double total = workers.Sum(worker => worker.Speed);
        double ideal = microBatches / total;
        int[] borders = Borders(workers, microBatches, total, ideal);
        var ranges = ImmutableArray.CreateBuilder<(NodeId, MicroBatchRange)>(workers.Count);
        double makespan = 0;
        int nodes = 0;
        for (int i = 0; i < workers.Count; i++)
        {
            var range = new MicroBatchRange(borders[i], borders[i + 1]);
            ranges.Add((workers[i].Node, range));
            makespan = Math.Max(makespan, range.Count / workers[i].Speed);
            nodes += NodesOf(range.First, range.End, microBatches);
        }

        return new AssignmentPlan(
            ranges.MoveToImmutable(), makespan, nodes,
            $"{Counted.Of(microBatches, "micro-batch", "micro-batches")} over"
            + $" {Counted.Of(workers.Count, "worker")}: the slowest takes"
            + $" {makespan / ideal:0.00} of an even share,"
            + $" {(nodes == 1 ? "1 node is" : $"{nodes} nodes are")} pushed");
    }

    /// <summary>Seconds that the slowest takes at least, however micro-batches are shared out: what
    /// no plan is below. Much cheaper than planning.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Plan"/>.</exception>
    public static double LeastMakespan(IReadOnlyList<WorkerSpeed> workers, int microBatches)
    {
        Check(workers, microBatches);
        double least = microBatches / workers.Sum(worker => worker.Speed);
        double most = microBatches / workers.Max(worker => worker.Speed);
        for (int i = 0; i < Halvings && least < most; i++)
        {
            double middle = (least + most) / 2;
            (least, most) = Within(workers, middle) >= microBatches
                ? (least, middle)
                : (middle, most);
        }

        return least;
    }

    /// <summary>Nodes in the cover of micro-batches [<paramref name="first"/>,
    /// <paramref name="end"/>).</summary>
    public static int NodesOf(int first, int end, int microBatches)
    {
        int count = 0;
        while (first < end)
        {
            var node = new TreeNode(0, first);
            while (node.Parent.FirstMicroBatch == first
                && node.Level < 30
                && node.Parent.EndMicroBatch(microBatches) <= end
                && node.EndMicroBatch(microBatches) < end)
            {
                node = node.Parent;
            }

            count++;
            first = node.EndMicroBatch(microBatches);
        }

        return count;
    }

    private static void Check(IReadOnlyList<WorkerSpeed> workers, int microBatches)
    {
        if (workers.Count is 0 or > MaxWorkers)
        {
            throw new ArgumentException($"{workers.Count} workers, where 1 to {MaxWorkers} may be");
        }

        if (microBatches is < 1 or > GradientTree.MaxMicroBatches)
        {
            throw new ArgumentException(
                $"{microBatches} micro-batches, where 1 to {GradientTree.MaxMicroBatches} may be");
        }

        foreach (WorkerSpeed worker in workers)
        {
            if (!double.IsFinite(worker.Speed) || worker.Speed <= 0)
            {
                throw new ArgumentException($"{worker.Node} has a speed of {worker.Speed}");
            }
        }
    }

    // Micro-batches that can be done within a time; one that is missed by rounding counts.
    private static double Within(IReadOnlyList<WorkerSpeed> workers, double seconds)
    {
        const double Rounding = 1e-9;
        double count = 0;
        for (int i = 0; i < workers.Count; i++)
        {
            count += Math.Floor((seconds * workers[i].Speed * (1 + Rounding)) + Rounding);
        }

        return count;
    }

    private static int[] Borders(
        IReadOnlyList<WorkerSpeed> workers, int microBatches, double total, double ideal)
    {
        int[][] candidates = AllCandidates(workers, microBatches, total);
        double fastest = Search(
            workers, candidates,
            (start, end, speed) => (end - start) / speed, Math.Max, out int[] best);
        double least = double.PositiveInfinity;
        foreach (double allowance in Allowances)
        {
            double limit = fastest * allowance;
            double nodes = Search(
                workers, candidates,
                (start, end, speed) => (end - start) / speed <= limit
                    ? NodesOf(start, end, microBatches)
                    : double.PositiveInfinity,
                (before, here) => before + here, out int[] borders);
            double cost = (Makespan(workers, borders) / ideal)
                + (NodeWeight * nodes / workers.Count);
            if (cost < least)
            {
                least = cost;
                best = borders;
            }
        }

        return best;
    }

    private static double Makespan(IReadOnlyList<WorkerSpeed> workers, int[] borders) =>
        workers.Select((worker, i) => (borders[i + 1] - borders[i]) / worker.Speed).Max();

    // Dynamic programming over the workers: least[s] is the least total of giving the micro-batches
    // before candidate border s to the workers so far.
    private static double Search(
        IReadOnlyList<WorkerSpeed> workers, int[][] candidates,
        Func<int, int, double, double> costOf, Func<double, double, double> add,
        out int[] borders)
    {
        var from = new int[candidates.Length][];
        double[] least = [0];
        for (int i = 0; i < workers.Count; i++)
        {
            int[] starts = candidates[i], ends = candidates[i + 1];
            var total = new double[ends.Length];
            from[i + 1] = new int[ends.Length];
            Array.Fill(total, double.PositiveInfinity);
            for (int e = 0; e < ends.Length; e++)
            {
                for (int s = 0; s < starts.Length && starts[s] <= ends[e]; s++)
                {
                    double candidate = double.IsFinite(least[s])
                        ? add(least[s], costOf(starts[s], ends[e], workers[i].Speed))
                        : double.PositiveInfinity;
                    if (candidate < total[e])
                    {
                        total[e] = candidate;
                        from[i + 1][e] = s;
                    }
                }
            }

            least = total;
        }

        borders = Trace(candidates, from, workers.Count);
        return least[0];
    }

    // candidates[i]: where the share of worker i may begin.
    private static int[][] AllCandidates(
        IReadOnlyList<WorkerSpeed> workers, int microBatches, double total)
    {
        var candidates = new int[workers.Count + 1][];
        candidates[0] = [0];
        double before = 0;
        for (int i = 1; i < workers.Count; i++)
        {
            before += workers[i - 1].Speed;
            candidates[i] = Candidates(microBatches * before / total, microBatches);
        }

        candidates[workers.Count] = [microBatches];
        return candidates;
    }

    private static int[] Candidates(double border, int microBatches)
    {
        int low = (int)Math.Max(0, Math.Floor(border) - MaxShift);
        int high = (int)Math.Min(microBatches, Math.Ceiling(border) + MaxShift);
        return [.. Enumerable.Range(low, high - low + 1)];
    }

    private static int[] Trace(int[][] candidates, int[][] from, int count)
    {
        var borders = new int[count + 1];
        int at = 0;
        for (int i = count; i >= 0; i--)
        {
            borders[i] = candidates[i][at];
            at = i > 0 ? from[i][at] : 0;
        }

        return borders;
    }
}
