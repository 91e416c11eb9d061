using System.Collections.Immutable;

namespace Backprop.Training.Simulation;

/// <summary>Something that goes wrong in a simulated cluster, or changes it. Nodes are named by
/// their places, 0 to the number of nodes − 1; what is there no more is passed over.</summary>
public abstract record Fault
{
    private Fault()
    {
    }

    /// <summary>A process dies with all that it has in memory.</summary>
    /// <param name="Place">Whose.</param>
    /// <param name="RestartAfter">It comes back as another incarnation after so long; null: it does
    /// not, unless it is needed once the faults are over.</param>
    public sealed record Crash(int Place, TimeSpan? RestartAfter) : Fault;

    /// <summary>Every process dies at once, the coordinator's too.</summary>
    /// <param name="RestartAfter">They come back after so long, each a little later.</param>
    public sealed record CrashAll(TimeSpan RestartAfter) : Fault;

    /// <summary>A process says that it wants to leave, and ends a while later.</summary>
    /// <param name="Place">Whose.</param>
    /// <param name="Notice">So much later.</param>
    public sealed record Leave(int Place, TimeSpan Notice) : Fault;

    /// <summary>A process stands still, and gets all its messages late.</summary>
    /// <param name="Place">Whose.</param>
    /// <param name="Lasts">For how long.</param>
    public sealed record Pause(int Place, TimeSpan Lasts) : Fault;

    /// <summary>A node computes more slowly.</summary>
    /// <param name="Place">Whose.</param>
    /// <param name="Factor">So many times.</param>
    /// <param name="Lasts">For how long.</param>
    public sealed record Slow(int Place, double Factor, TimeSpan Lasts) : Fault;

    /// <summary>A new node joins.</summary>
    /// <param name="IsServer">Whether it is a parameter server.</param>
    /// <param name="IsWorker">Whether it is a worker.</param>
    /// <param name="Speed">How fast it computes; 1 is usual.</param>
    public sealed record Join(bool IsServer, bool IsWorker, double Speed) : Fault;

    /// <summary>Nodes cannot reach the others, nor the others them.</summary>
    /// <param name="Places">The nodes.</param>
    /// <param name="WithCoordinator">Whether the coordinator is on their side.</param>
    /// <param name="Lasts">For how long.</param>
    public sealed record Partition(
        ImmutableArray<int> Places, bool WithCoordinator, TimeSpan Lasts) : Fault;

    /// <summary>The connection of two nodes ends: what is under way on it, either way, is lost.
    /// </summary>
    /// <param name="First">One.</param>
    /// <param name="Second">The other.</param>
    public sealed record LinkEnd(int First, int Second) : Fault;

    /// <summary>Every message that is under way is lost.</summary>
    public sealed record LoseAllUnderWay : Fault;

    /// <summary>A parameter server fails at its work, and says so.</summary>
    /// <param name="Place">Whose.</param>
    public sealed record FailSlice(int Place) : Fault;

    /// <summary>A worker comes to wrong bits now and then, in steps that are verified: in its own
    /// micro-batches, or in those of another that it computes once more.</summary>
    /// <param name="Place">Whose.</param>
    /// <param name="Lasts">For how long.</param>
    public sealed record Miscompute(int Place, TimeSpan Lasts) : Fault;

    /// <summary>The clock of the coordinators' machines is set; timers go on as before.</summary>
    /// <param name="By">Ahead by so much; negative: back.</param>
    public sealed record SetClock(TimeSpan By) : Fault;

    /// <summary>The coordinator dies or moves; another takes over in the next term.</summary>
    /// <param name="Without">There is none for so long.</param>
    /// <param name="OldLives">The old one does not know, and gives orders for so long after; zero:
    /// it is dead.</param>
    public sealed record MoveCoordinator(TimeSpan Without, TimeSpan OldLives) : Fault;

    /// <summary>The database does not answer: neither events nor checkpoints can be stored or
    /// read.</summary>
    /// <param name="Lasts">For how long.</param>
    public sealed record StorageAway(TimeSpan Lasts) : Fault;

    /// <summary>The user pauses the run, and resumes it.</summary>
    /// <param name="Lasts">After so long.</param>
    public sealed record PauseRun(TimeSpan Lasts) : Fault;
}

/// <summary>A fault and when it strikes.</summary>
/// <param name="Fault">What.</param>
/// <param name="At">When, or the first moment for <paramref name="AtVersion"/>.</param>
/// <param name="AtVersion">Not before the slowest slice has this version; null: it does not
/// matter.</param>
public sealed record ScheduledFault(Fault Fault, TimeSpan At, long? AtVersion = null);
