using System.Net;
using System.Security.Cryptography;
using System.Threading.RateLimiting;
using Backprop.Distributed.Access;
using Backprop.Distributed.Persistence;
using Microsoft.Extensions.Caching.Memory;

namespace Backprop.Console.Api.Access;

/// <summary>Who it is, or why that is not said.</summary>
/// <param name="Identity">Who; null: see <paramref name="Refusal"/>.</param>
/// <param name="Refusal">Why not; null: see <paramref name="Identity"/>.</param>
internal readonly record struct CheckedCredential(
    AccessIdentity? Identity, AccessRefusal? Refusal);

/// <summary>
/// Holds credentials against the database: what was found good is believed for a few seconds, what
/// was found wrong is counted by the client's address.
/// </summary>
/// <remarks>Who has been found good goes on where others of its address, such as a proxy's, have
/// failed too often; a stranger does not get so far as the database.</remarks>
internal sealed class CredentialCheck : IDisposable
{
    /// <summary>Failures of one address until they are refused at once.</summary>
    public const int Failures = 20;

    private const int Counters = 4_096;
    private const int MostRemembered = 8_192;
    private const int SaltBytes = 32;

    /// <summary>What was found good is believed for so long; what is under way is looked at as
    /// often. A revocation takes effect within twice that.</summary>
    public static readonly TimeSpan Belief = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan s_acquaintance = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_forgiveness = TimeSpan.FromSeconds(3);

    private readonly AccessTokens _tokens;
    private readonly TimeProvider _time;
    private readonly byte[] _salt = RandomNumberGenerator.GetBytes(SaltBytes);
    private readonly MemoryCache _good = new(
        new MemoryCacheOptions { SizeLimit = MostRemembered });

    private readonly MemoryCache _known = new(
        new MemoryCacheOptions { SizeLimit = MostRemembered });

    private readonly PartitionedRateLimiter<int> _failures =
        PartitionedRateLimiter.Create<int, int>(counter => RateLimitPartition
            .GetTokenBucketLimiter(counter, _ => new TokenBucketRateLimiterOptions
            {
                TokenLimit = Failures,
                TokensPerPeriod = 1,
                ReplenishmentPeriod = s_forgiveness,
                QueueLimit = 0,
            }));

    public CredentialCheck(AccessTokens tokens, TimeProvider time)
    {
        _tokens = tokens;
        _time = time;
    }

    public void Dispose()
    {
        _good.Dispose();
        _known.Dispose();
        _failures.Dispose();
    }

    /// <summary>Checks what a client presents.</summary>
    public async Task<CheckedCredential> CheckAsync(
        Credential credential, IPAddress? client, CancellationToken cancellation)
    {
        int counter = AccessRules.CounterOf(client, _salt, Counters);
        // A limiter that is asked for nothing grants it as long as a fraction of a failure is left.
        if (!_known.TryGetValue(credential.Key, out _)
            && _failures.GetStatistics(counter) is { CurrentAvailablePermits: 0 })
        {
            return new CheckedCredential(null, AccessRules.TooManyFailures(s_forgiveness));
        }

        try
        {
            (AccessIdentity? identity, string? whyNot) = await LookAsync(credential, cancellation);
            return identity is not null
                ? new CheckedCredential(identity, null)
                : new CheckedCredential(
                    null, CountFailure(counter) ?? AccessRules.TokenWrong(whyNot));
        }
        catch (StateDatabaseException failure)
        {
            return new CheckedCredential(null, AccessRules.Unknowable(failure.Message));
        }
    }

    /// <summary>Whether what was good still is; where the database does not say, it is: nobody can
    /// have taken it back either.</summary>
    public async Task<bool> IsStillGoodAsync(
        Credential credential, CancellationToken cancellation)
    {
        try
        {
            return (await LookAsync(credential, cancellation)).Identity is not null;
        }
        catch (StateDatabaseException)
        {
            return true;
        }
    }

    /// <summary>Believes nothing of a credential that was known before.</summary>
    public void Forget(Credential credential)
    {
        _good.Remove(credential.Key);
        _known.Remove(credential.Key);
    }

    private AccessRefusal? CountFailure(int counter)
    {
        using RateLimitLease lease = _failures.AttemptAcquire(counter);
        return lease.IsAcquired
            ? null
            : AccessRules.TooManyFailures(
                lease.TryGetMetadata(MetadataName.RetryAfter, out TimeSpan pause)
                    ? pause
                    : s_forgiveness);
    }

    private async Task<(AccessIdentity? Identity, string? WhyNot)> LookAsync(
        Credential credential, CancellationToken cancellation)
    {
        if (_good.TryGetValue(credential.Key, out AccessIdentity? believed))
        {
            return (believed, null);
        }

        (AccessIdentity? identity, string? whyNot) = credential switch
        {
            Credential.Token token => Judge(
                token, await _tokens.FindAsync(token.Id, cancellation)),
            Credential.Session session => Judge(
                await _tokens.FindSessionAsync(session.Sha256, cancellation)),
            _ => (null, null),
        };
        if (identity is null)
        {
            Forget(credential);
        }
        else
        {
            Remember(_good, credential, identity, Belief);
            Remember(_known, credential, identity, s_acquaintance);
        }

        return (identity, whyNot);
    }

    private static void Remember(
        MemoryCache cache, Credential credential, AccessIdentity identity, TimeSpan time) =>
        cache.Set(credential.Key, identity, new MemoryCacheEntryOptions
        {
            AbsoluteExpirationRelativeToNow = time,
            Size = 1,
        });

    private (AccessIdentity? Identity, string? WhyNot) Judge(
        Credential.Token token, StoredToken? stored)
    {
        if (stored is null || !TokenText.AreEqual(stored.Sha256, token.Sha256))
        {
            return (null, null);
        }

        return Judge(stored.Token, stored.Token.Expires);
    }

    private (AccessIdentity? Identity, string? WhyNot) Judge(StoredSession? stored)
    {
        if (stored is null)
        {
            return (null, null);
        }

        return stored.Session.Expires <= _time.GetUtcNow()
            ? (null, $"the login expired at {stored.Session.Expires:u}")
            : Judge(stored.Token, stored.Session.Expires);
    }

    private (AccessIdentity? Identity, string? WhyNot) Judge(
        AccessToken token, DateTimeOffset? expires) =>
        token.WhyNot(_time.GetUtcNow()) is { } whyNot
            ? (null, whyNot)
            : (new AccessIdentity(token.Id, token.Name, token.Role, expires), null);
}
