namespace Backprop.Training.Protocol;

/// <summary>How long the last steps took, and from when on one is late: after twice their median.
/// </summary>
public sealed class StepTimes
{
    /// <summary>However fast steps are, none is late sooner: a moment's pause of a machine is no
    /// reason to compute anything twice.</summary>
    public static readonly TimeSpan Floor = TimeSpan.FromSeconds(1);

    /// <summary>Before there is any measurement: the first step warms caches and opens files.
    /// </summary>
    public static readonly TimeSpan Initial = TimeSpan.FromSeconds(10);

    private readonly MedianWindow _steps = new();

    /// <summary>After so long a step is late.</summary>
    public TimeSpan Patience => _steps.Median is not { } median ? Initial
        : 2 * median > Floor ? 2 * median
        : Floor;

    /// <summary>The median of the latest steps; zero: there was none.</summary>
    public TimeSpan Median => _steps.Median ?? TimeSpan.Zero;

    /// <summary>Takes in one more step.</summary>
    public void Add(TimeSpan duration) => _steps.Add(duration);
}
