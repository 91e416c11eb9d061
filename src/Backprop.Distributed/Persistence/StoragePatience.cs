namespace Backprop.Distributed.Persistence;

/// <summary>How long a database is waited for.</summary>
/// <param name="Deadline">Of one attempt to save, load or delete a piece.</param>
/// <param name="Attempts">Made before it is given up, at least 1.</param>
/// <param name="FirstDelay">Between the first attempt and the second; it doubles each time.
/// </param>
public sealed record StoragePatience(TimeSpan Deadline, int Attempts, TimeSpan FirstDelay)
{
    /// <summary>Patient enough for a database that restarts.</summary>
    public static StoragePatience Default { get; } =
        new(TimeSpan.FromSeconds(30), 5, TimeSpan.FromSeconds(1));
}
