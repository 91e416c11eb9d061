using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Training.Checkpoints;

/// <summary>What a checkpoint says about itself.</summary>
/// <param name="Name">The run's name.</param>
/// <param name="Plan">Which run it belongs to.</param>
/// <param name="Fingerprint">SHA-256 of that.</param>
/// <param name="Position">Where the run stands.</param>
/// <param name="Parameters">The layout of the flat vector.</param>
/// <param name="Length">Floats in the flat vector.</param>
/// <param name="StateCount">Floats of optimizer state a parameter.</param>
/// <param name="HasBest">Whether the best weights are stored too.</param>
public sealed record CheckpointHeader(
    string Name, PlanIdentity Plan, string Fingerprint, TrainingPosition Position,
    ImmutableArray<StoredParameter> Parameters, int Length, int StateCount, bool HasBest);

/// <summary>A run between two steps: position, weights, optimizer state, and the best weights so
/// far. Resumed from it, the run ends in the very bits it would have ended in.</summary>
public sealed class Checkpoint : IDisposable
{
    private const int MaxStateCount = 64;

    /// <summary>A checkpoint of these buffers; it owns them from now on.</summary>
    /// <param name="header">What it is of.</param>
    /// <param name="weights">[length].</param>
    /// <param name="optimizerState">[state count · length].</param>
    /// <param name="bestWeights">[length]; null: no epoch was evaluated.</param>
    public Checkpoint(
        CheckpointHeader header, AlignedBuffer weights, AlignedBuffer optimizerState,
        AlignedBuffer? bestWeights)
    {
        Header = header;
        Weights = weights;
        OptimizerState = optimizerState;
        BestWeights = bestWeights;
    }

    private static ReadOnlySpan<byte> Magic => "BKPCKPT\n"u8;

    /// <summary>What it is of.</summary>
    public CheckpointHeader Header { get; }

    /// <summary>[length]: the weights.</summary>
    public AlignedBuffer Weights { get; }

    /// <summary>[state count · length]: the optimizer's state.</summary>
    public AlignedBuffer OptimizerState { get; }

    /// <summary>[length]: the weights of the best epoch; null: no epoch was evaluated.</summary>
    public AlignedBuffer? BestWeights { get; }

    /// <summary>Writes the checkpoint; the caller sees to it that the stream is durable.</summary>
    /// <exception cref="IOException">From the stream.</exception>
    public void WriteTo(Stream destination)
    {
        AlignedBuffer[] sections = BestWeights is null
            ? [Weights, OptimizerState]
            : [Weights, OptimizerState, BestWeights];
        SectionFile.Write(Magic, Header, sections, destination);
    }

    /// <summary>Reads a checkpoint from the stream's position to its end.</summary>
    /// <param name="source">Must be seekable.</param>
    /// <exception cref="CheckpointException">It is no checkpoint, of another version, or damaged.
    /// </exception>
    /// <exception cref="IOException">From the stream.</exception>
    public static Checkpoint ReadFrom(Stream source)
    {
        (CheckpointHeader header, ImmutableArray<AlignedBuffer> sections) =
            SectionFile.Read<CheckpointHeader>(Magic, "checkpoint", SectionLengths, source);
        return new Checkpoint(
            header, sections[0], sections[1], header.HasBest ? sections[2] : null);
    }

    /// <summary>Refuses a checkpoint of another run.</summary>
    /// <param name="plan">The run.</param>
    /// <exception cref="CheckpointException">It is of another one; the message says how they
    /// differ.</exception>
    public void RequireOf(TrainingPlan plan)
    {
        PlanIdentity mine = PlanIdentity.Of(plan);
        if (Header.Plan.DifferenceFrom(mine) is { } difference)
        {
            throw new CheckpointException(
                $"the checkpoint is of another run ('{Header.Name}'): {difference}. Resume it with"
                + " the specification it was made by, or train from the start");
        }

        string[] stored = [.. Header.Parameters.Select(p => $"{p} at {p.Offset}")];
        string[] expected =
            [.. StoredParameter.Of(plan.Network.Layout).Select(p => $"{p} at {p.Offset}")];
        if (!stored.AsSpan().SequenceEqual(expected)
            || Header.Length != plan.Network.Layout.Length
            || Header.StateCount != plan.Rules.StateCount
            || Header.HasBest != Header.Position.Stopping.BestEpoch.HasValue)
        {
            throw new CheckpointException(
                $"the checkpoint's parameters are not those of the run: it has"
                + $" {string.Join(", ", stored)} with {Header.StateCount} states each");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Weights.Dispose();
        OptimizerState.Dispose();
        BestWeights?.Dispose();
    }

    private static long[] SectionLengths(CheckpointHeader header)
    {
        if (header.Length < 0 || header.StateCount is < 0 or > MaxStateCount)
        {
            throw new CheckpointException(
                $"the checkpoint is malformed: {header.Length} parameters"
                + $" with {header.StateCount} states each");
        }

        long state = (long)header.Length * header.StateCount;
        return header.HasBest ? [header.Length, state, header.Length] : [header.Length, state];
    }
}
