using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Dropout; Srivastava et al., "Dropout: a simple way to prevent neural networks from
/// overfitting", 2014.</summary>
/// <param name="Rate">The share of elements that a step drops; at least 0, below 1.</param>
public sealed record DropoutDefinition(float Rate) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "dropout";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        if (!(Rate >= 0 && Rate < 1))
        {
            throw new ArgumentException(
                $"dropout '{name}' has rate {Rate}; it must be at least 0 and below 1");
        }

        return new DropoutLayer(name, input, Rate);
    }
}

/// <summary>
/// In training y = x·m, where m is 0 with probability rate and 1 / (1 − rate) else, so that the
/// mean stays; dE/dx = dE/dy·m. In evaluation y = x. Element i of a sample is dropped or kept by
/// word i of that sample's item in the stream (seed, dropout, layer, step): the mask is the same
/// wherever, and with whichever other rows, the sample is computed.
/// </summary>
public sealed unsafe class DropoutLayer : Layer
{
    private readonly float _rate;

    internal DropoutLayer(string name, Shape shape, float rate)
        : base(name, "dropout", shape, shape) => _rate = rate;

    /// <inheritdoc/>
    public override int SavedPerRow => InputShape.Count;

    private float Kept => 1f / (1f - _rate);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        int width = InputShape.Count;
        if (!pass.Step.Training)
        {
            RowParallel.Copy(pass.Pool, pass.Input, pass.Rows, width, pass.Output);
            return;
        }

        fixed (long* samples = pass.Samples)
        {
            var mask = new MaskBody
            {
                Stream = StreamOf(pass.Step, pass.LayerIndex),
                Samples = samples,
                Rows = pass.Rows,
                Width = width,
                Rate = _rate,
                Kept = Kept,
                Mask = pass.Saved,
            };
            RowParallel.Run(pass.Pool, (long)pass.Rows * width, ref mask);
        }

        RowParallel.Map(
            pass.Pool, default(Product), pass.Input, pass.Saved, pass.Rows, width, pass.Output);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            ForwardPass forward = pass.Forward;
            RowParallel.Map(
                forward.Pool, default(Product), pass.OutputGradient, forward.Saved, forward.Rows,
                InputShape.Count, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = InputShape.Count;
        RandomStream stream = StreamOf(pass.Step, pass.LayerIndex);
        for (int i = 0; i < pass.Rows * width; i++)
        {
            ulong sample = (ulong)pass.Samples[i / width];
            bool dropped = pass.Step.Training
                && stream.Uniform(sample, (ulong)(i % width)) < _rate;
            double kept = pass.Step.Training ? 1 / (1 - (double)_rate) : 1;
            pass.Output[i] = dropped ? 0 : pass.Input[i] * kept;
        }
    }

    private static RandomStream StreamOf(in StepKey step, int layerIndex) =>
        new(step.Seed, RandomPurpose.Dropout, (uint)layerIndex, (ulong)step.Step);

    private struct MaskBody : IParallelBody
    {
        public RandomStream Stream;
        public long* Samples;
        public int Rows;
        public int Width;
        public float Rate;
        public float Kept;
        public float* Mask;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                Stream.FillMask(
                    (ulong)Samples[row], Rate, Kept, Width, Mask + (nint)row * Width);
            }
        }
    }
}
