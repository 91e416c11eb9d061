using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Backprop.Distributed.Metering;

/// <summary>The living things of a kind in this process: they are asked for their numbers when
/// somebody looks, and cost nothing in between.</summary>
internal sealed class Watched<T>
    where T : class
{
    private readonly ConcurrentDictionary<T, bool> _all = new();

    /// <summary>It lives from now on.</summary>
    public void Add(T one) => _all[one] = true;

    /// <summary>It does no more.</summary>
    public void Remove(T one) => _all.TryRemove(one, out _);

    /// <summary>What each of them measures.</summary>
    public IEnumerable<Measurement<TValue>> Measure<TValue>(
        Func<T, IEnumerable<Measurement<TValue>>> measure)
        where TValue : struct => _all.Keys.SelectMany(measure);

    /// <summary>What all of them measure together.</summary>
    public long Sum(Func<T, long> measure) => _all.Keys.Sum(measure);
}
