using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Optimizers;

/// <summary>What was summed over one piece of the parameters, in double precision.</summary>
/// <param name="GradientSquares">Σg², of the gradient with penalties, clamped by value. Not finite
/// if, and only if, an element is not: no sum of squares of floats leaves the range of double.
/// </param>
/// <param name="WeightSquares">Σw²; 0 unless weights were measured.</param>
/// <param name="WeightMagnitudes">Σ|w|; 0 unless weights were measured and there is an L1 penalty.
/// </param>
public readonly record struct PieceSums(
    double GradientSquares, double WeightSquares, double WeightMagnitudes);

/// <summary>
/// Folds the sums of all pieces of a layout, whoever took them, into what is known of the whole:
/// first the pieces of a block, in order, then the blocks up the fixed binary tree (rule 5).
/// </summary>
/// <remarks>Allocates nothing after its making; one caller at a time.</remarks>
public sealed class ParameterNorms
{
    private readonly ParameterLayout _layout;
    private readonly ParameterPieces _pieces;
    private readonly double[] _scratch;

    /// <summary>For the parameters of <paramref name="layout"/>.</summary>
    public ParameterNorms(ParameterLayout layout)
    {
        _layout = layout;
        _pieces = new ParameterPieces(layout);
        _scratch = new double[layout.BlockCount];
    }

    /// <summary>Pieces of the layout: how many sums every other member is given.</summary>
    public int PieceCount => _pieces.All.Length;

    /// <summary>The first tensor whose gradient, or weights where they were measured, have an
    /// element that is not finite; null: all are finite. To be asked before anything is updated.
    /// </summary>
    public ParameterView? FindNonFinite(ReadOnlySpan<PieceSums> sums)
    {
        for (int piece = 0; piece < sums.Length; piece++)
        {
            if (!double.IsFinite(sums[piece].GradientSquares + sums[piece].WeightSquares))
            {
                return _layout.Views[_pieces.All[piece].View];
            }
        }

        return null;
    }

    /// <summary>The L2 norm of the gradient of all optimized parameters, before it is scaled.
    /// </summary>
    public double GradientNorm(ReadOnlySpan<PieceSums> sums) =>
        Math.Sqrt(FoldAll(sums, Quantity.GradientSquares));

    /// <summary>The L2 norm of one tensor's gradient, before it is scaled.</summary>
    public double GradientNorm(int view, ReadOnlySpan<PieceSums> sums) =>
        Math.Sqrt(FoldView(view, sums, Quantity.GradientSquares));

    /// <summary>The L2 norm of one tensor. The weights have to have been measured.</summary>
    public double WeightNorm(int view, ReadOnlySpan<PieceSums> sums) =>
        Math.Sqrt(FoldView(view, sums, Quantity.WeightSquares));

    /// <summary>The value of <paramref name="penalty"/>: what it adds to the objective. The weights
    /// have to have been measured.</summary>
    public double PenaltyValue(Penalty penalty, ReadOnlySpan<PieceSums> sums) =>
        (penalty.L1 * FoldAll(sums, Quantity.PenalizedMagnitudes))
        + (0.5 * penalty.L2 * FoldAll(sums, Quantity.PenalizedSquares));

    private double FoldAll(ReadOnlySpan<PieceSums> sums, Quantity quantity)
    {
        for (int block = 0; block < _scratch.Length; block++)
        {
            double sum = 0;
            for (int i = _pieces.FirstOfBlock(block); i < _pieces.FirstOfBlock(block + 1); i++)
            {
                ParameterDeclaration parameter = _layout.Views[_pieces.All[i].View].Declaration;
                sum += parameter.IsOptimized ? Of(sums[i], parameter.Role, quantity) : 0;
            }

            _scratch[block] = sum;
        }

        return GradientTree.Fold(_scratch);
    }

    private double FoldView(int view, ReadOnlySpan<PieceSums> sums, Quantity quantity)
    {
        int first = _pieces.FirstOfView(view);
        Span<double> values = _scratch.AsSpan(0, _pieces.FirstOfView(view + 1) - first);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Of(sums[first + i], _layout.Views[view].Declaration.Role, quantity);
        }

        return GradientTree.Fold(values);
    }

    private static double Of(in PieceSums sums, ParameterRole role, Quantity quantity) =>
        quantity switch
        {
            Quantity.GradientSquares => sums.GradientSquares,
            Quantity.WeightSquares => sums.WeightSquares,
            _ when role != ParameterRole.Weight => 0,
            Quantity.PenalizedSquares => sums.WeightSquares,
            _ => sums.WeightMagnitudes,
        };

    private enum Quantity
    {
        GradientSquares,
        WeightSquares,
        PenalizedSquares,
        PenalizedMagnitudes,
    }
}
