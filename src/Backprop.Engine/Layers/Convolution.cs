using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>A convolution over images or sequences, channels last, with an activation on request;
/// or its transpose, which makes large images of small ones.</summary>
/// <param name="Dimensions">2: images, HxW (one channel) or HxWxC; 1: sequences, LxC.</param>
/// <param name="Filters">Channels of the output.</param>
/// <param name="Kernel">Taps of each filter; of height 1 for sequences.</param>
/// <remarks>The weights are [kh, kw, inputs / groups, filters] ([k, inputs / groups, filters] for
/// sequences): lanes run over adjacent filters, as in a dense layer, and the last two dimensions
/// are what initializers take for inputs and outputs.</remarks>
public sealed record ConvolutionDefinition(int Dimensions, int Filters, Extent Kernel)
    : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind =>
        $"{(IsTransposed ? "transposed-convolution" : "convolution")}-{Dimensions}d";

    /// <summary>True: the layer computes what a convolution with these numbers passes back as its
    /// input gradient. With a stride of 2 it doubles an image; an image of n becomes one of
    /// (n − 1)·stride + span − 2·padding, or of n·stride with <see cref="Padding.Same"/>.</summary>
    public bool IsTransposed { get; init; }

    /// <summary>From a window to the next.</summary>
    public Extent Stride { get; init; } = new(1, 1);

    /// <summary>Zeros around the image; they take part like pixels.</summary>
    public Padding Padding { get; init; } = Padding.Valid;

    /// <summary>From a tap of a window to the next.</summary>
    public Extent Dilation { get; init; } = new(1, 1);

    /// <summary>Groups that inputs and filters are cut into; those of one see no other's. As many
    /// as there are inputs: a depthwise convolution.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>What the filters apply to their sums; null: nothing. It becomes a layer of its own,
    /// named <c>x.activation</c> where the convolution is <c>x</c>.</summary>
    public ActivationDefinition? Activation { get; init; }

    /// <summary>Whether each filter adds a bias.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>The first weights; null: what suits the activation, and Xavier where there is none.
    /// </summary>
    public Initializer? WeightInitializer { get; init; }

    /// <summary>The first biases.</summary>
    public Initializer BiasInitializer { get; init; } = Constant.Zeros;

    /// <summary>False: the weights stay as they were initialized.</summary>
    public bool WeightTrainable { get; init; } = true;

    /// <summary>False: the biases stay as they were initialized.</summary>
    public bool BiasTrainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        string layer = $"convolution '{name}'";
        ImageSize size = ImageSize.Of(input, Dimensions, layer);
        CheckChannels(layer, size.Channels);
        CheckWeights(layer, size.Channels);
        ConvolutionGeometry geometry = IsTransposed
            ? Transposed(layer, size)
            : Plain(layer, size);
        CheckMemory(layer, geometry);
        ImageSize output = IsTransposed
            ? new(geometry.Rows.Image, geometry.Columns.Image, Filters)
            : new(geometry.Rows.Field, geometry.Columns.Field, Filters);
        int groupInputs = size.Channels / Groups;
        Shape weightShape = Dimensions == 1
            ? Shape.Of(Kernel.Width, groupInputs, Filters)
            : Shape.Of(Kernel.Height, Kernel.Width, groupInputs, Filters);
        Initializer weights = WeightInitializer
            ?? Activation?.DefaultWeightInitializer
            ?? VarianceScaling.XavierUniform;
        var weight = new ParameterDeclaration(
            "weight", weightShape, ParameterRole.Weight, weights, WeightTrainable);
        var bias = new ParameterDeclaration(
            "bias", Shape.Of(Filters), ParameterRole.Bias, BiasInitializer, BiasTrainable);
        return new ConvolutionLayer(
            name, Kind, input, output.ToShape(Dimensions, layer), geometry, IsTransposed,
            Bias ? [weight, bias] : [weight]);
    }

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        base.AddTo(builder, name);
        Activation?.AddTo(builder, $"{name}.activation");
    }

    private void CheckChannels(string layer, int inputs)
    {
        if (Filters < 1 || Groups < 1)
        {
            throw new ArgumentException(
                $"{layer} has {Filters} filters in {Groups} groups; 1 is the least of each");
        }

        if (inputs % Groups != 0 || Filters % Groups != 0)
        {
            throw new ArgumentException(
                $"{layer} has {inputs} input channels and {Filters} filters in {Groups} groups: "
                + "both must be multiples of the groups");
        }
    }

    private void CheckWeights(string layer, int inputs)
    {
        // The largest double that counts: a product of five ints may exceed a long.
        double weights = (double)Kernel.Height * Kernel.Width * (inputs / Groups) * Filters;
        if (weights > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"{layer} would have {weights:N0} weights, of a kernel of {Kernel}, "
                + $"{inputs / Groups:N0} inputs and {Filters:N0} filters; {Shape.MaxCount:N0} is "
                + "the most");
        }
    }

    private ConvolutionGeometry Plain(string layer, ImageSize input)
    {
        (WindowAxis rows, WindowAxis columns) =
            new WindowOptions(Kernel, Stride, Dilation, Padding)
                .Over(input.Height, input.Width, layer);
        int groupInputs = input.Channels / Groups;
        return new ConvolutionGeometry(
            rows, columns, input.Channels, Filters, Groups,
            new WeightStrides(groupInputs * Filters, Filters, 1, Filters / Groups));
    }

    // The input is the field of a convolution over the output.
    private ConvolutionGeometry Transposed(string layer, ImageSize input)
    {
        var options = new WindowOptions(Kernel, Stride, Dilation, Padding);
        (WindowAxis rows, WindowAxis columns) = options.Over(
            ImageOf(input.Height, Kernel.Height, Stride.Height, Dilation.Height,
                Padding.Border?.Height, layer),
            ImageOf(input.Width, Kernel.Width, Stride.Width, Dilation.Width,
                Padding.Border?.Width, layer),
            layer);
        int groupInputs = input.Channels / Groups;
        return new ConvolutionGeometry(
            rows, columns, Filters, input.Channels, Groups,
            new WeightStrides(groupInputs * Filters, 1, Filters, Filters / Groups));
    }

    private static int ImageOf(
        int field, int kernel, int stride, int dilation, int? padding, string layer)
    {
        // Wrong numbers are told by the windows themselves.
        double image = padding is int border
            ? (field - 1.0) * stride + (kernel - 1.0) * dilation + 1 - 2.0 * border
            : (double)field * stride;
        return image is >= 1 and <= Shape.MaxCount
            ? (int)image
            : throw new ArgumentException(
                $"{layer} would make an image of {image:N0} rows or columns of one of {field:N0}; "
                + $"1 to {Shape.MaxCount:N0} is possible");
    }

    private static void CheckMemory(string layer, ConvolutionGeometry geometry)
    {
        long largest = Math.Max(geometry.ThreadFloats, geometry.SharedFloats(1));
        if (largest > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"{layer} would need {largest:N0} floats of scratch memory; {Shape.MaxCount:N0} "
                + "is the most: a smaller kernel or fewer filters would fit");
        }
    }
}

