using System.Globalization;

namespace Backprop.Training.Simulation;

/// <summary>What happened, a line each: the latest only, so that a long simulation takes no more
/// memory than a short one.</summary>
internal sealed class SimulationTrace(int most)
{
    private readonly Queue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public void Write(TimeSpan now, string who, string what)
    {
        if (_lines.Count == most)
        {
            _lines.Dequeue();
        }

        _lines.Enqueue(string.Create(
            CultureInfo.InvariantCulture, $"{now.TotalSeconds,10:0.0000}  {who,-14} {what}"));
    }
}
