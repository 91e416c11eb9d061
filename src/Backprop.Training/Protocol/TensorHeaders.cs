using System.Collections.Immutable;
using Backprop.Engine.Gradients;

namespace Backprop.Training.Protocol;

/// <summary>A push: what a worker sends with one piece of one tree node's gradient.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">Whose slices and pieces are meant.</param>
/// <param name="Step">The step.</param>
/// <param name="Node">The node.</param>
/// <param name="Piece">The piece, by its index in the plan: its elements follow, [length].</param>
public readonly record struct GradientHeader(
    RunId Run, Generation Generation, long Step, TreeNode Node, int Piece);

/// <summary>The loss of one tree node, sent to the first server with its gradient.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The step.</param>
/// <param name="Node">The node.</param>
/// <param name="LossSum">Sum of its rows' losses.</param>
public readonly record struct LossHeader(
    RunId Run, Generation Generation, long Step, TreeNode Node, double LossSum);

/// <summary>A broadcast: what a server sends with one piece of a new version.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">Whose slices and pieces are meant.</param>
/// <param name="Version">The version.</param>
/// <param name="Piece">The piece, by its number (<see cref="SlicePlan.PieceOf"/>): its elements
/// follow, [length].</param>
public readonly record struct WeightsHeader(
    RunId Run, Generation Generation, long Version, int Piece);

/// <summary>What a server sends the others with the sums of its slice, once its gradient is whole.
/// </summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Step">The step.</param>
/// <param name="Slice">The slice they are of: its sums follow, in order.</param>
/// <param name="LossSum">Of the whole step, from the first server; elsewhere 0.</param>
/// <param name="Asks">Whether the sender lacks those of the receiver, and asks for them again.
/// </param>
/// <param name="IsWilling">Whether it would copy the version that the step makes.</param>
public readonly record struct SumsHeader(
    RunId Run, Generation Generation, long Step, int Slice, double LossSum, bool Asks,
    bool IsWilling = false);

/// <summary>A worker asks a server for pieces it lacks: the answer is a broadcast of them, in the
/// server's version of now; of pieces of the average, in the version asked for.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="AtLeast">An older version is of no use.</param>
/// <param name="Pieces">The pieces' numbers, ascending: all of the weights, or all of the average.
/// </param>
public sealed record PiecesRequest(
    RunId Run, Generation Generation, long AtLeast, ImmutableArray<int> Pieces);

/// <summary>What becomes of something that arrives for a run.</summary>
public enum ArrivalVerdict
{
    /// <summary>It was new, and is kept.</summary>
    Entered,

    /// <summary>It is held already, itself or within something larger.</summary>
    Duplicate,

    /// <summary>It is of a step, or a version, that is over.</summary>
    StaleStep,

    /// <summary>It is of a step that cannot have begun: the sender is wrong.</summary>
    FutureStep,

    /// <summary>It is of an earlier generation.</summary>
    StaleGeneration,

    /// <summary>It is of a generation that this node has not heard of yet.</summary>
    UnknownGeneration,

    /// <summary>It is of another run.</summary>
    OtherRun,

    /// <summary>The slice or the replica is not open.</summary>
    NotOpen,

    /// <summary>It is of a piece, or a slice, that does not lie here, or of none.</summary>
    OtherSlice,

    /// <summary>The gradient tree has no such node.</summary>
    NotInTree,

    /// <summary>It has another number of elements than it should.</summary>
    WrongLength,
}