/// <summary>
/// y[p, o] = Σ over (kh, kw, c) x[p·stride + k·dilation − padding, c]·W[kh, kw, c, o] + b[o]: every
/// filter looks at every window. With δ = dE/dy the chain rule gives dE/dW[kh, kw, c, o] = Σ over
/// rows and positions x[…]·δ[p, o], dE/db[o] = Σ over rows and positions δ[p, o], and dE/dx as the
/// sum over all windows that see a pixel: a transposed convolution, whose own input gradient is a
/// convolution.
/// </summary>
/// <remarks>What is outside the image is +0 and takes part in the sums. The input gradient is one
/// chain over (kh, kw, o) of the taps that can see the pixel, windows outside the field counting as
/// +0.</remarks>
public sealed unsafe class ConvolutionLayer : Layer
{
    private const int Weight = 0;
    private const int Bias = 1;

    private readonly ConvolutionGeometry _geometry;
    private readonly bool _isTransposed;

    internal ConvolutionLayer(
        string name, string kind, Shape input, Shape output, ConvolutionGeometry geometry,
        bool isTransposed, ImmutableArray<ParameterDeclaration> parameters)
        : base(name, kind, input, output, parameters)
    {
        _geometry = geometry;
        _isTransposed = isTransposed;
    }

    /// <summary>Padding above and to the left of the image: of the input, or, of a transposed
    /// convolution, the output.</summary>
    public Extent PaddingBefore => new(_geometry.Rows.Before, _geometry.Columns.Before);

