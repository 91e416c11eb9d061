namespace Backprop.Training.Simulation;

/// <summary>Messages on their way between places: each takes its own time, so that they overtake
/// each other; some are lost, some arrive twice.</summary>
internal sealed class SimulatedNetwork(
    NetworkConditions conditions, Draws draws, EventQueue queue, SimulationStatistics statistics)
{
    private readonly Dictionary<(int, int), Link> _links = [];
    private readonly List<(HashSet<int> Places, bool WithCoordinator)> _partitions = [];
    private long _connections;

    /// <summary>Whether messages are lost, repeated and late.</summary>
    public bool IsFaulty { get; set; } = true;

    /// <summary>Sends a message; it arrives, if it does, where its receiver still lives.</summary>
    public void Send(int from, int to, Lifetime receiver, Action deliver)
    {
        statistics.Messages++;
        if (IsCut(from, to) || (IsFaulty && draws.Chance(conditions.Drops)))
        {
            statistics.Drops++;
            return;
        }

        Link link = LinkOf(from, to);
        Put(link, receiver, deliver);
        if (IsFaulty && draws.Chance(conditions.Duplicates))
        {
            statistics.Duplicates++;
            Put(link, receiver, deliver);
        }
    }

    /// <summary>What is under way between two places is lost.</summary>
    public void EndLink(int first, int second) => LinkOf(first, second).Connection++;

    /// <summary>Everything that is under way is lost.</summary>
    public void LoseAll() => _connections++;

    /// <summary>Separates places from the others; undone by <see cref="Heal"/>.</summary>
    public object Separate(IEnumerable<int> places, bool withCoordinator)
    {
        var partition = (Places: places.ToHashSet(), withCoordinator);
        _partitions.Add(partition);
        return partition.Places;
    }

    public void Heal(object partition) =>
        _partitions.RemoveAll(one => ReferenceEquals(one.Places, partition));

    public void HealAll() => _partitions.Clear();

    /// <summary>Whether messages between two places are lost; a coordinator's place lies below
    /// zero.</summary>
    public bool IsCut(int from, int to)
    {
        foreach ((HashSet<int> places, bool withCoordinator) in _partitions)
        {
            bool one = from < 0 ? withCoordinator : places.Contains(from);
            bool other = to < 0 ? withCoordinator : places.Contains(to);
            if (one != other)
            {
                return true;
            }
        }

        return false;
    }

    private void Put(Link link, Lifetime receiver, Action deliver)
    {
        long connection = link.Connection, all = _connections;
        queue.After(Delay(link), receiver, () =>
        {
            if (connection == link.Connection && all == _connections)
            {
                deliver();
            }
            else
            {
                statistics.Drops++;
            }
        });
    }

    private TimeSpan Delay(Link link)
    {
        TimeSpan delay = link.Base + (conditions.Jitter * draws.Unit());
        return IsFaulty && draws.Chance(conditions.LongDelays)
            ? delay + (conditions.LongDelay * draws.Unit())
            : delay;
    }

    private Link LinkOf(int from, int to)
    {
        (int, int) key = from < to ? (from, to) : (to, from);
        if (!_links.TryGetValue(key, out Link? link))
        {
            link = new Link(conditions.Base * (1 + draws.Unit()));
            _links.Add(key, link);
        }

        return link;
    }

    private sealed class Link(TimeSpan @base)
    {
        public TimeSpan Base => @base;

        public long Connection { get; set; }
    }
}
