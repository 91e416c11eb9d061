namespace Backprop.Distributed.Links;

/// <summary>
/// One lane of a link's receiving end: how many frames the peer may still send, and the buffers
/// that they go into. A disposed arrival becomes a credit for the peer.
/// </summary>
internal sealed class ReceiveLane : IArrivalSource
{
    private readonly Lock _gate = new();
    private readonly ReceiveBufferPool _pool;
    private readonly int _window;
    private readonly Action _grant;
    private int _granted;
    private int _held;
    private bool _ended;

    /// <summary>A lane whose window has been reserved in the pool.</summary>
    /// <param name="pool">Where its buffers come from.</param>
    /// <param name="window">Frames that the peer may send to begin with.</param>
    /// <param name="grant">Lets the peer have another frame.</param>
    public ReceiveLane(ReceiveBufferPool pool, int window, Action grant)
    {
        _pool = pool;
        _window = window;
        _grant = grant;
        _granted = window;
    }

    /// <summary>Takes note of a frame that begins; false when the peer had no credit for it.
    /// </summary>
    public bool TryTakeCredit()
    {
        lock (_gate)
        {
            if (_granted == 0)
            {
                return false;
            }

            _granted--;
            return true;
        }
    }

    /// <summary>A buffer for a frame that has taken its credit.</summary>
    public Arrival Rent()
    {
        Arrival arrival = _pool.Rent();
        Hold();
        return arrival;
    }

    /// <summary>A frame that has taken its credit lies in memory that is not the pool's: one of
    /// the buffers that are reserved for the lane stays unused meanwhile.</summary>
    public void Hold()
    {
        lock (_gate)
        {
            _held++;
        }
    }

    /// <summary>The frame needed no buffer: its credit goes back at once.</summary>
    public void Pass()
    {
        lock (_gate)
        {
            _granted++;
        }

        _grant();
    }

    /// <inheritdoc/>
    public void Return(Arrival arrival)
    {
        _pool.Return(arrival);
        LetGo();
    }

    /// <summary>The frame's memory is free again.</summary>
    public void LetGo()
    {
        lock (_gate)
        {
            _held--;
            if (_ended)
            {
                _pool.Release(1);
                return;
            }

            _granted++;
        }

        _grant();
    }

    /// <summary>The link has ended: gives up every buffer but those still held, which follow as
    /// they are returned.</summary>
    public void End()
    {
        lock (_gate)
        {
            _ended = true;
            _pool.Release(_window - _held);
        }
    }
}
