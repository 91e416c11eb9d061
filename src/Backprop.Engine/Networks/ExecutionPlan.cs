using System.Collections.Immutable;
using Backprop.Engine.Layers;

namespace Backprop.Engine.Networks;

/// <summary>How a gradient reaches the buffer of the node it belongs to.</summary>
internal enum GradientFlow
{
    /// <summary>Nobody needs it: nothing trainable lies before.</summary>
    None,

    /// <summary>The first to arrive in backward order.</summary>
    Overwrite,

    /// <summary>Another has arrived before: added to it.</summary>
    Accumulate,
}

/// <summary>What is decided for a node once, when the executor is made.</summary>
/// <param name="Node">The node.</param>
/// <param name="Source">The node whose memory holds its input: views are looked through. −1: the
/// network's input.</param>
/// <param name="SkipSource">The same for the skip input; null: there is none.</param>
/// <param name="InputFlow">What becomes of the gradient of its input.</param>
/// <param name="SkipFlow">What becomes of the gradient of its skip input.</param>
/// <param name="RunsBackward">Whether it has anything to do in the backward pass.</param>
/// <param name="FirstView">Its first view of the parameter layout.</param>
/// <param name="ParameterOffsets">Where the parameters that it computes with begin in the flat
/// vector.</param>
internal sealed record PlannedNode(
    NetworkNode Node,
    int Source,
    int? SkipSource,
    GradientFlow InputFlow,
    GradientFlow SkipFlow,
    bool RunsBackward,
    int FirstView,
    ImmutableArray<int> ParameterOffsets)
{
    /// <summary>The layer.</summary>
    public Layer Layer => Node.Layer;

    /// <summary>Where in <see cref="Network.Recomputed"/> the range stands that it belongs to; −1:
    /// in none, all that it computes is kept.</summary>
    public int Range { get; init; } = -1;

    /// <summary>Whether what it computes is let go of after the forward pass: it lies within a
    /// range that is recomputed, and is not what that comes to.</summary>
    public bool IsTransient { get; init; }

    /// <summary>The nodes that share its first parameter, in the order in which they add to its
    /// gradient: last node first, and so itself last. Empty: none does, or it is not trained.
    /// </summary>
    public ImmutableArray<int> SharedBy { get; init; } = [];

    /// <summary>One past its last view.</summary>
    public int EndView => FirstView + Layer.Parameters.Length;
}

/// <summary>Where an output of the network comes from.</summary>
/// <param name="Root">The node whose memory holds it.</param>
/// <param name="Flow">What becomes of the gradient of its loss; never none.</param>
/// <param name="Shape">The shape of one of its rows.</param>
internal readonly record struct PlannedOutput(int Root, GradientFlow Flow, Shape Shape);

/// <summary>
/// The order of work in a network: whose memory each node reads, which gradients anybody needs, and
/// in which order gradients that meet (a residual block's input feeds two) are added: first those
/// of the outputs' losses, in the outputs' order, then those of the backward pass, last node first,
/// the same everywhere.
/// </summary>
internal sealed class ExecutionPlan
{
    private const int LineFloats = 16;

    /// <summary>Plans the computation of <paramref name="network"/>.</summary>
    /// <param name="network">The network.</param>
    /// <param name="keepsAll">Whether everything is kept, so that it can be looked at, though the
    /// network would have some of it computed anew.</param>
    /// <exception cref="ArgumentException">The network has no layer that computes, or one that
    /// nobody reads.</exception>
    public ExecutionPlan(Network network, bool keepsAll = false)
    {
        int count = network.Nodes.Length;
        var roots = new int[count];
        var trainable = new bool[count];
        for (int index = 0; index < count; index++)
        {
            NetworkNode node = network.Nodes[index];
            roots[index] = node.Layer.IsView ? RootOf(roots, node.Input) : index;
            trainable[index] = node.Layer.Parameters.Any(parameter => parameter.Trainable)
                || (node.Owner is { } owner && IsTrained(network, owner))
                || (node.Input >= 0 && trainable[node.Input])
                || (node.Skip >= 0 && trainable[node.Skip.Value]);
        }

        var arrived = new bool[count];
        Outputs = PlanOutputs(network, roots, arrived);
        Ranges = keepsAll ? [] : network.Recomputed;
        Nodes = PlanNodes(network, roots, trainable, arrived, Ranges);
        Roots = [.. roots];
        SharedFloats = Nodes.Max(node => node.SharedBy.IsEmpty
            ? 0
            : (node.Layer.Parameters[0].Shape.Count + LineFloats - 1) & -LineFloats);
    }

    /// <summary>The nodes, in forward order.</summary>
    public ImmutableArray<PlannedNode> Nodes { get; }

