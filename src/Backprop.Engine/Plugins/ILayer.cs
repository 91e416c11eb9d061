using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Plugins;

/// <summary>
/// A layer as a plug-in writes it: what it makes of one row, and how errors go back through it. The
/// engine calls it for row after row, on several threads at once, and does the rest: which rows,
/// which thread, sums over rows and micro-batches.
/// </summary>
/// <remarks>It has no state: what it comes to depends on the row that it is given and on nothing
/// else. docs/plugins.md says what that forbids.</remarks>
public interface ILayer
{
    /// <summary>The shape of one output row.</summary>
    Shape OutputShape { get; }

    /// <summary>Its parameters, in the order of the flat vector; running statistics are not for
    /// plug-ins.</summary>
    ImmutableArray<ParameterDeclaration> Parameters => [];

    /// <summary>Numbers that a row's computation may scribble on: see
    /// <see cref="RowForward{T}.Scratch"/>.</summary>
    int ScratchLength => 0;

    /// <summary>Computes <see cref="RowForward{T}.Output"/>.</summary>
    void Forward<T>(in RowForward<T> row)
        where T : unmanaged, IReal<T>;

    /// <summary>Computes <see cref="RowBackward{T}.InputGradient"/>, and adds the row's share to
    /// <see cref="RowBackward{T}.ParameterGradient"/>.</summary>
    void Backward<T>(in RowBackward<T> row)
        where T : unmanaged, IReal<T>;
}

/// <summary>A row on its way forward.</summary>
/// <typeparam name="T">The numbers.</typeparam>
public readonly ref struct RowForward<T>
    where T : unmanaged, IReal<T>
{
    /// <summary>[inputs].</summary>
    public required ReadOnlySpan<T> Input { get; init; }

    /// <summary>[outputs], zeros: the result.</summary>
    public required Span<T> Output { get; init; }

    /// <summary>[<see cref="ILayer.ScratchLength"/>], zeros: memory of this row's alone.</summary>
    public Span<T> Scratch { get; init; }

    /// <summary>False in evaluation.</summary>
    public required bool IsTraining { get; init; }

    /// <summary>The only randomness there is.</summary>
    public required RowRandomness Random { get; init; }

    internal RowParameters<T> Parameters { get; init; }

    /// <summary>The parameter number <paramref name="index"/>, row-major.</summary>
    public ReadOnlySpan<T> Parameter(int index) => Parameters[index];
}

/// <summary>A row on its way back.</summary>
/// <typeparam name="T">The numbers.</typeparam>
public readonly ref struct RowBackward<T>
    where T : unmanaged, IReal<T>
{
    /// <summary>[inputs]: what the forward pass was given.</summary>
    public required ReadOnlySpan<T> Input { get; init; }

    /// <summary>[outputs]: what it made of it.</summary>
    public required ReadOnlySpan<T> Output { get; init; }

    /// <summary>[outputs]: dLoss/dOutput.</summary>
    public required ReadOnlySpan<T> OutputGradient { get; init; }

    /// <summary>[inputs], zeros: dLoss/dInput, the result.</summary>
    public required Span<T> InputGradient { get; init; }

    /// <summary>[<see cref="ILayer.ScratchLength"/>], zeros: memory of this row's alone.</summary>
    public Span<T> Scratch { get; init; }

    /// <summary>What the forward pass of this row drew, and draws again.</summary>
    public required RowRandomness Random { get; init; }

    internal RowParameters<T> Parameters { get; init; }

    internal RowAccumulators<T> Accumulators { get; init; }

    /// <summary>The parameter number <paramref name="index"/>, row-major.</summary>
    public ReadOnlySpan<T> Parameter(int index) => Parameters[index];

    /// <summary>Where dLoss/d(parameter number <paramref name="index"/>) is summed, row-major, over
    /// the rows of a micro-batch in their order: to be added to.</summary>
    public Span<T> ParameterGradient(int index) => Accumulators[index];
}
