using System.Collections.Immutable;
using System.Net;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;

namespace Backprop.Console.Api.Access;

/// <summary>What is configured of who may come in.</summary>
internal sealed record AccessOptions
{
    /// <summary>That of an API that only this machine reaches: no token is needed.</summary>
    public static AccessOptions OfThisMachine { get; } = new();

    /// <summary>Whether requests need a token.</summary>
    public TokenUse Tokens { get; init; } = TokenUse.Auto;

    /// <summary>Whether it is meant that others than this machine may do everything.</summary>
    public bool IsInsecure { get; init; }

    /// <summary>Names that the API is reached by, beside its host.</summary>
    public ImmutableArray<string> Names { get; init; } = [];

    /// <summary>Where the tokens are; null: there are none.</summary>
    public PersistenceOptions? Database { get; init; }

    /// <summary>That of a node.</summary>
    public static AccessOptions Of(NodeConfiguration node) => new()
    {
        Tokens = node.Api.Tokens,
        IsInsecure = node.Api.IsInsecure,
        Names = node.Api.Names,
        Database = node.State.Options,
    };
}

/// <summary>What that comes to where the API listens.</summary>
/// <param name="NeedsToken">Whether requests need a token.</param>
/// <param name="IsLocal">Whether only this machine reaches it.</param>
/// <param name="Names">What it may be called, where only this machine reaches it.</param>
internal sealed record AccessPolicy(
    bool NeedsToken, bool IsLocal, ImmutableArray<string> Names)
{
    /// <summary>For whoever starts the node, in a few words.</summary>
    public string Description => (NeedsToken, IsLocal) switch
    {
        (true, _) => "with a token ('backprop token create' makes one)",
        (false, true) => "from this machine, without a token",
        _ => "WARNING: whoever reaches it may do everything (backprop.api.tokens = off)",
    };

    /// <summary>The policy of an API that listens at these addresses.</summary>
    /// <param name="options">What is configured.</param>
    /// <param name="host">The host that is configured.</param>
    /// <param name="addresses">What it stands for.</param>
    /// <exception cref="MistakeException">Everybody would come in, and nobody has said that this
    /// is meant.</exception>
    public static AccessPolicy Of(
        AccessOptions options, string host, IReadOnlyCollection<IPAddress> addresses)
    {
        bool isLocal = addresses.All(IPAddress.IsLoopback);
        bool needsToken = options.Tokens == TokenUse.Required
            || (options.Tokens == TokenUse.Auto && !isLocal);
        if (!needsToken && !isLocal && !options.IsInsecure)
        {
            throw new MistakeException(
                $"the API would be served at {host} to whoever reaches it, without a token: set"
                + " backprop.api.tokens = auto, or, if that is meant, backprop.api.insecure = true"
                + " beside it");
        }

        if (needsToken && options.Database is null)
        {
            throw new ArgumentException("tokens are needed, and there is no place for them");
        }

        return new AccessPolicy(needsToken, isLocal, [host, .. options.Names]);
    }
}
