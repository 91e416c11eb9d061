using System.Collections.Immutable;
using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Layers;

/// <summary>Batch normalization over features, or over the channels of images and sequences; Ioffe
/// and Szegedy, "Batch normalization", 2015. Channels are the last dimension; where there are
/// others, statistics are taken over rows and positions alike.</summary>
public sealed record BatchNormalizationDefinition : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "batch-normalization";

    /// <summary>Added to the variance, so that a constant feature is not divided by zero.</summary>
    public float Epsilon { get; init; } = 1e-5f;

    /// <summary>How much of a running statistic each step keeps; 0.9 is PyTorch's momentum of 0.1.
    /// </summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>False: scale, bias and running statistics stay as they were initialized, and
    /// training normalizes by these statistics, as evaluation does: the layer is a fixed linear map
    /// of each channel. torchvision's <c>FrozenBatchNorm2d</c> and Keras's <c>trainable = False</c>
    /// are the same; PyTorch's <c>requires_grad_(False)</c> alone goes on with batch statistics and
    /// the running ones, until the module is put in <c>eval()</c>.</summary>
    public bool Trainable { get; init; } = true;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        LayerNormalizationDefinition.RequireEpsilon(Epsilon, "batch normalization", name);
        if (!(Momentum >= 0 && Momentum < 1))
        {
            throw new ArgumentException(
                $"batch normalization '{name}' has momentum {Momentum}; it must be at least 0 and "
                + "below 1");
        }

        Shape channels = Shape.Of(input.Dimensions[^1]);
        return new BatchNormalizationLayer(
            name, input, Epsilon,
            [
                new("scale", channels, ParameterRole.Scale, Constant.Ones, Trainable),
                new("bias", channels, ParameterRole.Bias, Constant.Zeros, Trainable),
                new(
                    "running_mean", channels, ParameterRole.Statistic, Constant.Zeros, Trainable,
                    StatisticMomentum: Momentum),
                new(
                    "running_var", channels, ParameterRole.Statistic, Constant.Ones, Trainable,
                    StatisticMomentum: Momentum),
            ]);
    }
}

/// <summary>
/// y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), channel by channel (a row of features has one
/// position, and a channel for each feature). In training μ and σ² are the mean and the (biased)
/// variance over the rows of one micro-batch and their positions; in evaluation the running
/// statistics. With n values of a channel in the micro-batch and δ = dE/dy: dE/dβ = Σδ,
/// dE/dγ = Σ δ·x̂, and since μ and σ depend on all of them,
/// dE/dx = γ / √(σ² + ε) · (δ − (dE/dβ + x̂·dE/dγ) / n). A layer that is not trained has the
/// running statistics in training too, which do not depend on x: dE/dx = γ / √(σ² + ε) · δ.
/// </summary>
/// <remarks>
/// What goes up the gradient tree for the running statistics is each micro-batch's mean and
/// unbiased variance, Σ(x − μ)² / (n − 1), which is what PyTorch keeps; 0 where the micro-batch has
/// one value, and nothing where it has none, as the update divides by the micro-batches that have
/// rows.
/// </remarks>
public sealed unsafe class BatchNormalizationLayer : Layer
{
    private const int Scale = 0;
    private const int Bias = 1;
    private const int RunningMean = 2;
    private const int RunningVariance = 3;

    private readonly float _epsilon;
    private readonly int _channels;
    private readonly int _positions;

    internal BatchNormalizationLayer(
        string name, Shape shape, float epsilon,
        ImmutableArray<ParameterDeclaration> parameters)
        : base(name, "batch-normalization", shape, shape, parameters)
    {
        _epsilon = epsilon;
        _channels = shape.Dimensions[^1];
        _positions = shape.Count / _channels;
    }

    /// <inheritdoc/>
    public override int SavedPerMicroBatch =>
        IsFrozen ? 0 : BatchNormalizationKernels.SavedVectors * _channels;

    private bool IsFrozen => !Parameters[Scale].Trainable;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        int width = _channels;
        if (!pass.Step.Training || IsFrozen)
        {
            ColumnParallel.Run(
                pass.Pool,
                new NormalizeByRunningStatistics
                {
                    Rows = pass.Rows * _positions,
                    Width = width,
                    Epsilon = _epsilon,
                    Scale = pass.Parameter(Scale),
                    Bias = pass.Parameter(Bias),
                    Mean = pass.Parameter(RunningMean),
                    Variance = pass.Parameter(RunningVariance),
                    Input = pass.Input,
                    Output = pass.Output,
                },
                pass.Rows * _positions, width);
            return;
        }

