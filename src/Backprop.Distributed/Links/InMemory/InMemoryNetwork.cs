namespace Backprop.Distributed.Links.InMemory;

/// <summary>What the nodes of one process share so that they can find each other.</summary>
public sealed class InMemoryNetwork
{
    private readonly Lock _gate = new();
    private readonly Dictionary<LinkAddress, InMemoryListening> _listening = [];
    private int _nextPort = 1;

    /// <summary>Takes an address; port 0 stands for one that is free.</summary>
    /// <exception cref="IOException">It is taken.</exception>
    internal LinkAddress Add(LinkAddress address, InMemoryListening listening)
    {
        lock (_gate)
        {
            while (address.Port == 0)
            {
                LinkAddress candidate = address with { Port = _nextPort++ };
                address = _listening.ContainsKey(candidate) ? address : candidate;
            }

            return _listening.TryAdd(address, listening)
                ? address
                : throw new IOException(
                    $"tensor links cannot be accepted at {address}: it is in use");
        }
    }

    /// <summary>Gives an address up.</summary>
    internal void Remove(LinkAddress address)
    {
        lock (_gate)
        {
            _listening.Remove(address);
        }
    }

    /// <summary>Who listens at an address, or null.</summary>
    internal InMemoryListening? Find(LinkAddress address)
    {
        lock (_gate)
        {
            return _listening.GetValueOrDefault(address);
        }
    }
}
