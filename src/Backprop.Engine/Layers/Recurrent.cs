using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Kernels;
using Backprop.Engine.Networks;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>What a recurrent layer gives of a sequence.</summary>
public enum RecurrentReturn
{
    /// <summary>Its state after every position.</summary>
    Sequence,

    /// <summary>Its state after the last position.</summary>
    Last,
}

/// <summary>
/// A layer that goes through a sequence and keeps a state. In the network it is taken apart: a
/// dense layer, named <c>lstm1.input</c>, that computes what all positions add to the gates, and
/// the recurrence itself, named as the layer.
/// </summary>
/// <param name="Units">Numbers of the state.</param>
public abstract record RecurrentDefinition(int Units) : LayerDefinition
{
    /// <summary>What is given of a sequence.</summary>
    public RecurrentReturn Return { get; init; } = RecurrentReturn.Sequence;

    /// <summary>False: its weights and biases stay as they were initialized.</summary>
    public bool Trainable { get; init; } = true;

    /// <summary>Positions after which the gradient is cut: the state goes on from position K − 1 to
    /// K, from 2·K − 1 to 2·K and so on as ever, but no gradient comes back. Null: it comes back
    /// from the last position to the first. Williams and Peng, "An efficient gradient-based
    /// algorithm for on-line training of recurrent network trajectories", 1990; PyTorch's
    /// <c>detach()</c> of the state between chunks of K positions.</summary>
    public int? Truncation { get; init; }

    private protected abstract int Gates { get; }

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        Sequences.Require(builder.OutputShape, Kind, name);
        if (Units < 1 || (long)Gates * Units * Units > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"{Kind} '{name}' has {Units:N0} units; 1 is the least, and {Gates} weights for "
                + $"each two of them must be at most {Shape.MaxCount:N0}");
        }

        new DenseDefinition(Gates * Units)
        {
            WeightTrainable = Trainable, BiasTrainable = Trainable,
        }.AddTo(builder, $"{name}.input");
        base.AddTo(builder, name);
    }

    private protected Layer Build<TCell>(string name, Shape input)
        where TCell : struct, IRecurrentCell
    {
        Sequences.Require(input, Kind, name);
        int gates = TCell.Gates * Units;
        if (Sequences.Width(input) != gates)
        {
            throw new ArgumentException(
                $"{Kind} '{name}' of {Units} units reads {gates} numbers at each position, but its "
                + $"input is of shape {input}");
        }

        if (Truncation < 1)
        {
            throw new ArgumentException(
                $"{Kind} '{name}' has truncation {Truncation}; 1 is the least: after every "
                + "position");
        }

        var weight = new ParameterDeclaration(
            "weight", Shape.Of(Units, gates), ParameterRole.Weight,
            VarianceScaling.XavierUniform, Trainable);
        var bias = new ParameterDeclaration(
            "bias", Shape.Of(gates), ParameterRole.Bias, Constant.Zeros, Trainable);
        return new RecurrentLayer<TCell>(
            name, Kind, input, Units, Return, Truncation,
            TCell.HasBias ? [weight, bias] : [weight]);
    }
}

/// <summary>One position of a row, as a recurrent cell computes it: each pointer to as many numbers
/// as the state has, gates one after the other.</summary>
internal unsafe struct CellStep
{
    /// <summary>Numbers of the state.</summary>
    public int Units;

    /// <summary>[gates, units]: what the position's input adds to the gates.</summary>
    public float* Input;

    /// <summary>[gates, units]: forward, what the state before adds to them, overwritten with the
    /// gates' values; backward, these.</summary>
    public float* Gates;

    /// <summary>[units]: the cell's memory after the position, written forward.</summary>
    public float* Memory;

    /// <summary>[units]: the cell's memory before the position; null: zeros.</summary>
    public float* MemoryBefore;

    /// <summary>[units]: the state before the position.</summary>
    public float* StateBefore;

    /// <summary>[units]: the gradient that comes from the output; null: none does.</summary>
    public float* OutputGradient;

    /// <summary>[units]: the gradient that comes from the next position by its gates.</summary>
    public float* Carried;

    /// <summary>[units]: what the cell itself hands from a position's backward step to the one
    /// before; read and overwritten.</summary>
    public float* Kept;

    /// <summary>[gates, units]: the gradient of what the state before added, overwritten.</summary>
    public float* RecurrentGradient;

    /// <summary>[gates, units]: the gradient of what the input added, overwritten; null: nobody
    /// needs it.</summary>
    public float* InputGradient;

