using System.Collections.Concurrent;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Api;

/// <summary>What the coordinator answers, or answered last.</summary>
/// <param name="Answer">The answer.</param>
/// <param name="Age">How old it is; zero: it is of now.</param>
/// <param name="Trouble">Why there is no newer one, in words; null: it is of now.</param>
internal readonly record struct KnownAnswer(
    CoordinatorAnswer Answer, TimeSpan Age, string? Trouble);

/// <summary>
/// Asks the coordinator what people look at, once for all who ask the same at the same time, and
/// keeps the answers, for while it does not answer: it may be moving to another node. Safe for any
/// thread.
/// </summary>
/// <param name="coordinator">The coordinator.</param>
/// <param name="time">The clock.</param>
internal sealed class KnownAnswers(ICoordinatorClient coordinator, TimeProvider time)
{
    private const int MaxKept = 1_000;

    // An answer is as good as new for so long: many may look at the same.
    private static readonly TimeSpan s_fresh = TimeSpan.FromMilliseconds(200);

    // Who could be given an older answer does not wait longer than this for a new one.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1.5);

    private readonly ConcurrentDictionary<CoordinatorRequest, Entry> _entries = new();

    /// <summary>Asks.</summary>
    /// <param name="request">Changes nothing, and is the same for everybody.</param>
    /// <param name="cancellation">Of the wait.</param>
    public async Task<KnownAnswer> AskAsync(
        CoordinatorRequest request, CancellationToken cancellation)
    {
        Entry entry = _entries.GetOrAdd(request, _ => new Entry());
        Forget();
        (Task<CoordinatorAnswer> asked, long since, Kept? kept) = Join(entry, request);
        if (kept is null)
        {
            return new KnownAnswer(
                await asked.WaitAsync(cancellation), TimeSpan.Zero, null);
        }

        TimeSpan left = s_patience - time.GetElapsedTime(since);
        if (!asked.IsCompleted && left > TimeSpan.Zero)
        {
            try
            {
                await asked.WaitAsync(left, time, cancellation);
            }
            catch (TimeoutException)
            {
                // The last one will do.
            }
        }

        return asked.IsCompleted
            ? Judge(await asked, kept)
            : new KnownAnswer(
                kept.Answer, time.GetElapsedTime(kept.At),
                "the coordinator does not answer: it may be moving to another node");
    }

    /// <summary>Something was changed through this node: what is asked next is asked anew.
    /// </summary>
    public void Change()
    {
        foreach (Entry entry in _entries.Values)
        {
            lock (entry)
            {
                entry.Asked = null;
            }
        }
    }

    private KnownAnswer Judge(CoordinatorAnswer answer, Kept kept) =>
        answer is CoordinatorAnswer.Refused { Kind: RefusalKind.Unavailable } refused
            ? new KnownAnswer(kept.Answer, time.GetElapsedTime(kept.At), refused.Reason)
            : new KnownAnswer(answer, TimeSpan.Zero, null);

    private (Task<CoordinatorAnswer> Asked, long Since, Kept? Kept) Join(
        Entry entry, CoordinatorRequest request)
    {
        lock (entry)
        {
            bool isOver = entry.Asked is not { } asked
                || (asked.IsCompleted && time.GetElapsedTime(entry.Since) >= s_fresh);
            if (isOver)
            {
                entry.Since = time.GetTimestamp();
                entry.Asked = AskAsync(entry, request);
            }

            return (entry.Asked!, entry.Since, entry.Kept);
        }
    }

    // Whoever asked first may go: the others are still told.
    private async Task<CoordinatorAnswer> AskAsync(Entry entry, CoordinatorRequest request)
    {
        await Task.Yield();
        CoordinatorAnswer answer =
            await coordinator.AskAsync(request, CancellationToken.None);
        if (answer is not CoordinatorAnswer.Refused)
        {
            lock (entry)
            {
                entry.Kept = new Kept(answer, time.GetTimestamp());
            }
        }

        return answer;
    }

    private void Forget()
    {
        if (_entries.Count > MaxKept)
        {
            foreach (var oldest in _entries.OrderBy(entry => entry.Value.Since)
                .Take(MaxKept / 2).ToArray())
            {
                _entries.TryRemove(oldest.Key, out _);
            }
        }
    }

    private sealed record Kept(CoordinatorAnswer Answer, long At);

    private sealed class Entry
    {
        /// <summary>The last question; null: it is to be asked anew.</summary>
        public Task<CoordinatorAnswer>? Asked { get; set; }

        /// <summary>When it was asked.</summary>
        public long Since { get; set; }

        /// <summary>The last answer; null: there was none.</summary>
        public Kept? Kept { get; set; }
    }
}
