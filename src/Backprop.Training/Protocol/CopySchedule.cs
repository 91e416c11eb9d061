namespace Backprop.Training.Protocol;

/// <summary>What copies of slices in memory may cost.</summary>
public sealed record CopyOptions
{
    /// <summary>The share of the time that training may stand for them; 0: none are made. Default
    /// 2%.</summary>
    public double Share { get; init; } = 0.02;

    /// <summary>The least time between two. Default 1 second.</summary>
    public TimeSpan LeastInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Why these options cannot be used; null: they can.</summary>
    public string? Refusal() => Share is not (>= 0 and <= 1)
        ? $"a share of {Share}, where 0 to 1 would be right"
        : LeastInterval < TimeSpan.Zero ? $"an interval of {LeastInterval}" : null;
}

/// <summary>
/// When one server copies its slice: at versions that all servers were willing to copy, which each
/// says with its sums of the step before. It is willing when its last copy is kept, and long enough
/// ago that copying costs no more than its share.
/// </summary>
/// <remarks>Since all have to be willing, the last set of copies but the one under way is whole.
/// One caller at a time.</remarks>
public sealed class CopySchedule
{
    // What fetches a copy takes processors and links from training.
    private const int FetchingShare = 10;

    private readonly CopyOptions _options;
    private readonly int _slices;
    private TimeSpan _interval;
    private TimeSpan _since;
    private TimeSpan _stall;
    private long? _underWay;
    private int _willing;

    /// <summary>For a server of so many.</summary>
    public CopySchedule(CopyOptions options, int slices)
    {
        _options = options;
        _slices = slices;
        _interval = options.LeastInterval;
        OffReason = options.Share == 0 ? "it is switched off"
            : slices == 1 ? "there is no other parameter server to keep one"
            : null;
    }

    /// <summary>Why no copies are made; null: they are.</summary>
    public string? OffReason { get; private set; }

    /// <summary>Whether the server was willing in the step that it last said so of.</summary>
    public bool IsWilling { get; private set; }

    /// <summary>The version to copy as soon as it is made; null: none.</summary>
    public long? Due { get; private set; }

    /// <summary>The slice is open: the first copy comes after an interval.</summary>
    public void Open(TimeSpan now) => _since = now;

    /// <summary>No more copies are made.</summary>
    /// <param name="reason">Why, in words.</param>
    public void TurnOff(string reason)
    {
        OffReason ??= reason;
        Due = null;
    }

    /// <summary>Whether the server is willing to copy what a step makes, to be said with its sums.
    /// </summary>
    /// <param name="stepBegan">When the step began.</param>
    /// <param name="endsEpoch">Whether it makes the last version of an epoch, which is not copied.
    /// </param>
    public void Say(TimeSpan stepBegan, bool endsEpoch)
    {
        IsWilling = OffReason is null && !endsEpoch && _underWay is null
            && stepBegan - _since >= _interval;
        if (IsWilling)
        {
            _willing++;
        }
    }

    /// <summary>Another server has said that it is willing.</summary>
    public void EnterOther() => _willing++;

    /// <summary>A version is made, of which every server has said whether it is willing.</summary>
    public void Made(long version)
    {
        Due = _willing == _slices && OffReason is null ? version : null;
        _willing = 0;
    }

    /// <summary>The copy that was due is taken.</summary>
    /// <param name="stall">How long training stood for it.</param>
    /// <param name="now">The time.</param>
    public void Taken(TimeSpan stall, TimeSpan now)
    {
        _underWay = Due ?? throw new InvalidOperationException("no copy was due");
        Due = null;
        _stall = stall;
        _since = now;
    }

    /// <summary>A copy is kept by another node as well.</summary>
    public void Kept(long version, TimeSpan now)
    {
        if (_underWay != version)
        {
            return;
        }

        _underWay = null;
        TimeSpan byStall = _stall / _options.Share;
        TimeSpan byFetching = (now - _since) * FetchingShare;
        _interval = Longest(_options.LeastInterval, Longest(byStall, byFetching));
    }

    private static TimeSpan Longest(TimeSpan a, TimeSpan b) => a > b ? a : b;
}
