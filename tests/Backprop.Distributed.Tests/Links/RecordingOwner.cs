using System.Collections.Concurrent;
using Backprop.Distributed.Links;

namespace Backprop.Distributed.Tests.Links;

/// <summary>An owner, guard and completion that remembers what it hears.</summary>
internal sealed class RecordingOwner : ILinkOwner, IFrameGuard, ISendCompletion
{
    // Long enough for a loaded machine; only a failing test waits for it.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly BlockingCollection<ITensorLink> _opened = [];
    private readonly BlockingCollection<Arrival> _arrivals = [];
    private readonly BlockingCollection<(FrameHeader Header, bool Sent)> _released = [];
    private readonly BlockingCollection<LinkEnd> _ends = [];

    /// <summary>What the guard says of a frame.</summary>
    public Func<FrameHeader, FrameVerdict> Verdict { get; set; } = _ => FrameVerdict.Accept;

    /// <summary>What happens to an arrival at once; by default it is kept.</summary>
    public Action<ITensorLink, Arrival>? Handling { get; set; }

    /// <summary>What happens when a piece was sent, instead of remembering it.</summary>
    public Action<FrameHeader>? Releasing { get; set; }

    /// <summary>The threads that called.</summary>
    public ConcurrentDictionary<Thread, bool> Threads { get; } = new();

    public int ArrivalsKept => _arrivals.Count;

    public int EndCount => _ends.Count;

    public FrameVerdict Check(in FrameHeader header) => Verdict(header);

    public void OnOpened(ITensorLink link) => Note(_opened, link);

    public void OnArrival(ITensorLink link, Arrival arrival)
    {
        if (Handling is { } handling)
        {
            handling(link, arrival);
        }
        else
        {
            Note(_arrivals, arrival);
        }
    }

    public void OnEnded(ITensorLink link, LinkEnd end) => Note(_ends, end);

    public void OnReleased(in FrameHeader header, bool sent)
    {
        if (Releasing is { } releasing)
        {
            releasing(header);
        }
        else
        {
            Note(_released, (header, sent));
        }
    }

    public ITensorLink WaitOpened() => Wait(_opened, "the opening of a link");

    public Arrival WaitArrival() => Wait(_arrivals, "an arrival");

    public (FrameHeader Header, bool Sent) WaitReleased() => Wait(_released, "a release");

    public LinkEnd WaitEnd() => Wait(_ends, "the end of a link");

    private void Note<T>(BlockingCollection<T> notes, T note)
    {
        Threads.TryAdd(Thread.CurrentThread, true);
        notes.Add(note);
    }

    private T Wait<T>(BlockingCollection<T> notes, string what)
    {
        if (notes.TryTake(out T? note, Patience))
        {
            return note;
        }

        _ends.TryTake(out LinkEnd? end);
        throw new TimeoutException($"waited in vain for {what}; the link's end: {end}");
    }
}

/// <summary>Admits everybody to one owner, or nobody.</summary>
internal sealed class RecordingAcceptor(RecordingOwner owner) : ILinkAcceptor
{
    private readonly BlockingCollection<string> _refusals = [];

    /// <summary>Why nobody is admitted.</summary>
    public string? Refusal { get; set; }

    public int RefusalCount => _refusals.Count;

    public LinkAdmission Admit(LinkIdentity peer) => Refusal is null
        ? LinkAdmission.To(owner, owner)
        : LinkAdmission.Refuse(Refusal);

    public void OnRefused(string remote, string reason) => _refusals.Add(reason);

    public string WaitRefusal() => _refusals.TryTake(out string? reason, TimeSpan.FromSeconds(30))
        ? reason
        : throw new TimeoutException("waited in vain for a refusal");
}