    /// <summary>Padding below and to the right of it.</summary>
    public Extent PaddingAfter => new(_geometry.Rows.After, _geometry.Columns.After);

    /// <inheritdoc/>
    public override long ScratchPerThread => _geometry.ThreadFloats;

    private bool HasBias => Parameters.Length > Bias;

    /// <inheritdoc/>
    public override long SharedScratch(int microBatches) => _geometry.SharedFloats(microBatches);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        float* bias = HasBias ? pass.Parameter(Bias) : null;
        if (_isTransposed)
        {
            Convolution.Backward(
                SimdWidths.Best, pass.Pool, _geometry, pass.Work, pass.Parameter(Weight), bias,
                pass.Input, pass.Rows, pass.Output);
        }
        else
        {
            Convolution.Forward(
                SimdWidths.Best, pass.Pool, _geometry, pass.Work, pass.Parameter(Weight), bias,
                pass.Input, pass.Rows, pass.Output);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int filters = OutputShape.Dimensions[^1];
        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            if (Parameters[Weight].Trainable)
            {
                Convolution.WeightGradient(
                    SimdWidths.Best, forward.Pool, _geometry, forward.Work,
                    _isTransposed ? pass.OutputGradient : forward.Input,
                    _isTransposed ? forward.Input : pass.OutputGradient,
                    pass.StartsOf(node), pass.GradientOf(node, Weight));
            }

            if (HasBias && Parameters[Bias].Trainable)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, pass.OutputGradient, pass.StartsOf(node), filters,
                    pass.GradientOf(node, Bias), OutputShape.Count / filters);
            }
        }

        if (pass.InputGradient is null)
        {
            return;
        }

        if (_isTransposed)
        {
            Convolution.Forward(
                SimdWidths.Best, forward.Pool, _geometry, forward.Work,
                forward.Parameter(Weight), null, pass.OutputGradient, forward.Rows,
                pass.InputGradient);
        }
        else
        {
            Convolution.Backward(
                SimdWidths.Best, forward.Pool, _geometry, forward.Work,
                forward.Parameter(Weight), null, pass.OutputGradient, forward.Rows,
                pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int inputs = InputShape.Count, outputs = OutputShape.Count;
        int filters = OutputShape.Dimensions[^1];
        for (int row = 0; row < pass.Rows; row++)
        {
            Span<double> y = pass.Output.Slice(row * outputs, outputs);
            for (int i = 0; i < outputs; i++)
            {
                y[i] = HasBias ? pass.Parameter(Bias)[i % filters] : 0;
            }

            ReferenceRow(
                pass.Input.Slice(row * inputs, inputs), pass.Parameter(Weight), y);
        }
    }

    // Every tap of every window, once: it leads from the image to the field, or back.
    private void ReferenceRow(
        ReadOnlySpan<double> x, ReadOnlySpan<double> weight, Span<double> y)
    {
        (WindowAxis rows, WindowAxis columns) = (_geometry.Rows, _geometry.Columns);
        for (int position = 0; position < _geometry.Positions; position++)
        {
            (int top, int left) = int.DivRem(position, columns.Field);
            for (int kh = rows.FirstTap(top); kh < rows.EndTap(top); kh++)
            {
                for (int kw = columns.FirstTap(left); kw < columns.EndTap(left); kw++)
                {
                    int pixel = rows.At(top, kh) * columns.Image + columns.At(left, kw);
                    ReferenceTap(pixel, position, kh * columns.Kernel + kw, x, weight, y);
                }
            }
        }
    }

    private void ReferenceTap(
        int pixel, int position, int tap, ReadOnlySpan<double> x, ReadOnlySpan<double> weight,
        Span<double> y)
    {
        WeightStrides strides = _geometry.Weights;
        for (int o = 0; o < _geometry.FieldChannels; o++)
        {
            (int group, int inGroup) = int.DivRem(o, _geometry.FieldGroup);
            for (int c = 0; c < _geometry.ImageGroup; c++)
            {
                double w = weight[tap * strides.Tap + c * strides.Image
                    + inGroup * strides.Field + group * strides.Group];
                int i = pixel * _geometry.ImageChannels + group * _geometry.ImageGroup + c;
                int j = position * _geometry.FieldChannels + o;
                (int from, int to) = _isTransposed ? (j, i) : (i, j);
                y[to] += w * x[from];
            }
        }
    }
}
