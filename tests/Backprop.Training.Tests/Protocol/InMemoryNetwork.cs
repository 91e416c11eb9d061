using Backprop.Engine.Randomness;

namespace Backprop.Training.Tests.Protocol;

/// <summary>What happens to messages on their way.</summary>
/// <param name="Seed">Repeats it all.</param>
/// <param name="Reorders">Whether they arrive in any order, else as sent.</param>
/// <param name="Duplicates">The share that arrives twice.</param>
/// <param name="Drops">The share that never arrives.</param>
public sealed record NetworkConditions(
    ulong Seed = 1, bool Reorders = false, double Duplicates = 0, double Drops = 0);

/// <summary>Messages on their way, in virtual time that stands while there are any.</summary>
internal sealed class InMemoryNetwork(NetworkConditions conditions)
{
    private readonly RandomStream _random = new(conditions.Seed, RandomPurpose.Generation);
    private readonly List<Action> _underWay = [];
    private ulong _draws;

    public TimeSpan Now { get; private set; }

    public void Send(Action deliver)
    {
        if (Draw() < conditions.Drops)
        {
            return;
        }

        _underWay.Add(deliver);
        if (Draw() < conditions.Duplicates)
        {
            _underWay.Add(deliver);
        }
    }

    public bool TryDeliver()
    {
        if (_underWay.Count == 0)
        {
            return false;
        }

        int index = conditions.Reorders ? (int)(Draw() * _underWay.Count) : 0;
        Action deliver = _underWay[index];
        _underWay.RemoveAt(index);
        deliver();
        return true;
    }

    /// <summary>Everything that is under way is lost.</summary>
    public void LoseAll() => _underWay.Clear();

    public void AdvanceTo(TimeSpan time) => Now = time > Now ? time : Now;

    private double Draw() => _random.Uniform(0, _draws++);
}
