using Backprop.Data.Preparation;

namespace Backprop.Training.Specification;

/// <summary>A run ready to be trained, and the data it holds open.</summary>
public sealed class PlannedRun : IDisposable
{
    internal PlannedRun(
        RunSpecification specification, TrainingPlan plan, PreparedData data, RunOutline outline,
        long memoryBytes)
    {
        Specification = specification;
        Plan = plan;
        Data = data;
        Outline = outline;
        MemoryBytes = memoryBytes;
    }

    /// <summary>What was asked for.</summary>
    public RunSpecification Specification { get; }

    /// <summary>What the trainer needs; its datasets are this run's.</summary>
    public TrainingPlan Plan { get; }

    /// <summary>The data, parted and prepared.</summary>
    public PreparedData Data { get; }

    /// <summary>What the data come to.</summary>
    public RunOutline Outline { get; }

    /// <summary>What training will allocate beside the data, estimated, in bytes.</summary>
    public long MemoryBytes { get; }

    /// <summary>Closes the data.</summary>
    public void Dispose() => Data.Dispose();
}