    /// <summary>Nodes that are computed anew in the backward pass.</summary>
    public ImmutableArray<NodeRange> Ranges { get; }

    /// <summary>For each node, the one whose memory holds its output: its own, unless it is a
    /// view.</summary>
    public ImmutableArray<int> Roots { get; }

    /// <summary>The network's outputs, in their order.</summary>
    public ImmutableArray<PlannedOutput> Outputs { get; }

    /// <summary>Whether a node's output needs a gradient buffer.</summary>
    public bool HasGradient(int node) => Roots[node] == node
        && (Nodes[node].RunsBackward || Outputs.Any(output => output.Root == node));

    /// <summary>Floats of the largest parameter that several nodes share and that is trained, to
    /// the next multiple of 16; 0: there is none.</summary>
    public int SharedFloats { get; }

    /// <summary>Floats a row of the widest gradient that is added to another; 0: none is.</summary>
    public int AccumulatedWidth => Math.Max(
        Nodes.Max(node => Math.Max(
            node.InputFlow == GradientFlow.Accumulate ? node.Layer.InputShape.Count : 0,
            node.SkipFlow == GradientFlow.Accumulate && !node.Layer.PassesGradientToSkip
                ? node.Layer.SkipShape.Count
                : 0)),
        Outputs.Max(output => output.Flow == GradientFlow.Accumulate
            ? output.Shape.Count
            : 0));

    private static bool IsTrained(Network network, int owner) =>
        network.Nodes[owner].Layer.Parameters[0].Trainable;

    private static int RootOf(int[] roots, int node) => node < 0 ? -1 : roots[node];

    // Two outputs may be one node's, under two losses.
    private static ImmutableArray<PlannedOutput> PlanOutputs(
        Network network, int[] roots, bool[] arrived)
    {
        var outputs = ImmutableArray.CreateBuilder<PlannedOutput>(network.Outputs.Length);
        foreach (NetworkOutput output in network.Outputs)
        {
            int root = RootOf(roots, output.Node);
            if (root < 0)
            {
                throw new ArgumentException("a network needs at least one layer that computes");
            }

            outputs.Add(new PlannedOutput(
                root, arrived[root] ? GradientFlow.Accumulate : GradientFlow.Overwrite,
                output.Shape));
            arrived[root] = true;
        }

        return outputs.MoveToImmutable();
    }

    private static ImmutableArray<PlannedNode> PlanNodes(
        Network network, int[] roots, bool[] trainable, bool[] arrived,
        ImmutableArray<NodeRange> ranges)
    {
        var planned = new PlannedNode[roots.Length];
        int firstView = network.Layout.Views.Length;
        for (int index = roots.Length - 1; index >= 0; index--)
        {
            NetworkNode node = network.Nodes[index];
            int source = RootOf(roots, node.Input);
            int? skip = node.Skip is int s ? RootOf(roots, s) : null;
            bool runs = trainable[index] && !node.Layer.IsView;
            if (runs && !arrived[index])
            {
                throw new ArgumentException($"nobody reads the output of '{node.Layer.Name}'");
            }

            firstView -= node.Layer.Parameters.Length;
            int range = RangeOf(index, ranges);
            planned[index] = new PlannedNode(
                node, source, skip,
                runs ? Arrive(source, trainable, arrived) : GradientFlow.None,
                runs && skip is int from ? Arrive(from, trainable, arrived) : GradientFlow.None,
                runs, firstView, network.ParameterOffsets(index))
            {
                SharedBy = SharersOf(network, index),
                Range = range,
                IsTransient = range >= 0 && index != roots[ranges[range].End - 1],
            };
        }

        return [.. planned];
    }

    private static ImmutableArray<int> SharersOf(Network network, int owner)
    {
        int[] others =
        [
            .. Enumerable.Range(0, network.Nodes.Length)
                .Where(node => network.Nodes[node].Owner == owner).Reverse(),
        ];
        return others.Length > 0 && IsTrained(network, owner) ? [.. others, owner] : [];
    }

    private static int RangeOf(int index, ImmutableArray<NodeRange> ranges)
    {
        for (int range = 0; range < ranges.Length; range++)
        {
            if (ranges[range].Contains(index))
            {
                return range;
            }
        }

        return -1;
    }

    private static GradientFlow Arrive(int source, bool[] trainable, bool[] arrived)
    {
        if (source < 0 || !trainable[source])
        {
            return GradientFlow.None;
        }

        GradientFlow flow = arrived[source] ? GradientFlow.Accumulate : GradientFlow.Overwrite;
        arrived[source] = true;
        return flow;
    }
}
