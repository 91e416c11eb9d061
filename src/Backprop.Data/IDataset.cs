using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data;

/// <summary>What a dataset's samples are labelled with.</summary>
public abstract record TargetSchema
{
    private TargetSchema()
    {
    }

    /// <summary>Floats in a sample's target.</summary>
    public abstract int Width { get; }

    /// <summary>One class a sample, stored as its index; of sequences one a position.</summary>
    /// <param name="Classes">The classes' names, by index.</param>
    public sealed record Class(ImmutableArray<string> Classes) : TargetSchema
    {
        /// <summary>Positions of a sample, each of which has a class: 1 where samples are no
        /// sequences.</summary>
        public int Positions { get; init; } = 1;

        /// <summary>Of tokens, what says beside their names how a text is taken apart into them;
        /// null: nothing, or classes are no tokens.</summary>
        public string? Tokenizer { get; init; }

        /// <inheritdoc/>
        public override int Width => Positions;
    }

    /// <summary>One or more real values a sample.</summary>
    /// <param name="Names">The values' names.</param>
    public sealed record Values(ImmutableArray<string> Names) : TargetSchema
    {
        /// <inheritdoc/>
        public override int Width => Names.Length;
    }
}

/// <summary>
/// Samples by index. Reading a sample is a pure function of its index, may be asked for in any
/// order and by several threads at once, and allocates nothing but where a format is decoded.
/// </summary>
public interface IDataset : IDisposable
{
    /// <summary>Where it came from, for messages: a file, <c>generated xor</c>.</summary>
    string Source { get; }

    /// <summary>Samples.</summary>
    long Count { get; }

    /// <summary>The shape of one sample's features.</summary>
    Shape FeatureShape { get; }

    /// <summary>What samples are labelled with.</summary>
    TargetSchema Target { get; }

    /// <summary>Names of the features where the format has them (columns); else empty.</summary>
    ImmutableArray<string> FeatureNames { get; }

    /// <summary>Reads one sample's features.</summary>
    /// <param name="sample">In [0, <see cref="Count"/>).</param>
    /// <param name="destination">As many floats as <see cref="FeatureShape"/> has.</param>
    void ReadFeatures(long sample, Span<float> destination);

    /// <summary>Reads one sample's target.</summary>
    /// <param name="sample">In [0, <see cref="Count"/>).</param>
    /// <param name="destination"><see cref="TargetSchema.Width"/> floats.</param>
    void ReadTarget(long sample, Span<float> destination);
}
