using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>What is made of the positions of a sequence.</summary>
public enum PoolingKind
{
    /// <summary>The last of them, of a padded sequence the last that is no padding.</summary>
    Last,

    /// <summary>Their mean.</summary>
    Mean,
}

/// <summary>Makes one vector of a sequence.</summary>
/// <param name="Of">Which.</param>
public sealed record PositionPoolingDefinition(PoolingKind Of) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "position-pooling";

    /// <summary>The token that fills sequences up at their end, as of an attention
    /// (<see cref="AttentionDefinition.PaddingToken"/>): positions after the last other token of a
    /// row take no part. A row of padding alone has its first position. Null: every position
    /// counts.</summary>
    public int? PaddingToken { get; init; }

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        Sequences.Require(input, "position pooling", name);
        return new PositionPoolingLayer(name, input, Of, PaddingToken);
    }

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        Layer layer = Build(name, builder.OutputShape);
        if (PaddingToken is null)
        {
            builder.Append(layer);
            return;
        }

        Sequences.RequireTokens(builder, Kind, name);
        builder.Append(layer, NetworkBuilder.InputNode);
    }
}

/// <summary>y = x[T − 1], or y = Σ x[t] / T, a chain over positions. dE/dx[t] is dE/dy, or dE/dy /
/// T. Of padded sequences T is a row's own length.</summary>
public sealed unsafe class PositionPoolingLayer : Layer
{
    private readonly PoolingKind _kind;

    private readonly int? _padding;

    internal PositionPoolingLayer(string name, Shape input, PoolingKind kind, int? padding)
        : base(name, "position-pooling", input, Shape.Of(Sequences.Width(input)))
    {
        _kind = kind;
        _padding = padding;
    }

    /// <inheritdoc/>
    public override Shape SkipShape => _padding is null ? base.SkipShape : Shape.Of(Positions);

    /// <inheritdoc/>
    public override bool PassesGradientToSkip => _padding is null;

    private int Positions => Sequences.Positions(InputShape);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        var kernel = new PoolForward
        {
            IsMean = _kind == PoolingKind.Mean,
            Padding = SequencePadding.Of(pass, _padding),
            Positions = Positions,
            Width = OutputShape.Count,
            Input = pass.Input,
            Output = pass.Output,
        };
        RowParallel.Run(pass.Pool, kernel, pass.Rows, InputShape.Count);
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        var kernel = new PoolBackward
        {
            IsMean = _kind == PoolingKind.Mean,
            Padding = SequencePadding.Of(pass.Forward, _padding),
            Positions = Positions,
            Width = OutputShape.Count,
            OutputGradient = pass.OutputGradient,
            InputGradient = pass.InputGradient,
        };
        RowParallel.Run(pass.Forward.Pool, kernel, pass.Forward.Rows, InputShape.Count);
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int width = OutputShape.Count;
        for (int i = 0; i < pass.Rows * width; i++)
        {
            int first = i / width * InputShape.Count + i % width;
            int length = SequencePadding.ReferenceLength(pass, i / width, Positions, _padding);
            double sum = 0;
            for (int t = 0; t < length; t++)
            {
                sum += pass.Input[first + t * width];
            }

            pass.Output[i] = _kind == PoolingKind.Mean
                ? sum / length
                : pass.Input[first + (length - 1) * width];
        }
    }

    private struct PoolForward : IRowKernel
    {
        public bool IsMean;
        public SequencePadding Padding;
        public int Positions;
        public int Width;
        public float* Input;
        public float* Output;

        public readonly void Run<TVector, TSimd>(int row)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            float* x = Input + (nint)row * Positions * Width, y = Output + (nint)row * Width;
            int length = Padding.LengthOf(row, Positions);
            for (int i = 0; i < Width; i += TSimd.Lanes)
            {
                int present = Width - i;
                TVector pooled = TSimd.Zero;
                for (int t = 0; t < length && IsMean; t++)
                {
                    pooled = TSimd.Add(
                        pooled, TSimd.LoadUpTo(x + (nint)t * Width + i, present));
                }

                pooled = IsMean
                    ? TSimd.Divide(pooled, TSimd.Create(length))
                    : TSimd.LoadUpTo(x + (nint)(length - 1) * Width + i, present);
                TSimd.StoreUpTo(pooled, present, y + i);
            }
        }
    }

    private struct PoolBackward : IRowKernel
    {
        public bool IsMean;
        public SequencePadding Padding;
        public int Positions;
        public int Width;
        public float* OutputGradient;
        public float* InputGradient;

        public readonly void Run<TVector, TSimd>(int row)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            float* dx = InputGradient + (nint)row * Positions * Width;
            float* dy = OutputGradient + (nint)row * Width;
            int length = Padding.LengthOf(row, Positions);
            TVector share = TSimd.Create(IsMean ? length : 1);
            for (int i = 0; i < Width; i += TSimd.Lanes)
            {
                int present = Width - i;
                TVector error = TSimd.Divide(TSimd.LoadUpTo(dy + i, present), share);
                for (int t = 0; t < Positions; t++)
                {
                    TSimd.StoreUpTo(
                        t == length - 1 || (IsMean && t < length) ? error : TSimd.Zero, present,
                        dx + (nint)t * Width + i);
                }
            }
        }
    }
}
