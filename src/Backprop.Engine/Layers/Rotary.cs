using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>
/// Rotates queries and keys by their position, so that their product depends on how far they are
/// apart; Su et al., "RoFormer", 2021, with the pairs (i, i + width / 2) of GPT-NeoX and LLaMA.
/// Pair i of a head of width w at position p turns by p / base^(2i / w), where the paper's base is
/// 10,000. Values pass as they are, and gradients turn back.
/// </summary>
public sealed unsafe class RotaryLayer : Layer
{
    private readonly AttentionHeads _heads;

    // [positions, width / 2] each. Made when they are first needed: a network is built to be
    // described, and held against the memory there is, before anything is computed.
    private readonly Lazy<(float[] Cosines, float[] Sines)> _turns;

    internal RotaryLayer(string name, AttentionHeads heads, double angleBase)
        : base(name, "rotary", heads.InputShape, heads.InputShape)
    {
        _heads = heads;
        _turns = new(() => TurnsOf(heads, angleBase));
    }

    /// <summary>[positions, width / 2]: of each pair's angle at each position.</summary>
    public ReadOnlySpan<float> Cosines => _turns.Value.Cosines;

    /// <summary>[positions, width / 2]: of the same angles.</summary>
    public ReadOnlySpan<float> Sines => _turns.Value.Sines;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        fixed (float* cosines = Cosines, sines = Sines)
        {
            Turn(pass, cosines, sines, 1, pass.Input, pass.Output);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        fixed (float* cosines = Cosines, sines = Sines)
        {
            Turn(pass.Forward, cosines, sines, -1, pass.OutputGradient, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        pass.Input[..(pass.Rows * InputShape.Count)].CopyTo(pass.Output);
        int half = _heads.Width / 2, turned = _heads.Queries + _heads.Shared;
        for (int position = 0; position < pass.Rows * _heads.Positions; position++)
        {
            for (int i = 0; i < turned * half; i++)
            {
                int first = position * _heads.InputWidth + i / half * _heads.Width + i % half;
                int angle = position % _heads.Positions * half + i % half;
                double a = pass.Input[first], b = pass.Input[first + half];
                double cosine = Cosines[angle], sine = Sines[angle];
                pass.Output[first] = a * cosine - b * sine;
                pass.Output[first + half] = b * cosine + a * sine;
            }
        }
    }

    private static (float[] Cosines, float[] Sines) TurnsOf(
        AttentionHeads heads, double angleBase)
    {
        int half = heads.Width / 2;
        var cosines = new float[heads.Positions * half];
        var sines = new float[heads.Positions * half];
        for (int i = 0; i < cosines.Length; i++)
        {
            double angle = i / half / ExactMath.Pow(angleBase, i % half * 2 / (double)heads.Width);
            cosines[i] = (float)ExactMath.Cos(angle);
            sines[i] = (float)ExactMath.Sin(angle);
        }

        return (cosines, sines);
    }

    private void Turn(
        in ForwardPass pass, float* cosines, float* sines, float direction, float* source,
        float* destination)
    {
        var kernel = new RotaryPositions
        {
            Heads = _heads,
            Cosines = cosines,
            Sines = sines,
            Direction = direction,
            Source = source,
            Destination = destination,
        };
        RowParallel.Run(pass.Pool, kernel, pass.Rows * _heads.Positions, _heads.InputWidth);
    }
}

/// <summary>Turns the queries and keys of positions.</summary>
internal unsafe struct RotaryPositions : IRowKernel
{
    public required AttentionHeads Heads;

    /// <summary>[positions, head width / 2].</summary>
    public required float* Cosines;

    /// <summary>[positions, head width / 2].</summary>
    public required float* Sines;

    /// <summary>1: forward; −1: back.</summary>
    public required float Direction;

    /// <summary>[rows · positions, input width].</summary>
    public required float* Source;

    /// <summary>As the source, overwritten.</summary>
    public required float* Destination;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int half = Heads.Width / 2;
        nint start = (nint)row * Heads.InputWidth;
        nint angles = (nint)(row % Heads.Positions) * half;
        int turned = (Heads.Queries + Heads.Shared) * Heads.Width;
        TVector direction = TSimd.Create(Direction);
        for (int head = 0; head < turned; head += Heads.Width)
        {
            nint first = start + head, second = first + half;
            for (int i = 0; i < half; i += TSimd.Lanes)
            {
                int present = half - i;
                TVector a = TSimd.LoadUpTo(Source + first + i, present);
                TVector b = TSimd.LoadUpTo(Source + second + i, present);
                TVector cosine = TSimd.LoadUpTo(Cosines + angles + i, present);
                TVector sine = TSimd.Multiply(
                    direction, TSimd.LoadUpTo(Sines + angles + i, present));
                TSimd.StoreUpTo(
                    TSimd.Subtract(TSimd.Multiply(a, cosine), TSimd.Multiply(b, sine)), present,
                    Destination + first + i);
                TSimd.StoreUpTo(
                    TSimd.FusedMultiplyAdd(b, cosine, TSimd.Multiply(a, sine)), present,
                    Destination + second + i);
            }
        }

        new ReadOnlySpan<float>(Source + start + turned, Heads.InputWidth - turned)
            .CopyTo(new Span<float>(Destination + start + turned, Heads.InputWidth - turned));
    }
}