        fixed (int* starts = pass.MicroBatchStarts)
        {
            ColumnParallel.Run(
                pass.Pool,
                new NormalizeByMicroBatch
                {
                    Starts = starts,
                    MicroBatches = pass.MicroBatchStarts.Length - 1,
                    Positions = _positions,
                    Width = width,
                    Epsilon = _epsilon,
                    Scale = pass.Parameter(Scale),
                    Bias = pass.Parameter(Bias),
                    Saved = pass.SavedByMicroBatch,
                    Input = pass.Input,
                    Output = pass.Output,
                },
                pass.Rows * _positions, width);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        int width = _channels;
        if (IsFrozen)
        {
            ScaleBackward(pass);
            return;
        }

        fixed (int* starts = forward.MicroBatchStarts)
        {
            ColumnParallel.Run(
                forward.Pool,
                new NormalizeBackward
                {
                    Starts = starts,
                    MicroBatches = forward.MicroBatchStarts.Length - 1,
                    Positions = _positions,
                    Width = width,
                    Scale = forward.Parameter(Scale),
                    Saved = forward.SavedByMicroBatch,
                    Input = forward.Input,
                    OutputGradient = pass.OutputGradient,
                    InputGradient = pass.InputGradient,
                },
                forward.Rows * _positions, width);
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            Fold(pass, node, Scale, BatchNormalizationKernels.ScaleGradient);
            Fold(pass, node, Bias, BatchNormalizationKernels.BiasGradient);
            Fold(pass, node, RunningMean, BatchNormalizationKernels.Mean);
            Fold(pass, node, RunningVariance, BatchNormalizationKernels.UnbiasedVariance);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = _channels;
        for (int m = 0; m + 1 < pass.MicroBatchStarts.Length; m++)
        {
            int start = pass.MicroBatchStarts[m] * _positions;
            int end = pass.MicroBatchStarts[m + 1] * _positions;
            for (int j = 0; j < width; j++)
            {
                double mean = pass.Parameter(RunningMean)[j];
                double variance = pass.Parameter(RunningVariance)[j];
                if (pass.Step.Training && !IsFrozen)
                {
                    (mean, variance) = Moments(pass.Input, start, end, j);
                }

                double slope = pass.Parameter(Scale)[j] / Math.Sqrt(variance + _epsilon);
                for (int row = start; row < end; row++)
                {
                    int i = row * width + j;
                    pass.Output[i] = slope * (pass.Input[i] - mean) + pass.Parameter(Bias)[j];
                }
            }
        }
    }

    private void ScaleBackward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        if (pass.InputGradient is null)
        {
            return;
        }

        ColumnParallel.Run(
            forward.Pool,
            new ScaleByRunningStatistics
            {
                Rows = forward.Rows * _positions,
                Width = _channels,
                Epsilon = _epsilon,
                Scale = forward.Parameter(Scale),
                Variance = forward.Parameter(RunningVariance),
                OutputGradient = pass.OutputGradient,
                InputGradient = pass.InputGradient,
            },
            forward.Rows * _positions, _channels);
    }

    private (double Mean, double Variance) Moments(
        ReadOnlySpan<double> input, int start, int end, int column)
    {
        int width = _channels;
        double mean = 0, variance = 0;
        for (int row = start; row < end; row++)
        {
            mean += input[row * width + column] / (end - start);
        }

        for (int row = start; row < end; row++)
        {
            double centered = input[row * width + column] - mean;
            variance += centered * centered / (end - start);
        }

        return (mean, variance);
    }

    private void Fold(in BackwardPass pass, in NodeGradient node, int parameter, int vector)
    {
        int width = _channels;
        float* first = pass.Forward.SavedByMicroBatch
            + (nint)node.FirstMicroBatch * SavedPerMicroBatch + vector * width;
        VectorFold.Run(
            pass.Forward.Pool, first, SavedPerMicroBatch, node.MicroBatchCount, width,
            pass.GradientOf(node, parameter));
    }
}
