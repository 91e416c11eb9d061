using Backprop.Distributed.Access;
using Backprop.Distributed.Persistence;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>Who a request is from, and how that was shown.</summary>
/// <param name="Identity">Who.</param>
/// <param name="Credential">What was presented.</param>
internal sealed record AccessGrant(AccessIdentity Identity, Credential Credential);

/// <summary>What the pieces that guard the API share.</summary>
internal sealed class AccessDoor : IDisposable
{
    // A request waits for it.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly AccessTokens? _tokens;
    private readonly CredentialCheck? _check;

    public AccessDoor(AccessPolicy policy, PersistenceOptions? database, TimeProvider time)
    {
        Policy = policy;
        Time = time;
        if (policy.NeedsToken && database is not null)
        {
            _tokens = new AccessTokens(database, s_patience);
            _check = new CredentialCheck(_tokens, time);
        }
    }

    /// <summary>What holds here.</summary>
    public AccessPolicy Policy { get; }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>The tokens, where they are needed.</summary>
    public AccessTokens Tokens => _tokens ?? throw NotNeeded();

    /// <summary>Checks them, where they are needed.</summary>
    public CredentialCheck Check => _check ?? throw NotNeeded();

    public void Dispose()
    {
        _check?.Dispose();
        _tokens?.Dispose();
    }

    /// <summary>Whether an endpoint is for everybody: what is mapped is closed unless it says that
    /// it is open.</summary>
    /// <param name="endpoint">Null: nothing is there to be closed.</param>
    public static bool IsOpen(Endpoint? endpoint) =>
        endpoint is null || endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null;

    private static InvalidOperationException NotNeeded() => new("no token is needed here");
}
