namespace Backprop.Distributed.Security;

/// <summary>
/// Tells of refused connections, each reason of each machine once a minute, with how often it was
/// meanwhile: whoever knocks a thousand times a second does not fill the log.
/// </summary>
/// <param name="time">The clock.</param>
internal sealed class RefusalLog(TimeProvider time)
{
    private const int MaxKnown = 256;

    private static readonly TimeSpan s_silence = TimeSpan.FromMinutes(1);

    private readonly Dictionary<(string, string, string), Knocks> _known = [];

    /// <summary>Reasons of machines that it remembers.</summary>
    public int KnownCount => _known.Count;

    /// <summary>A connection was refused.</summary>
    /// <returns>What to write; null: it is counted.</returns>
    public string? Add(Refusal refusal)
    {
        (string, string, string) key = (refusal.What, refusal.Machine, refusal.Reason);
        if (_known.TryGetValue(key, out Knocks? knocks)
            && time.GetElapsedTime(knocks.Told) < s_silence)
        {
            knocks.Since++;
            return null;
        }

        if (knocks is null && _known.Count >= MaxKnown)
        {
            _known.Remove(_known.MinBy(one => one.Value.Told).Key);
        }

        _known[key] = new Knocks(time.GetTimestamp());
        return knocks is { Since: > 0 }
            ? $"{refusal} ({knocks.Since:N0} times more since that was told last)"
            : $"{refusal}";
    }

    private sealed class Knocks(long told)
    {
        public long Told { get; } = told;

        public int Since { get; set; }
    }
}
