using Backprop.Engine;

namespace Backprop.Distributed.Links;

/// <summary>
/// A node's buffers to receive into: a link reserves its window when it opens, so that afterwards
/// there is always a buffer for a frame that has credit. Memory is taken when it is first needed
/// and freed when no reservation covers it any more.
/// </summary>
internal sealed class ReceiveBufferPool(int bufferBytes, int capacity) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Stack<Arrival> _free = new();
    private int _reserved;
    private int _allocated;

    /// <summary>Reserves buffers; false when there are not as many.</summary>
    public bool TryReserve(int count)
    {
        lock (_gate)
        {
            if (count > capacity - _reserved)
            {
                return false;
            }

            _reserved += count;
            return true;
        }
    }

    /// <summary>Gives up reserved buffers.</summary>
    public void Release(int count)
    {
        lock (_gate)
        {
            _reserved -= count;
            while (_allocated > _reserved && _free.TryPop(out Arrival? arrival))
            {
                arrival.FreeBuffer();
                _allocated--;
            }
        }
    }

    /// <summary>A buffer of those reserved.</summary>
    /// <exception cref="InsufficientMemoryException">The system has no such memory to
    /// give.</exception>
    public Arrival Rent()
    {
        lock (_gate)
        {
            if (_free.TryPop(out Arrival? arrival))
            {
                return arrival;
            }

            arrival = new Arrival(new AlignedBuffer(bufferBytes / sizeof(float)));
            _allocated++;
            return arrival;
        }
    }

    /// <summary>Takes a buffer back.</summary>
    public void Return(Arrival arrival)
    {
        lock (_gate)
        {
            _free.Push(arrival);
        }
    }

    /// <summary>Frees what no link has; links are ended first.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            while (_free.TryPop(out Arrival? arrival))
            {
                arrival.FreeBuffer();
                _allocated--;
            }
        }
    }
}
