using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Coordination;

/// <summary>Who looks at something for the coordinator that any worker can look at: one after the
/// other, until one has an answer.</summary>
/// <param name="Asked">Who looks at the moment; null: nobody.</param>
/// <param name="AskedAt">Since when.</param>
/// <param name="Attempts">How many were asked.</param>
/// <param name="LastFailure">Why the last one has no answer, in words; null: none failed.</param>
/// <param name="FoundDamage">Whether the last one has none because what it read is damaged.</param>
internal sealed record Errand(
    NodeId? Asked, DateTimeOffset AskedAt, int Attempts, string? LastFailure,
    bool FoundDamage = false)
{
    /// <summary>Before anybody is asked.</summary>
    public static Errand None { get; } = new(null, DateTimeOffset.MinValue, 0, null);

    /// <summary>Whom to ask now; null: nobody, it is waited for who was asked, or for a worker.
    /// </summary>
    /// <param name="workers">Those who are there, in order.</param>
    /// <param name="patience">How long one may take.</param>
    /// <param name="now">The time.</param>
    /// <param name="next">With who is asked.</param>
    public NodeId? Next(
        ImmutableArray<NodeId> workers, TimeSpan patience, DateTimeOffset now, out Errand next)
    {
        next = this;
        if (Asked is { } asked)
        {
            if (!workers.Contains(asked))
            {
                // Whoever left in the middle has not failed.
                next = this with { Asked = null, Attempts = Attempts - 1 };
                return next.Next(workers, patience, now, out next);
            }

            if (now - AskedAt < patience)
            {
                return null;
            }

            next = this with { Asked = null, LastFailure = $"{asked} took longer than {patience}" };
            return null;
        }

        if (workers.IsEmpty)
        {
            return null;
        }

        NodeId chosen = workers[Attempts % workers.Length];
        next = new Errand(chosen, now, Attempts + 1, LastFailure);
        return chosen;
    }

    /// <summary>Whoever was asked has failed at it.</summary>
    public Errand Failed(string reason, bool foundDamage = false) => this with
    {
        Asked = null,
        LastFailure = reason,
        FoundDamage = foundDamage,
    };
}
