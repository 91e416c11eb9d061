using Akka.Actor;

namespace Backprop.Distributed.Coordination;

/// <summary>How users' requests reach the coordinator, wherever it lives.</summary>
public interface ICoordinatorClient
{
    /// <summary>Asks, again if need be, until there is an answer or the time is up: then the answer
    /// is a refusal of the kind <see cref="RefusalKind.Unavailable"/>.</summary>
    Task<CoordinatorAnswer> AskAsync(CoordinatorRequest request, CancellationToken cancellation);
}

/// <summary>Asks the coordinator's actor, or a proxy of it.</summary>
/// <param name="coordinator">The actor.</param>
/// <param name="attempts">How often it is asked, at least once.</param>
/// <param name="deadline">How long each answer is waited for.</param>
public sealed class CoordinatorClient(ICanTell coordinator, int attempts, TimeSpan deadline)
    : ICoordinatorClient
{
    /// <inheritdoc/>
    public async Task<CoordinatorAnswer> AskAsync(
        CoordinatorRequest request, CancellationToken cancellation)
    {
        for (int attempt = 1; attempt <= attempts; attempt++)
        {
            try
            {
                return await coordinator
                    .Ask<CoordinatorAnswer>(request, deadline, cancellation)
                    .ConfigureAwait(false);
            }
            catch (AskTimeoutException)
            {
                // It may be about to begin elsewhere; every request may be repeated.
            }
        }

        return new CoordinatorAnswer.Refused(
            RefusalKind.Unavailable,
            $"the coordinator has not answered within {attempts * deadline.TotalSeconds:0} s: it"
            + " may be moving to another node, or its database may be away");
    }
}
