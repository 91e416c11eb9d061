using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>Names a run, for ever.</summary>
/// <param name="Value">Letters, digits and dashes.</param>
public readonly record struct RunId(string Value)
{
    /// <summary>The most letters of a name.</summary>
    public const int MaxLength = 64;

    /// <summary>Whether the value is a name at all: to be asked of what comes from outside.
    /// </summary>
    public bool IsValid =>
        Value is { Length: > 0 and <= MaxLength }
        && Value.All(letter => char.IsAsciiLetterOrDigit(letter) || letter == '-');

    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Names a sweep of a cluster for ever.</summary>
/// <param name="Value">Its name.</param>
public readonly record struct SweepId(string Value)
{
    /// <summary>Whether the value is a name at all: to be asked of what comes from outside.
    /// </summary>
    public bool IsValid => new RunId(Value).IsValid;

    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Names one incarnation of a node of the cluster: a restarted process is another.
/// </summary>
/// <param name="Value">Its address and incarnation.</param>
public readonly record struct NodeId(string Value) : IComparable<NodeId>
{
    /// <summary>The most letters of a name.</summary>
    public const int MaxLength = 256;

    /// <summary>Whether the value is a name at all: to be asked of what comes from outside.
    /// </summary>
    public bool IsValid => Value is { Length: > 0 and <= MaxLength };

    /// <inheritdoc/>
    public int CompareTo(NodeId other) => string.CompareOrdinal(Value, other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>Counts how often a run's slices were cut anew or taken back to a checkpoint. What
/// carries another generation means other ranges, and is refused.</summary>
/// <param name="Value">From 1.</param>
public readonly record struct Generation(long Value) : IComparable<Generation>
{
    /// <summary>The generation after this.</summary>
    public Generation Next => new(Value + 1);

    /// <inheritdoc/>
    public int CompareTo(Generation other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => $"g{Value}";
}

/// <summary>Counts the coordinator's incarnations; an order of a lower term is refused.</summary>
/// <param name="Value">From 1.</param>
public readonly record struct Term(long Value) : IComparable<Term>
{
    /// <summary>The term after this.</summary>
    public Term Next => new(Value + 1);

    /// <inheritdoc/>
    public int CompareTo(Term other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => $"term {Value}";
}

/// <summary>Micro-batches [First, End) of a global batch.</summary>
/// <param name="First">The first.</param>
/// <param name="End">One past the last; First for none.</param>
public readonly record struct MicroBatchRange(int First, int End)
{
    /// <summary>No micro-batches.</summary>
    public static MicroBatchRange None => default;

    /// <summary>Micro-batches in the range.</summary>
    public int Count => End - First;

    /// <summary>Whether these are micro-batches of <paramref name="microBatches"/>, or none.
    /// </summary>
    public bool LiesWithin(int microBatches) =>
        First >= 0 && First <= End && End <= microBatches;

    /// <summary>The fewest ranges that hold exactly the micro-batches that are marked.</summary>
    /// <param name="marks">[micro-batches].</param>
    public static ImmutableArray<MicroBatchRange> Of(ReadOnlySpan<bool> marks)
    {
        var ranges = ImmutableArray.CreateBuilder<MicroBatchRange>();
        for (int first = 0; first < marks.Length; first++)
        {
            if (marks[first])
            {
                int length = marks[first..].IndexOf(false);
                int end = length < 0 ? marks.Length : first + length;
                ranges.Add(new MicroBatchRange(first, end));
                first = end;
            }
        }

        return ranges.ToImmutable();
    }

    /// <inheritdoc/>
    public override string ToString() => Count switch
    {
        <= 0 => "none",
        1 => $"{First}",
        _ => $"{First}-{End - 1}",
    };
}
