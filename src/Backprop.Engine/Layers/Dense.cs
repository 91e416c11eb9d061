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

    /// <summary>The embedding before it whose vectors are its weights: y[v] = x·W[v] for every
    /// token v (Press and Wolf, "Using the output embedding to improve language models", 2017). It
    /// has no bias then, as many units as there are tokens, and what is said of weights is the
    /// embedding's. Null: it has weights of its own.</summary>
    public string? Tie { get; init; }

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

        if (input.Dimensions.Length != 1 && !Sequences.Is(input))
        {
            throw new ArgumentException(
                $"dense layer '{name}' reads rows of numbers, or sequences of them, but its input "
                + $"is of shape {input}: put a flatten layer before it");
        }

        int inputs = Sequences.Width(input);
        if ((long)inputs * Units > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"dense layer '{name}' would have {(long)inputs * Units:N0} weights, of "
                + $"{inputs:N0} inputs and {Units:N0} units; {Shape.MaxCount:N0} is the most");
        }

        Initializer weights = WeightInitializer
            ?? Activation?.DefaultWeightInitializer
            ?? VarianceScaling.XavierUniform;
        var weight = new ParameterDeclaration(
            "weight", Shape.Of(inputs, Units), ParameterRole.Weight, weights, WeightTrainable);
        var bias = new ParameterDeclaration(
            "bias", Shape.Of(Units), ParameterRole.Bias, BiasInitializer, BiasTrainable);
        return new DenseLayer(name, input, Units, Bias ? [weight, bias] : [weight]);
    }

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (Tie is { } embedding)
        {
            AddTied(builder, name, embedding);
        }
        else
        {
            base.AddTo(builder, name);
        }

        Activation?.AddTo(builder, $"{name}.activation");
    }

    private void AddTied(NetworkBuilder builder, string name, string embedding)
    {
        if (Bias)
        {
            throw new ArgumentException(
                $"dense layer '{name}' is tied to '{embedding}' and has a bias: leave it out");
        }

        if (builder.Find(embedding) is not { } owner)
        {
            throw new ArgumentException(
                $"dense layer '{name}' is tied to '{embedding}', and no layer before it is named "
                + "so");
        }

        Shape input = builder.OutputShape;
        if (builder.LayerOf(owner) is not EmbeddingLayer table)
        {
            throw new ArgumentException(
                $"dense layer '{name}' is tied to '{embedding}', which is no embedding");
        }

        if (Sequences.Width(input) != table.Width || Units != table.Vocabulary)
        {
            throw new ArgumentException(
                $"dense layer '{name}' reads {Sequences.Width(input)} numbers and has {Units} "
                + $"units, and embedding '{embedding}', to which it is tied, has vectors of "
                + $"{table.Width} numbers for {table.Vocabulary} tokens: they must be as many");
        }

        builder.Append(
            new TiedDenseLayer(name, input, table.Parameters[0].Shape), owner: owner);
    }
}

/// <summary>
/// y = x·W + b: every neuron sums all inputs, weighted. With E the loss and δ = dE/dy, which comes
/// from the layer behind, the chain rule gives dE/dW[i, j] = Σ over rows x[i]·δ[j],
/// dE/db[j] = Σ over rows δ[j] and dE/dx[i] = Σ over j W[i, j]·δ[j]. On sequences every position is
/// such a row, with the same weights.
/// </summary>
public sealed unsafe class DenseLayer : Layer
{
    private const int Weight = 0;
    private const int Bias = 1;

    internal DenseLayer(
        string name, Shape input, int units, ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "dense", input, Sequences.WithWidth(input, units), parameters)
    {
    }

    private int Positions => Sequences.Positions(InputShape);

    private int Inputs => Sequences.Width(InputShape);

    private int Outputs => Sequences.Width(OutputShape);

    private bool HasBias => Parameters.Length > Bias;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) => MatrixProduct.Multiply(
        pass.Pool, pass.Input, pass.Parameter(Weight), HasBias ? pass.Parameter(Bias) : null,
        pass.Rows * Positions, Inputs, Outputs, pass.Output);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int inputs = Inputs, outputs = Outputs;
        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            ReadOnlySpan<int> starts = pass.StartsOf(node, Positions);
            if (Parameters[Weight].Trainable)
            {
                MatrixProduct.WeightGradient(
                    forward.Pool, forward.Input, pass.OutputGradient, starts, inputs, outputs,
                    pass.GradientOf(node, Weight));
            }

            if (HasBias && Parameters[Bias].Trainable)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, pass.OutputGradient, starts, outputs,
                    pass.GradientOf(node, Bias));
            }
        }

        if (pass.InputGradient is not null)
        {
            MatrixProduct.MultiplyByTransposed(
                forward.Pool, pass.OutputGradient, forward.Parameter(Weight),
                forward.Rows * Positions, outputs, inputs, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int inputs = Inputs, outputs = Outputs;
        ReadOnlySpan<double> weight = pass.Parameter(Weight);
        for (int row = 0; row < pass.Rows * Positions; row++)
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
