using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>A dense (fully connected) layer of so many neurons, with an activation on request.
/// </summary>
/// <param name="Units">Neurons: the layer's outputs.</param>
public sealed record DenseDefinition(int Units) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "dense";

    /// <summary>What the neurons apply to their sums; null: nothing. It becomes a layer of its own,
    /// named <c>x.activation</c> where the dense layer is <c>x</c>.</summary>
    public ActivationDefinition? Activation { get; init; }

    /// <summary>Whether each neuron adds a bias.</summary>
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
        if (Units < 1)
        {
            throw new ArgumentException($"dense layer '{name}' has {Units} units; 1 is the least");
        }

        if (input.Dimensions.Length != 1)
        {
            throw new ArgumentException(
                $"dense layer '{name}' reads rows of numbers, but its input is of shape {input}: "
                + "put a flatten layer before it");
        }

        if ((long)input.Count * Units > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"dense layer '{name}' would have {(long)input.Count * Units:N0} weights, of "
                + $"{input.Count:N0} inputs and {Units:N0} units; {Shape.MaxCount:N0} is the most");
        }

        Initializer weights = WeightInitializer
            ?? Activation?.DefaultWeightInitializer
            ?? VarianceScaling.XavierUniform;
        var weight = new ParameterDeclaration(
            "weight", Shape.Of(input.Count, Units), ParameterRole.Weight, weights, WeightTrainable);
        var bias = new ParameterDeclaration(
            "bias", Shape.Of(Units), ParameterRole.Bias, BiasInitializer, BiasTrainable);
        return new DenseLayer(name, input, Units, Bias ? [weight, bias] : [weight]);
    }

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        base.AddTo(builder, name);
        Activation?.AddTo(builder, $"{name}.activation");
    }
}

/// <summary>
/// y = x·W + b: every neuron sums all inputs, weighted. With E the loss and δ = dE/dy, which comes
/// from the layer behind, the chain rule gives dE/dW[i, j] = Σ over rows x[i]·δ[j],
/// dE/db[j] = Σ over rows δ[j] and dE/dx[i] = Σ over j W[i, j]·δ[j].
/// </summary>
public sealed unsafe class DenseLayer : Layer
{
    private const int Weight = 0;
    private const int Bias = 1;

    internal DenseLayer(
        string name, Shape input, int units, ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "dense", input, Shape.Of(units), parameters)
    {
    }

    private bool HasBias => Parameters.Length > Bias;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) => MatrixProduct.Multiply(
        pass.Pool, pass.Input, pass.Parameter(Weight), HasBias ? pass.Parameter(Bias) : null,
        pass.Rows, InputShape.Count, OutputShape.Count, pass.Output);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int inputs = InputShape.Count, outputs = OutputShape.Count;
        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            if (Parameters[Weight].Trainable)
            {
                MatrixProduct.WeightGradient(
                    forward.Pool, forward.Input, pass.OutputGradient, pass.StartsOf(node),
                    inputs, outputs, pass.GradientOf(node, Weight));
            }

            if (HasBias && Parameters[Bias].Trainable)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, pass.OutputGradient, pass.StartsOf(node), outputs,
                    pass.GradientOf(node, Bias));
            }
        }

        if (pass.InputGradient is not null)
        {
            MatrixProduct.MultiplyByTransposed(
                forward.Pool, pass.OutputGradient, forward.Parameter(Weight), forward.Rows,
                outputs, inputs, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int inputs = InputShape.Count, outputs = OutputShape.Count;
        ReadOnlySpan<double> weight = pass.Parameter(Weight);
        for (int row = 0; row < pass.Rows; row++)
        {
            ReadOnlySpan<double> x = pass.Input.Slice(row * inputs, inputs);
            for (int j = 0; j < outputs; j++)
            {
                double sum = HasBias ? pass.Parameter(Bias)[j] : 0;
                for (int i = 0; i < inputs; i++)
                {
                    sum += x[i] * weight[i * outputs + j];
                }

                pass.Output[row * outputs + j] = sum;
            }
        }
    }
}
