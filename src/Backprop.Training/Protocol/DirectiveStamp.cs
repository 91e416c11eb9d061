namespace Backprop.Training.Protocol;

/// <summary>Says which of two directives is the later one: that of the higher term, and within a
/// term that of the higher sequence number.</summary>
/// <param name="Term">The coordinator's.</param>
/// <param name="Sequence">Counts the directives of the term to this node, from 1.</param>
public readonly record struct DirectiveStamp(Term Term, long Sequence)
    : IComparable<DirectiveStamp>
{
    /// <summary>Before any directive.</summary>
    public static DirectiveStamp None => default;

    /// <inheritdoc/>
    public int CompareTo(DirectiveStamp other)
    {
        int term = Term.CompareTo(other.Term);
        return term != 0 ? term : Sequence.CompareTo(other.Sequence);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Term}, directive {Sequence}";
}

/// <summary>What becomes of a directive that arrives.</summary>
public enum DirectiveVerdict
{
    /// <summary>It holds from now on.</summary>
    Accepted,

    /// <summary>It, or a later one, was seen before: it changes nothing.</summary>
    Seen,

    /// <summary>It is of an earlier coordinator, or of an earlier generation.</summary>
    Stale,

    /// <summary>It is of a later generation: what is held belongs to no run any more, and the
    /// directive opens it anew.</summary>
    Reopen,

    /// <summary>It is of another run, or does not fit this one.</summary>
    Invalid,
}

/// <summary>What was made of a directive.</summary>
/// <param name="Verdict">Whether it holds.</param>
/// <param name="Reason">Why not, in words; empty: it does.</param>
public readonly record struct DirectiveAnswer(DirectiveVerdict Verdict, string Reason)
{
    /// <summary>What a directive's place after the one that holds says of it, whoever it is to;
    /// null: nothing against it.</summary>
    internal static DirectiveAnswer? OfOrder(
        DirectiveStamp stamp, Generation generation, DirectiveStamp held, Generation current)
    {
        if (stamp.CompareTo(held) <= 0)
        {
            return new(
                stamp.Term.CompareTo(held.Term) < 0
                    ? DirectiveVerdict.Stale
                    : DirectiveVerdict.Seen,
                $"{stamp}, after {held}");
        }

        return generation.CompareTo(current) switch
        {
            > 0 => new(DirectiveVerdict.Reopen, $"{generation} begins"),
            < 0 => new(
                DirectiveVerdict.Stale, $"it is of {generation}, and {current} has begun"),
            _ => null,
        };
    }
}
