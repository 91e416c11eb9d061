namespace Backprop.Distributed.Security;

/// <summary>
/// Tells of refused connections, each reason of each machine once a while: whoever knocks a
/// thousand times a second does not fill the log.
/// </summary>
/// <remarks>Safe for any thread.</remarks>
/// <param name="write">Writes a line.</param>
/// <param name="time">The clock.</param>
public sealed class RefusalLog(Action<string> write, TimeProvider time)
{
    private const int MaxKnown = 256;

    private static readonly TimeSpan s_while = TimeSpan.FromMinutes(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Machine, string Reason), Knocks> _known = [];

    /// <summary>A connection was refused.</summary>
    /// <param name="what">What it was for, such as "tensor link".</param>
    /// <param name="remote">Where it came from: an address with a port.</param>
    /// <param name="reason">Why, in words that follow "it".</param>
    public void Add(string what, string remote, string reason)
    {
        int colon = remote.LastIndexOf(':');
        string machine = colon > 0 ? remote[..colon] : remote;
        int before;
        lock (_gate)
        {
            (string, string) key = (machine, reason);
            if (_known.TryGetValue(key, out Knocks? knocks)
                && time.GetElapsedTime(knocks.Told) < s_while)
            {
                knocks.Since++;
                return;
            }

            before = knocks?.Since ?? 0;
            if (_known.Count >= MaxKnown)
            {
                _known.Remove(_known.MinBy(one => one.Value.Told).Key);
            }

            _known[key] = new Knocks(time.GetTimestamp());
        }

        string more = before > 0 ? $" ({before:N0} times more since that was told last)" : "";
        write($"A {what} from {machine} was refused: it {reason}{more}");
    }

    private sealed class Knocks(long told)
    {
        public long Told { get; } = told;

        public int Since { get; set; }
    }
}
