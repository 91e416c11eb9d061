using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>A residual block, y = F(x) + x: its layers compute F, and its input skips past them.
/// He et al., "Deep residual learning for image recognition", 2015, equation 1. In the network it
/// is taken apart: first the inner layers, named <c>block.dense1</c>, then the sum, named as the
/// block.</summary>
/// <param name="Layers">F, from the block's input to the sum; its output must have the shape of the
/// block's input.</param>
public sealed record ResidualDefinition(ImmutableArray<LayerDefinition> Layers) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "residual";

    /// <summary>The sum that ends the block; <see cref="AddTo"/> adds the layers before
    /// it.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => new ResidualSumLayer(name, input);

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Layers.IsDefaultOrEmpty)
        {
            throw new ArgumentException($"residual block '{name}' has no layers");
        }

        Shape shape = builder.OutputShape;
        int entry = builder.LastNode;
        foreach (LayerDefinition layer in Layers)
        {
            builder.Add(layer, name);
        }

        if (builder.OutputShape != shape)
        {
            throw new ArgumentException(
                $"residual block '{name}' adds its input, of shape {shape}, to the output of its "
                + $"last layer, of shape {builder.OutputShape}: the two must be alike");
        }

        builder.Append(Build(name, shape), entry);
    }
}

/// <summary>y = F(x) + x, where F(x) is the input and x the skip input. dE/dy goes to both as it
/// is: that is why deep stacks of such blocks train, as the gradient has a way past every layer.
/// </summary>
public sealed unsafe class ResidualSumLayer : Layer
{
    internal ResidualSumLayer(string name, Shape shape)
        : base(name, "residual", shape, shape)
    {
    }

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) => RowParallel.Map(
        pass.Pool, default(Sum), pass.Input, pass.SkipInput, pass.Rows, OutputShape.Count,
        pass.Output);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass) => PassGradientOn(pass);

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            pass.Output[i] = pass.Input[i] + pass.SkipInput[i];
        }
    }
}
