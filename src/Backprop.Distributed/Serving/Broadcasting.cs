using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving;

/// <summary>Sends a slice's versions to the run's workers, from where they lie. One caller at a
/// time.</summary>
internal sealed class Broadcasting
{
    private readonly LinkHub _links;
    private readonly SlicePlan _plan;
    private readonly int _slice;
    private readonly RunHash _run;
    private readonly Generation _generation;
    private readonly WeightsRing _ring;
    private readonly AwaitedRelease _released;
    private readonly Dictionary<NodeId, Receiver> _receivers = [];

    // Those whose links had no room. Going on is asked for with everything that arrives, and does
    // not look at hundreds of workers each time.
    private readonly HashSet<Receiver> _waiting = [];
    private readonly Predicate<Receiver> _tryFinish;
    private SharedWeights _sent;
    private int _endReady;

    /// <summary>For one slice in one generation.</summary>
    /// <param name="links">The node's.</param>
    /// <param name="plan">How the vector is cut.</param>
    /// <param name="slice">The slice.</param>
    /// <param name="run">The run.</param>
    /// <param name="generation">The generation.</param>
    /// <param name="ring">The slice's weights.</param>
    /// <param name="released">Told, on a thread of a link, when a link has sent a piece.</param>
    public Broadcasting(
        LinkHub links, SlicePlan plan, int slice, RunHash run, Generation generation,
        WeightsRing ring, AwaitedRelease released)
    {
        _links = links;
        _plan = plan;
        _slice = slice;
        _run = run;
        _generation = generation;
        _ring = ring;
        _released = released;
        _sent = ring.Current;
        _tryFinish = TryFinish;
    }

    /// <summary>Whether every link has had room for all that was to be sent.</summary>
    public bool IsQueued => _waiting.Count == 0;

    private int FirstPiece => _plan.FirstPiece(_slice);

    private int EndPiece => _plan.FirstPiece(_slice + 1);

    /// <summary>Begins to send a version to every worker; what links still have no room for of the
    /// one before is not sent any more.</summary>
    /// <param name="workers">The workers.</param>
    /// <param name="weights">The version, of which nothing is there yet.</param>
    /// <param name="version">Its number.</param>
    public void Begin(ImmutableArray<NodeId> workers, SharedWeights weights, long version)
    {
        // Not even to those who are no longer among the workers: these weights are not theirs.
        foreach (Receiver receiver in _waiting)
        {
            receiver.NextPiece = EndPiece;
        }

        _waiting.Clear();
        _sent = weights;
        _endReady = FirstPiece;
        foreach (NodeId worker in workers)
        {
            Receiver receiver = ReceiverAt(worker);
            receiver.Version = version;
            receiver.NextPiece = FirstPiece;
            _waiting.Add(receiver);
        }
    }

    /// <summary>Sends all of the version.</summary>
    public void SendAll() => SendTo(_plan.SliceStart(_slice + 1));

    /// <summary>Sends what is there of the version.</summary>
    /// <param name="end">One past its last parameter that is, in the flat vector.</param>
    public void SendTo(int end)
    {
        while (_endReady < EndPiece && _plan.Pieces[_endReady].End <= end)
        {
            _endReady++;
        }

        Continue();
    }

    /// <summary>Goes on where a link's queue was full.</summary>
    public void Continue()
    {
        if (_waiting.Count > 0)
        {
            _waiting.RemoveWhere(_tryFinish);
        }
    }

    /// <summary>Sends a worker pieces of the version of now that it lacks, unless they are on their
    /// way.</summary>
    public void Answer(NodeId worker, ImmutableArray<int> pieces, long version)
    {
        Receiver receiver = ReceiverAt(worker);
        SentWeights sent = receiver.Of(_ring.Current, _released);
        if (sent.IsUnderWay || (receiver.NextPiece < EndPiece && receiver.Version == version))
        {
            return;
        }

        Answer(receiver, sent, pieces, version);
    }

    /// <summary>Sends a worker pieces of the average that it lacks, unless some are on their way.
    /// </summary>
    /// <param name="worker">Who asks.</param>
    /// <param name="pieces">The pieces' numbers.</param>
    /// <param name="average">The average at that version.</param>
    /// <param name="version">The version.</param>
    public void Answer(
        NodeId worker, ImmutableArray<int> pieces, SharedWeights average, long version)
    {
        Receiver receiver = ReceiverAt(worker);
        SentWeights sent = receiver.Of(average, _released);
        if (!sent.IsUnderWay)
        {
            Answer(receiver, sent, pieces, version);
        }
    }

    private void Answer(
        Receiver receiver, SentWeights sent, ImmutableArray<int> pieces, long version)
    {
        foreach (int piece in pieces)
        {
            if (Send(receiver, sent, piece, version) != SendResult.Queued)
            {
                return; // What is left it asks for again.
            }
        }
    }

    /// <summary>Closes the links that still have weights other than those of now: whoever is at
    /// their other end dials again and asks for what it lacks.</summary>
    /// <returns>Whose they are.</returns>
    public IReadOnlyList<NodeId> CloseSlowLinks(string reason)
    {
        List<NodeId> slow =
        [
            .. _receivers.Values
                .Where(receiver => receiver.Sent.Any(
                    sent => sent.IsUnderWay && sent.Weights != _ring.Current))
                .Select(receiver => receiver.Node),
        ];
        slow.ForEach(node => _links.Close(node, reason));
        return slow;
    }

    private Receiver ReceiverAt(NodeId node)
    {
        if (!_receivers.TryGetValue(node, out Receiver? receiver))
        {
            receiver = new Receiver(node, EndPiece);
            _receivers.Add(node, receiver);
        }

        return receiver;
    }

    // False: its link has no room for the rest, or the rest is not there yet.
    private bool TryFinish(Receiver receiver)
    {
        if (receiver.NextPiece == EndPiece)
        {
            return true;
        }

        SentWeights sent = receiver.Of(_sent, _released);
        while (receiver.NextPiece < _endReady)
        {
            switch (Send(receiver, sent, receiver.NextPiece, receiver.Version))
            {
                case SendResult.Queued:
                    receiver.NextPiece++;
                    break;
                case SendResult.QueueFull when _released.IsAwaited:
                    return false;
                case SendResult.QueueFull:
                    _released.Await();
                    break;
                default:
                    receiver.NextPiece = EndPiece; // It asks, when it misses them.
                    return true;
            }
        }

        return receiver.NextPiece == EndPiece;
    }

    private SendResult Send(Receiver receiver, SentWeights sent, int number, long version)
    {
        Piece piece = _plan.PieceOf(number);
        var header = FrameHeader.Broadcast(
            _run, _generation.Value, version, number, piece.Offset, piece.Length);
        sent.Hold();
        SendResult result = _links.TrySend(
            receiver.Node, header, sent.Weights.Buffer, piece.Offset - _plan.SliceStart(_slice),
            sent);
        if (result != SendResult.Queued)
        {
            sent.Release();
        }

        return result;
    }

    private sealed class Receiver(NodeId node, int endPiece)
    {
        public NodeId Node => node;

        public long Version { get; set; }

        // The next piece to queue; the slice's end: none.
        public int NextPiece { get; set; } = endPiece;

        // One for each buffer that was ever sent to it.
        public List<SentWeights> Sent { get; } = [];

        public SentWeights Of(SharedWeights weights, AwaitedRelease released)
        {
            foreach (SentWeights sent in Sent)
            {
                if (sent.Weights == weights)
                {
                    return sent;
                }
            }

            Sent.Add(new SentWeights(weights, released));
            return Sent[^1];
        }
    }
}
