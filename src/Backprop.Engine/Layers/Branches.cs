using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>What becomes of the outputs of branches.</summary>
public enum BranchCombination
{
    /// <summary>They stand one after the other: features, the channels of an image, or the numbers
    /// of each position.</summary>
    Concatenate,

    /// <summary>They are added.</summary>
    Add,
}

/// <summary>Several rows of layers that read one input, and whose outputs are put together: an
/// Inception module (Szegedy et al., "Going deeper with convolutions", CVPR 2015), a dense
/// connection. In the network they are taken apart: first the layers of each branch, named
/// <c>branches1-1.dense1</c>, then what puts two of them together at a time, the last of which is
/// named as the whole.</summary>
/// <param name="Branches">Two or more; an empty one is the input itself.</param>
/// <param name="Combination">What becomes of their outputs.</param>
public sealed record BranchesDefinition(
    ImmutableArray<ImmutableArray<LayerDefinition>> Branches, BranchCombination Combination)
    : LayerDefinition
{
    private const int MostBranches = 256;

    /// <inheritdoc/>
    public override string Kind => "branches";

    /// <summary>Branches are no layer; <see cref="AddTo"/> adds those in them.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => throw new InvalidOperationException(
        $"branches '{name}' stand for several layers");

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Branches.IsDefault || Branches.Length is < 2 or > MostBranches)
        {
            throw new ArgumentException(
                $"'{name}' has {(Branches.IsDefault ? 0 : Branches.Length)} branches; 2 to "
                + $"{MostBranches} may be");
        }

        int entry = builder.LastNode;
        var ends = new int[Branches.Length];
        var shapes = new Shape[Branches.Length];
        for (int i = 0; i < Branches.Length; i++)
        {
            builder.GoOnFrom(entry);
            foreach (LayerDefinition layer in Branches[i])
            {
                builder.Add(layer, $"{name}-{Number(i)}");
            }

            ends[i] = builder.LastNode;
            shapes[i] = builder.OutputShape;
        }

        // The first two are put together, what comes of them with the third, and so on.
        int together = ends[0];
        Shape shape = shapes[0];
        for (int i = 1; i < ends.Length; i++)
        {
            bool isLast = i == ends.Length - 1;
            builder.GoOnFrom(ends[i]);
            builder.Append(
                Join(isLast ? name : $"{name}.join{Number(i)}", shape, shapes[i], i), together);
            together = builder.LastNode;
            shape = builder.OutputShape;
        }
    }

    private Layer Join(string name, Shape before, Shape branch, int index)
    {
        if (Combination == BranchCombination.Add)
        {
            return before == branch
                ? new ResidualSumLayer(name, branch)
                : throw new ArgumentException(
                    $"branches of '{name}' are added, and the first has an output of shape "
                    + $"{before}, branch {Number(index)} one of {branch}: all must be alike");
        }

        return before.Dimensions[..^1].AsSpan().SequenceEqual(branch.Dimensions[..^1].AsSpan())
            ? new ConcatenationLayer(name, before, branch)
            : throw new ArgumentException(
                $"branches of '{name}' are put one after the other, and those before branch "
                + $"{Number(index)} have an output of shape {before}, it has one of {branch}: all "
                + "but the last dimension must be alike");
    }

    private static string Number(int index) => (index + 1).ToString(CultureInfo.InvariantCulture);
}

/// <summary>y = (s, x) along the last dimension: what was put together before comes by the skip
/// input s, and the next branch's output x after it. dE/dy is cut just so.</summary>
public sealed unsafe class ConcatenationLayer : Layer
{
    private readonly Shape _before;

    internal ConcatenationLayer(string name, Shape before, Shape branch)
        : base(name, "concatenation", branch, Joined(before, branch)) =>
        _before = before;

    /// <inheritdoc/>
    public override Shape SkipShape => _before;

    /// <inheritdoc/>
    public override bool PassesGradientToSkip => false;

    private int SkipWidth => _before.Dimensions[^1];

    private int InputWidth => InputShape.Dimensions[^1];

    private int Width => SkipWidth + InputWidth;

    private int Places => OutputShape.Count / Width;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        Copy(pass, pass.SkipInput, SkipWidth, SkipWidth, pass.Output, Width);
        Copy(pass, pass.Input, InputWidth, InputWidth, pass.Output + SkipWidth, Width);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            Copy(
                pass.Forward, pass.OutputGradient + SkipWidth, Width, InputWidth,
                pass.InputGradient, InputWidth);
        }
    }

    /// <inheritdoc/>
    public override void BackwardToSkip(in BackwardPass pass, float* skipGradient) => Copy(
        pass.Forward, pass.OutputGradient, Width, SkipWidth, skipGradient, SkipWidth);

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int place = 0; place < pass.Rows * Places; place++)
        {
            Span<double> output = pass.Output.Slice(place * Width, Width);
            pass.SkipInput.Slice(place * SkipWidth, SkipWidth).CopyTo(output);
            pass.Input.Slice(place * InputWidth, InputWidth).CopyTo(output[SkipWidth..]);
        }
    }

    private static Shape Joined(Shape before, Shape branch) => Shape.Of(
        [.. branch.Dimensions[..^1], checked(before.Dimensions[^1] + branch.Dimensions[^1])]);

    // Each place's first numbers, from where places are so far apart to where they are so.
    private void Copy(
        in ForwardPass pass, float* source, int sourceStride, int width, float* destination,
        int destinationStride)
    {
        var body = new CopyBody
        {
            Source = source,
            SourceStride = sourceStride,
            Width = width,
            Destination = destination,
            DestinationStride = destinationStride,
            Count = pass.Rows * Places,
        };
        RowParallel.Run(pass.Pool, (long)body.Count * width, ref body);
    }

    private struct CopyBody : IParallelBody
    {
        public float* Source;
        public int SourceStride;
        public int Width;
        public float* Destination;
        public int DestinationStride;
        public int Count;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Count, part + 1, parts);
            for (int i = ComputePool.PartStart(Count, part, parts); i < end; i++)
            {
                new ReadOnlySpan<float>(Source + (nint)i * SourceStride, Width)
                    .CopyTo(new Span<float>(Destination + (nint)i * DestinationStride, Width));
            }
        }
    }
}
