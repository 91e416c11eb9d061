using System.Collections.Concurrent;

namespace Backprop.Chaos.Network;

/// <summary>What becomes of the bytes from one node to another.</summary>
internal enum LinkRule
{
    /// <summary>They arrive.</summary>
    Open,

    /// <summary>They wait, and nobody is told: a machine is off, a cable is out.</summary>
    Black,

    /// <summary>Connections are closed, and new ones as well.</summary>
    Cut,

    /// <summary>They arrive late, a little at a time.</summary>
    Slow,
}

/// <summary>The rules between the nodes of a cluster, by number. Safe for any thread.</summary>
internal sealed class LinkRules
{
    private readonly ConcurrentDictionary<(int From, int To), LinkRule> _rules = new();

    /// <summary>How long all bytes are under way; those links are cut at most, and not black or
    /// slow.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Told when a rule has changed.</summary>
    public event Action? Changed;

    /// <summary>The rule from one node to another.</summary>
    public LinkRule this[int from, int to] =>
        _rules.GetValueOrDefault((from, to), LinkRule.Open);

    /// <summary>Sets the rule in one direction.</summary>
    public void Set(int from, int to, LinkRule rule)
    {
        _rules[(from, to)] = rule;
        Changed?.Invoke();
    }

    /// <summary>Sets the rule in both directions.</summary>
    public void SetBoth(int one, int other, LinkRule rule)
    {
        _rules[(one, other)] = rule;
        Set(other, one, rule);
    }
}
