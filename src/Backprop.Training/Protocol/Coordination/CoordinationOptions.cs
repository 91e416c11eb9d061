namespace Backprop.Training.Protocol.Coordination;

/// <summary>How a run is coordinated. Nothing here changes its result.</summary>
public sealed record CoordinationOptions
{
    /// <summary>Workers below which the run pauses by itself. Default 1.</summary>
    public int MinWorkers { get; init; } = 1;

    /// <summary>Workers above which it takes no more. Default: as many as a run may have.</summary>
    public int MaxWorkers { get; init; } = AssignmentPlanner.MaxWorkers;

    /// <summary>Epochs between two checkpoints; null: ends of epochs do not matter. Default 1.
    /// </summary>
    public int? CheckpointEveryEpochs { get; init; } = 1;

    /// <summary>Time between two checkpoints; null: time does not matter. Default 10 minutes.
    /// </summary>
    public TimeSpan? CheckpointInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Servers hear of a version that is to be saved so long before they make it, so that
    /// none of them has to stand for it. Default half a second.</summary>
    public TimeSpan CheckpointNotice { get; init; } = TimeSpan.FromSeconds(0.5);

    /// <summary>The newest checkpoints that are kept; that of the best weights is as well. Default
    /// 2.</summary>
    public int KeepCheckpoints { get; init; } = 2;

    /// <summary>A checkpoint that could not be saved is begun again after so long. Default 15
    /// seconds.</summary>
    public TimeSpan CheckpointRetry { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>So often, one after the other, a checkpoint that the run waits for may fail before
    /// the run does. Default 20.</summary>
    public int MaxCheckpointAttempts { get; init; } = 20;

    /// <summary>So many generations, one after the other, may fail without any progress before the
    /// run does. Default 5.</summary>
    public int MaxFailedGenerations { get; init; } = 5;

    /// <summary>Parameter servers have so long to open their slices. Default 5 minutes.</summary>
    public TimeSpan OpeningTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>A generation that has fewer parameter servers than there are ends after so long, so
    /// that the next has them all. Default 15 seconds.</summary>
    public TimeSpan SpreadAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>A directive that no status shows is sent again after so long. Default 1 second.
    /// </summary>
    public TimeSpan ResendAfter { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Every directive of an open generation is repeated after so long, since a status
    /// that showed more may have been lost. Default 5 seconds.</summary>
    public TimeSpan RepeatAfter { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Workers that may compute late micro-batches of one step as well. Default 2.
    /// </summary>
    public int MaxSpeculations { get; init; } = 2;

    /// <summary>The share of micro-batches that two workers compute. Default 0: none.</summary>
    public double VerifyShare { get; init; }

    /// <summary>Why these options cannot be used; null: they can.</summary>
    public string? Refusal()
    {
        if (MinWorkers < 1 || MaxWorkers < MinWorkers || MaxWorkers > AssignmentPlanner.MaxWorkers)
        {
            return $"workers from {MinWorkers} to {MaxWorkers}, where 1 to"
                + $" {AssignmentPlanner.MaxWorkers} may be";
        }

        if (CheckpointEveryEpochs < 1 || KeepCheckpoints < 1 || MaxCheckpointAttempts < 1
            || MaxFailedGenerations < 1 || MaxSpeculations < 0
            || VerifyShare is not (>= 0 and <= 1))
        {
            return "checkpoints are kept, epochs between them and attempts are counted from 1,"
                + " speculations from 0, and no more can be verified than there is";
        }

        return CheckpointInterval <= TimeSpan.Zero || CheckpointRetry <= TimeSpan.Zero
            || OpeningTimeout <= TimeSpan.Zero || ResendAfter <= TimeSpan.Zero
            || RepeatAfter < ResendAfter || CheckpointNotice < TimeSpan.Zero
            || SpreadAfter < TimeSpan.Zero
            ? "intervals and timeouts have to be longer than nothing"
            : null;
    }
}
