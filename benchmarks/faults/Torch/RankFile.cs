using System.Globalization;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Torch;

/// <summary>A step that a rank has done.</summary>
/// <param name="At">When.</param>
/// <param name="Version">Steps done.</param>
/// <param name="World">Ranks that took part.</param>
/// <param name="Process">The rank's process.</param>
internal readonly record struct RankStep(long At, long Version, int World, int Process);

/// <summary>The steps that one rank writes down.</summary>
internal sealed class RankFile(string path) : IDisposable
{
    private readonly LineFile _lines = new(path);

    /// <summary>The latest step; null: there was none.</summary>
    public RankStep? Last { get; private set; }

    /// <summary>Steps that are new since the last call.</summary>
    public IEnumerable<RankStep> ReadNew()
    {
        foreach (string line in _lines.ReadNew())
        {
            long[] numbers =
                [.. line.Split(' ').Select(word => long.Parse(word, CultureInfo.InvariantCulture))];
            var step = new RankStep(numbers[0], numbers[1], (int)numbers[2], (int)numbers[3]);
            Last = step;
            yield return step;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();
}
