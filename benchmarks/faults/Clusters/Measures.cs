using System.Globalization;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Clusters;

/// <summary>What a node's meter has told.</summary>
internal sealed class Measures(string file, Timeline steps) : IDisposable
{
    private readonly LineFile _lines = new(file);

    /// <summary>When a worker was done with its part of a step.</summary>
    public List<long> Contributions { get; } = [];

    /// <summary>When a slice had been copied, and the seconds that it stood still for it.</summary>
    public List<(long At, double Seconds)> Copies { get; } = [];

    /// <summary>Seconds until the copy was durable, each time.</summary>
    public List<double> Saves { get; } = [];

    /// <summary>Takes in what is new; steps go to the run's.</summary>
    public void Read()
    {
        foreach (string line in _lines.ReadNew())
        {
            string[] words = line.Split(' ');
            long at = long.Parse(words[0], CultureInfo.InvariantCulture);
            double value = double.Parse(words[2], CultureInfo.InvariantCulture);
            switch (words[1])
            {
                case "backprop.slice.version" when words[3] == "0":
                    steps.Add(at, (long)value);
                    break;
                case "backprop.worker.step":
                    Contributions.Add(at);
                    break;
                case "backprop.checkpoint.copy":
                    Copies.Add((at, value));
                    break;
                case "backprop.checkpoint.save":
                    Saves.Add(value);
                    break;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();
}
