using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>Group normalization over groups of the channels of an image or a sequence; Wu and He,
/// "Group normalization", 2018. Channels are the last dimension.</summary>
/// <param name="Groups">Groups; a divisor of the channels. One is layer normalization with a scale
/// and a bias by channel, as many as there are channels instance normalization.</param>
public sealed record GroupNormalizationDefinition(int Groups) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "group-normalization";

    /// <summary>Added to the variance, so that a constant group is not divided by zero.</summary>
    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>Whether a learned scale and bias follow, one of each for every channel.</summary>
    public bool Affine { get; init; } = true;

    /// <summary>False: scale and bias stay as they were initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        int channels = input.Dimensions[^1];
        if (Groups < 1 || channels % Groups != 0)
        {
            throw new ArgumentException(
                $"group normalization '{name}' has {Groups} groups, and its input, of shape "
                + $"{input}, has {channels} channels: the groups must divide them");
        }

        LayerNormalizationDefinition.RequireEpsilon(Epsilon, "group normalization", name);
        var shape = Shape.Of(channels);
        ImmutableArray<ParameterDeclaration> affine =
        [
            new("scale", shape, ParameterRole.Scale, Constant.Ones, Trainable),
            new("bias", shape, ParameterRole.Bias, Constant.Zeros, Trainable),
        ];
        return new GroupNormalizationLayer(name, input, Groups, Epsilon, Affine ? affine : []);
    }
}

/// <summary>
/// y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), where μ and σ² are the mean and the (biased)
/// variance of the n values of a row in a group of channels, so that rows stay independent. With
/// δ = dE/dy: dE/dβ = Σ over rows and positions δ, dE/dγ = Σ over rows and positions δ·x̂, and with
/// g = γ·δ, dE/dx = (g − mean(g) − x̂·mean(g·x̂)) / √(σ² + ε), the means over the group.
/// </summary>
/// <remarks>A sum over a group runs over the positions of each channel, and then over the channels,
/// both in order; a sum over rows and positions over the positions of a row, and then over the rows
/// as everywhere.</remarks>
public sealed unsafe class GroupNormalizationLayer : Layer
{
    private const int Scale = 0;
    private const int Bias = 1;

    private readonly GroupGeometry _geometry;

    internal GroupNormalizationLayer(
        string name, Shape shape, int groups, float epsilon,
        ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "group-normalization", shape, shape, parameters)
    {
        int channels = shape.Dimensions[^1];
        _geometry = new GroupGeometry(shape.Count / channels, channels, groups, epsilon);
    }

    /// <summary>A row's mean for every channel, and the inverse of its standard deviation.
    /// </summary>
    /// <inheritdoc/>
    public override int SavedPerRow => 2 * _geometry.Channels;

    /// <summary>A row's sums of δ·x̂ and of δ for every channel.</summary>
    /// <inheritdoc/>
    public override int ScratchPerRow => 2 * _geometry.Channels;

    /// <summary>The means of a group for every channel.</summary>
    /// <inheritdoc/>
    public override long ScratchPerThread => ConvolutionGeometry.RoundUp(2L * _geometry.Channels);

    private bool HasAffine => !Parameters.IsEmpty;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var work = new GroupForward
        {
            Geometry = _geometry,
            Rows = pass.Rows,
            Scale = HasAffine ? pass.Parameter(Scale) : null,
            Bias = HasAffine ? pass.Parameter(Bias) : null,
            Input = pass.Input,
            Saved = pass.Saved,
            Output = pass.Output,
        };
        new VectorWork<GroupForward>(SimdWidths.Best, work)
            .RunOn(pass.Pool, GroupGeometry.Weight * pass.Rows * InputShape.Count);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int channels = _geometry.Channels;
        float* scaleSums = pass.Scratch;
        float* biasSums = scaleSums + (nint)forward.Rows * channels;
        var work = new GroupBackward
        {
            Geometry = _geometry,
            Rows = forward.Rows,
            Scale = HasAffine ? forward.Parameter(Scale) : null,
            Input = forward.Input,
            Saved = forward.Saved,
            OutputGradient = pass.OutputGradient,
            Means = forward.Work,
            ScaleSums = scaleSums,
            BiasSums = biasSums,
            InputGradient = pass.InputGradient,
        };
        new VectorWork<GroupBackward>(SimdWidths.Best, work)
            .RunOn(forward.Pool, GroupGeometry.Weight * forward.Rows * InputShape.Count);
        if (!HasAffine || !Parameters[Scale].Trainable)
        {
            return;
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            MatrixProduct.BiasGradient(
                forward.Pool, scaleSums, pass.StartsOf(node), channels,
                pass.GradientOf(node, Scale));
            MatrixProduct.BiasGradient(
                forward.Pool, biasSums, pass.StartsOf(node), channels,
                pass.GradientOf(node, Bias));
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int channels = _geometry.Channels, width = InputShape.Count;
        for (int i = 0; i < pass.Rows * width; i++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(i / width * width, width);
            int channel = i % channels, group = channel / _geometry.GroupChannels;
            double mean = 0, variance = 0;
            for (int j = 0; j < width; j++)
            {
                mean += InGroup(j) ? x[j] / _geometry.GroupValues : 0;
            }

            for (int j = 0; j < width; j++)
            {
                double centered = InGroup(j) ? x[j] - mean : 0;
                variance += centered * centered / _geometry.GroupValues;
            }

            double normalized = (pass.Input[i] - mean) / Math.Sqrt(variance + _geometry.Epsilon);
            pass.Output[i] = HasAffine
                ? normalized * pass.Parameter(Scale)[channel] + pass.Parameter(Bias)[channel]
                : normalized;

            bool InGroup(int element) =>
                element % channels / _geometry.GroupChannels == group;
        }
    }
}
