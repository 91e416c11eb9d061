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

    /// <summary>The targets that it is made of, side by side: itself, without a name, or several.
    /// </summary>
    public virtual ImmutableArray<TargetPart> Parts => [new TargetPart("", 0, this)];

    /// <summary>Real values among a sample's targets: what can be normalized.</summary>
    public int ValueWidth => Parts.Sum(part => part.Schema is Values ? part.Schema.Width : 0);

    /// <summary>A target by its name: the only one by the empty name; null: there is none.
    /// </summary>
    public TargetPart? Find(string name) => Parts.FirstOrDefault(part => part.Name == name);

    /// <summary>The name of the target that an output is held against: the one that is asked for,
    /// else of several the one of the output's name, else the only one.</summary>
    /// <param name="output">The output's name.</param>
    /// <param name="asked">The target that is asked for; null: none is.</param>
    public string NameFor(string output, string? asked) =>
        asked ?? (this is Several ? output : "");

    /// <summary>Where a target's values begin among all that <see cref="ValueWidth"/> counts.
    /// </summary>
    public int FirstValueOf(TargetPart part) =>
        Parts.TakeWhile(other => other != part).Sum(other => other.Schema.ValueWidth);

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

    /// <summary>Several targets a sample, under names of their own.</summary>
    public sealed record Several : TargetSchema
    {
        /// <summary>These targets, in the order in which they stand in a sample's.</summary>
        /// <exception cref="ArgumentException">There are none, two of one name, one without a name,
        /// or one that is several itself.</exception>
        public Several(ImmutableArray<KeyValuePair<string, TargetSchema>> targets)
        {
            var parts = ImmutableArray.CreateBuilder<TargetPart>();
            foreach ((string name, TargetSchema schema) in targets.IsDefault ? [] : targets)
            {
                if (name.Length == 0 || schema is Several || parts.Any(part => part.Name == name))
                {
                    throw new ArgumentException(
                        $"target '{name}' is no target among several: each has a name of its own "
                        + "and is classes or values", nameof(targets));
                }

                parts.Add(new TargetPart(name, Width, schema));
                Width = checked(Width + schema.Width);
            }

            Parts = parts.Count > 0
                ? parts.ToImmutable()
                : throw new ArgumentException("there are no targets", nameof(targets));
        }

        /// <inheritdoc/>
        public override int Width { get; }

        /// <inheritdoc/>
        public override ImmutableArray<TargetPart> Parts { get; }

        /// <summary>Equal targets, one by one.</summary>
        public bool Equals(Several? other) =>
            other is not null && Parts.AsSpan().SequenceEqual(other.Parts.AsSpan());

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(Parts.Length, Width);
    }
}

/// <summary>One of a sample's targets.</summary>
/// <param name="Name">Its name; empty: it is the only one.</param>
/// <param name="Offset">Where its floats begin among the sample's.</param>
/// <param name="Schema">What it is; never several.</param>
public sealed record TargetPart(string Name, int Offset, TargetSchema Schema);

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
