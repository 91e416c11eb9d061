using Akka.Actor;
using Akka.Persistence;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Persistence;

/// <summary>Asks the actor system's snapshot store, again where it fails, with a bound.</summary>
/// <param name="system">Configured by <see cref="PersistenceConfiguration"/>.</param>
/// <param name="patience">How long it is waited for.</param>
/// <param name="time">The clock.</param>
internal sealed class SnapshotStoreClient(
    ActorSystem system, StoragePatience patience, TimeProvider time)
{
    private readonly IActorRef _store = Akka.Persistence.Persistence.Instance.Apply(system)
        .SnapshotStoreFor(PersistenceConfiguration.SnapshotPlugin);

    private long _lastTicks;

    /// <summary>Saves; when this is done, it is durable.</summary>
    /// <param name="what">For the failure's text: what could not be saved.</param>
    /// <param name="place">What it is stored under.</param>
    /// <param name="number">And its number there.</param>
    /// <param name="content">Of a type that has a serializer.</param>
    /// <param name="cancellation">Between two attempts.</param>
    /// <exception cref="CheckpointException">It could not be saved.</exception>
    public Task SaveAsync(
        string what, string place, long number, object content, CancellationToken cancellation) =>
        TryAsync(
            $"{what} could not be saved",
            // After a failure the store deletes what it may have written, up to the time of that
            // attempt: a later attempt needs a later time, or it would be deleted as well.
            () => new SaveSnapshot(new SnapshotMetadata(place, number, NextTime()), content),
            answer => answer switch
            {
                SaveSnapshotSuccess => Outcome.Done,
                SaveSnapshotFailure failure => Outcome.Failed(failure.Cause),
                _ => Outcome.Unexpected(answer),
            },
            cancellation);

    /// <summary>What is stored under a place and a number; null: nothing is.</summary>
    /// <exception cref="CheckpointException">It could not be loaded.</exception>
    public async Task<object?> LoadAsync(
        string what, string place, long number, CancellationToken cancellation)
    {
        var request = new LoadSnapshot(
            place, new SnapshotSelectionCriteria(number), long.MaxValue);
        object found = await TryAsync(
            $"{what} could not be loaded", () => request,
            answer => answer switch
            {
                LoadSnapshotResult result => Outcome.Of(result),
                LoadSnapshotFailed failure => Outcome.Failed(failure.Cause),
                _ => Outcome.Unexpected(answer),
            },
            cancellation).ConfigureAwait(false);
        return ((LoadSnapshotResult)found).Snapshot is { } snapshot
            && snapshot.Metadata.SequenceNr == number
            ? snapshot.Snapshot
            : null;
    }

    /// <summary>Deletes all that was ever stored under a place.</summary>
    /// <exception cref="CheckpointException">It could not be deleted.</exception>
    public Task DeleteAsync(string what, string place, CancellationToken cancellation)
    {
        var request = new DeleteSnapshots(place, SnapshotSelectionCriteria.Latest);
        return TryAsync(
            $"{what} could not be deleted", () => request,
            answer => answer switch
            {
                DeleteSnapshotsSuccess => Outcome.Done,
                DeleteSnapshotsFailure failure => Outcome.Failed(failure.Cause),
                _ => Outcome.Unexpected(answer),
            },
            cancellation);
    }

    private async Task<object> TryAsync(
        string failureText, Func<object> request, Func<object, Outcome> read,
        CancellationToken cancellation)
    {
        TimeSpan delay = patience.FirstDelay;
        for (int attempt = 1; ; attempt++)
        {
            Outcome outcome = await AskAsync(request(), read).ConfigureAwait(false);
            if (outcome.Failure is not { } failure)
            {
                return outcome.Value;
            }

            if (attempt >= patience.Attempts)
            {
                throw new CheckpointException(
                    $"{failureText}, in {attempt} attempts: {failure.Message}", failure);
            }

            await Task.Delay(delay, time, cancellation).ConfigureAwait(false);
            delay *= 2;
        }
    }

    private async Task<Outcome> AskAsync(object request, Func<object, Outcome> read)
    {
        try
        {
            return read(await _store.Ask<object>(request, patience.Deadline)
                .ConfigureAwait(false));
        }
        catch (AskTimeoutException)
        {
            return Outcome.Failed(new TimeoutException(
                $"the database did not answer within {patience.Deadline.TotalSeconds:0.#} s"));
        }
    }

    private DateTime NextTime()
    {
        long now = time.GetUtcNow().UtcTicks;
        long seen, next;
        do
        {
            seen = Interlocked.Read(ref _lastTicks);
            next = Math.Max(now, seen + 1);
        }
        while (Interlocked.CompareExchange(ref _lastTicks, next, seen) != seen);

        return new DateTime(next, DateTimeKind.Utc);
    }

    private readonly record struct Outcome(object Value, Exception? Failure)
    {
        public static Outcome Done => new("", null);

        public static Outcome Of(object value) => new(value, null);

        public static Outcome Failed(Exception cause) => new("", cause);

        public static Outcome Unexpected(object answer) => Failed(
            new InvalidOperationException($"the snapshot store answered {answer.GetType()}"));
    }
}