    /// <summary>What input and state add to a gate, in lanes [<paramref name="i"/>, …).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly TVector Sum<TVector, TSimd>(int gate, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int offset = gate * Units + i;
        return TSimd.Add(
            TSimd.LoadUpTo(Input + offset, present), TSimd.LoadUpTo(Gates + offset, present));
    }

    /// <summary>Stores the gradient of such a sum, which both that are added have.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void StoreGradient<TVector, TSimd>(
        int gate, int i, int present, TVector gradient)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int offset = gate * Units + i;
        TSimd.StoreUpTo(gradient, present, RecurrentGradient + offset);
        if (InputGradient is not null)
        {
            TSimd.StoreUpTo(gradient, present, InputGradient + offset);
        }
    }
}

/// <summary>The arithmetic of a recurrent layer at one position.</summary>
internal unsafe interface IRecurrentCell
{
    /// <summary>Gates.</summary>
    static abstract int Gates { get; }

    /// <summary>Whether the state's product has a bias of its own; where it would only be added to
    /// that of the input it has none.</summary>
    static abstract bool HasBias { get; }

    /// <summary>Computes lanes [<paramref name="i"/>, …) of the new state.</summary>
    static abstract TVector Forward<TVector, TSimd>(in CellStep step, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;

    /// <summary>Computes lanes [<paramref name="i"/>, …) of the gradients, of
    /// <paramref name="error"/> = dE/d(state): what came from the output and from the next
    /// position's gates.</summary>
    static abstract void Backward<TVector, TSimd>(
        in CellStep step, TVector error, int i, int present)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;

    /// <summary>One number of the new state in double precision.</summary>
    /// <param name="input">What the input adds, a number for each gate.</param>
    /// <param name="recurrent">What the state before adds.</param>
    /// <param name="stateBefore">The state before.</param>
    /// <param name="memory">The cell's memory; changed.</param>
    static abstract double Reference(
        ReadOnlySpan<double> input, ReadOnlySpan<double> recurrent, double stateBefore,
        ref double memory);
}

/// <summary>
/// h[t] = cell(x[t], h[t − 1]·W + b) with h[−1] = 0, position after position. Backward in the
/// opposite order (backpropagation through time), inside the row: with g[t] the gradient of
/// h[t − 1]·W + b, dE/dh[t − 1] takes g[t]·Wᵀ, dE/dW = Σ over rows, and in each over positions, of
/// h[t − 1]·g[t], and dE/db = Σ g[t]. Where the gradient is cut before t, h[t − 1] and the memory
/// are constants to everything after it, so dE/dh[t − 1] takes nothing from there, while h[t − 1]
/// stands in dE/dW as it is.
/// </summary>
/// <remarks>The state before every position is kept as an array of its own, so that the weight
/// gradient is the same product as a dense layer's.</remarks>
internal sealed unsafe class RecurrentLayer<TCell> : Layer
    where TCell : struct, IRecurrentCell
{
    private const int Weight = 0;
    private const int Bias = 1;

    private readonly int _units;
    private readonly RecurrentReturn _return;
    private readonly int _truncation;

    public RecurrentLayer(
        string name, string kind, Shape input, int units, RecurrentReturn returned,
        int? truncation, ImmutableArray<ParameterDeclaration> parameters)
        : base(
            name, kind, input,
            returned == RecurrentReturn.Last
                ? Shape.Of(units)
                : Sequences.WithWidth(input, units),
            parameters)
    {
        _units = units;
        _return = returned;
        _truncation = truncation ?? Positions;
    }

    /// <summary>Of every position the state before it, the gates and the cell's memory.</summary>
    /// <inheritdoc/>
    public override int SavedPerRow => Positions * (_units + GateWidth + _units);

    /// <summary>The gradients of the state's product, and two carried vectors.</summary>
    /// <inheritdoc/>
    public override int ScratchPerRow => (Positions * GateWidth) + (2 * _units);

    /// <summary>Of every cut the state and the cell's memory.</summary>
    /// <inheritdoc/>
    public override int HeldPerRow => (Positions - 1) / _truncation * 2 * _units;

    private int Positions => Sequences.Positions(InputShape);

    private int GateWidth => TCell.Gates * _units;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        float* bias = TCell.HasBias ? pass.Parameter(Bias) : null;
        var weight = new StridedMatrix(pass.Parameter(Weight), GateWidth, 1);
        RecurrentStep<TCell> step = StepOf(pass);
        for (int row = 0; row < pass.Rows; row++)
        {
            new Span<float>(step.StatesBefore + (nint)row * Positions * _units, _units).Clear();
        }

        for (; step.Position < Positions; step.Position++)
        {
            ProductWork.RunOn(SimdWidths.Best, pass.Pool, new ProductPart(
                new StridedMatrix(
                    step.StatesBefore + step.Position * _units, Positions * _units, 1),
                weight, bias, pass.Rows, _units, GateWidth,
                step.Gates + step.Position * GateWidth, Positions * GateWidth));
            RowParallel.Run(pass.Pool, new CellsForward<TCell>(step), pass.Rows, GateWidth);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        var transposed = new StridedMatrix(forward.Parameter(Weight), 1, GateWidth);
        RecurrentStep<TCell> step = StepOf(forward);
        step.OutputGradient = pass.OutputGradient;
        step.InputGradient = pass.InputGradient;
        step.RecurrentGradient = pass.Scratch;
        step.Carried = pass.Scratch + (nint)forward.Rows * Positions * GateWidth;
        step.Kept = step.Carried + (nint)forward.Rows * _units;
        new Span<float>(step.Carried, 2 * forward.Rows * _units).Clear();
        for (step.Position = Positions - 1; step.Position >= 0; step.Position--)
        {
            RowParallel.Run(
                forward.Pool, new CellsBackward<TCell>(step), forward.Rows, GateWidth);
            if (IsCut(step.Position))
            {
                new Span<float>(step.Carried, 2 * forward.Rows * _units).Clear();
            }
            else if (step.Position > 0)
            {
                ProductWork.RunOn(SimdWidths.Best, forward.Pool, new ProductPart(
                    new StridedMatrix(
                        step.RecurrentGradient + step.Position * GateWidth,
                        Positions * GateWidth, 1),
                    transposed, null, forward.Rows, GateWidth, _units, step.Carried, _units));
            }
        }

        if (!Parameters[Weight].Trainable)
        {
            return;
        }

        foreach (ref readonly NodeGradient node in pass.Nodes)
        {
            ReadOnlySpan<int> starts = pass.StartsOf(node, Positions);
            MatrixProduct.WeightGradient(
                forward.Pool, step.StatesBefore, step.RecurrentGradient, starts, _units, GateWidth,
                pass.GradientOf(node, Weight));
            if (TCell.HasBias)
            {
                MatrixProduct.BiasGradient(
                    forward.Pool, step.RecurrentGradient, starts, GateWidth,
                    pass.GradientOf(node, Bias));
            }
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int gates = TCell.Gates;
        var state = new double[_units];
        var next = new double[_units];
        var memory = new double[_units];
        var input = new double[gates];
        var recurrent = new double[gates];
        for (int row = 0; row < pass.Rows; row++)
        {
            Array.Clear(state);
            Array.Clear(memory);
            for (int t = 0; t < Positions; t++)
            {
                if (IsCut(t))
                {
                    int cut = (row * HeldPerRow) + (((t / _truncation) - 1) * 2 * _units);
                    pass.Hold(cut, state);
                    pass.Hold(cut + _units, memory);
                }

                for (int unit = 0; unit < _units; unit++)
                {
                    for (int gate = 0; gate < gates; gate++)
                    {
                        int column = (gate * _units) + unit;
                        input[gate] =
                            pass.Input[(((row * Positions) + t) * GateWidth) + column];
                        recurrent[gate] = TCell.HasBias ? pass.Parameter(Bias)[column] : 0;
                        for (int i = 0; i < _units; i++)
                        {
                            recurrent[gate] +=
                                state[i] * pass.Parameter(Weight)[(i * GateWidth) + column];
                        }
                    }

                    next[unit] =
                        TCell.Reference(input, recurrent, state[unit], ref memory[unit]);
                }

                (state, next) = (next, state);
                if (_return == RecurrentReturn.Sequence)
                {
                    state.CopyTo(pass.Output[(((row * Positions) + t) * _units)..]);
                }
            }

            if (_return == RecurrentReturn.Last)
            {
                state.CopyTo(pass.Output[(row * _units)..]);
            }
        }
    }

    // Whether no gradient goes from a position to the one before.
    private bool IsCut(int position) => position > 0 && position % _truncation == 0;

    // The saved memory holds, of all rows, first the states before, then the gates, then the cells'
    // memories: a part of each row would not be what the products read.
    private RecurrentStep<TCell> StepOf(in ForwardPass pass)
    {
        nint positions = (nint)pass.Rows * Positions;
        return new RecurrentStep<TCell>
        {
            Positions = Positions,
            Units = _units,
            IsLast = _return == RecurrentReturn.Last,
            Input = pass.Input,
            StatesBefore = pass.Saved,
            Gates = pass.Saved + positions * _units,
            Memories = pass.Saved + positions * (_units + GateWidth),
            Output = pass.Output,
        };
    }
}

/// <summary>One position of all rows.</summary>
internal unsafe struct RecurrentStep<TCell>
    where TCell : struct, IRecurrentCell
{
    public int Position;
    public int Positions;
    public int Units;

    /// <summary>Whether the output is the last position's state alone.</summary>
    public bool IsLast;

    /// <summary>[rows, positions, gates, units].</summary>
    public float* Input;

    /// <summary>[rows, positions, units].</summary>
    public float* StatesBefore;

    /// <summary>[rows, positions, gates, units].</summary>
    public float* Gates;

    /// <summary>[rows, positions, units].</summary>
    public float* Memories;

    /// <summary>[rows, positions, units], or [rows, units].</summary>
    public float* Output;

    /// <summary>As the output.</summary>
    public float* OutputGradient;

    /// <summary>[rows, units].</summary>
    public float* Carried;

    /// <summary>[rows, units].</summary>
    public float* Kept;

    /// <summary>[rows, positions, gates, units].</summary>
    public float* RecurrentGradient;

    /// <summary>[rows, positions, gates, units]; null: nobody needs it.</summary>
    public float* InputGradient;

    /// <summary>Whether this position's state is an output.</summary>
    public readonly bool HasOutput => !IsLast || Position == Positions - 1;

    /// <summary>Where in the output a row's state goes.</summary>
    public readonly nint OutputAt(int row) =>
        (IsLast ? row : (nint)row * Positions + Position) * Units;

    /// <summary>The step of one row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly CellStep Of(int row)
    {
        nint position = (nint)row * Positions + Position, state = position * Units;
        nint gates = state * TCell.Gates;
        return new CellStep
        {
            Units = Units,
            Input = Input + gates,
            Gates = Gates + gates,
            Memory = Memories + state,
            MemoryBefore = Position == 0 ? null : Memories + state - Units,
            StateBefore = StatesBefore + state,
            OutputGradient =
                OutputGradient is null || !HasOutput ? null : OutputGradient + OutputAt(row),
            Carried = Carried + (nint)row * Units,
            Kept = Kept + (nint)row * Units,
            RecurrentGradient = RecurrentGradient + gates,
            InputGradient = InputGradient is null ? null : InputGradient + gates,
        };
    }
}

/// <summary>The new states of rows.</summary>
internal readonly unsafe struct CellsForward<TCell>(RecurrentStep<TCell> step) : IRowKernel
    where TCell : struct, IRecurrentCell
{
    private readonly RecurrentStep<TCell> _step = step;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        CellStep cell = _step.Of(row);
        bool hasNext = _step.Position + 1 < _step.Positions;
        float* output = _step.HasOutput ? _step.Output + _step.OutputAt(row) : null;
        for (int i = 0; i < cell.Units; i += TSimd.Lanes)
        {
            int present = cell.Units - i;
            TVector state = TCell.Forward<TVector, TSimd>(cell, i, present);
            if (hasNext)
            {
                TSimd.StoreUpTo(state, present, cell.StateBefore + cell.Units + i);
            }

            if (output is not null)
            {
                TSimd.StoreUpTo(state, present, output + i);
            }
        }
    }
}

/// <summary>The gradients of rows.</summary>
internal readonly unsafe struct CellsBackward<TCell>(RecurrentStep<TCell> step) : IRowKernel
    where TCell : struct, IRecurrentCell
{
    private readonly RecurrentStep<TCell> _step = step;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        CellStep cell = _step.Of(row);
        for (int i = 0; i < cell.Units; i += TSimd.Lanes)
        {
            int present = cell.Units - i;
            TVector error = TSimd.LoadUpTo(cell.Carried + i, present);
            if (cell.OutputGradient is not null)
            {
                error = TSimd.Add(error, TSimd.LoadUpTo(cell.OutputGradient + i, present));
            }

            TCell.Backward<TVector, TSimd>(cell, error, i, present);
        }
    }
}
