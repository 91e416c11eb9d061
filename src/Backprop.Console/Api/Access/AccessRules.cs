using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using Backprop.Distributed.Access;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>Who may do what: decisions on plain values, which know no server.</summary>
internal static class AccessRules
{
    /// <summary>Whether a method changes nothing.</summary>
    public static bool IsSafe(string method) =>
        HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method);

    /// <summary>The role that a request takes.</summary>
    /// <param name="isReading">Whether it changes nothing.</param>
    public static AccessRole RoleFor(bool isReading) =>
        isReading ? AccessRole.Viewer : AccessRole.Operator;

    /// <summary>Why a host that a request names is refused; null: it is not. A page elsewhere can
    /// have its own name resolved to this machine, and would then be of the API's origin; but what
    /// browsers send is the page's name.</summary>
    /// <param name="host">The request's, without a port.</param>
    /// <param name="policy">What holds here.</param>
    public static AccessRefusal? HostRefusal(string host, AccessPolicy policy)
    {
        if (!policy.IsLocal || IsLoopback(host)
            || policy.Names.Contains(host, StringComparer.OrdinalIgnoreCase))
        {
            return null;
        }

        return new AccessRefusal(
            StatusCodes.Status421MisdirectedRequest,
            "this API is for this machine, and is called localhost or 127.0.0.1 here; another name"
            + " that it is to have, such as a proxy's, is one of backprop.api.names");
    }

    /// <summary>Why a request that a browser makes for another site's page is refused; null: it is
    /// not. Programs send none of these headers.</summary>
    /// <param name="method">The request's.</param>
    /// <param name="host">The host that it names, with the port.</param>
    /// <param name="origin">Its <c>Origin</c>; null: there is none.</param>
    /// <param name="site">Its <c>Sec-Fetch-Site</c>; null: there is none. Browsers leave it out
    /// where the connection is not encrypted and goes to another machine.</param>
    public static AccessRefusal? OriginRefusal(
        string method, string host, string? origin, string? site)
    {
        bool isOwn = site is null or "same-origin" or "none"
            && (origin is null || IsOrigin(origin, host));
        return IsSafe(method) || isOwn
            ? null
            : new AccessRefusal(
                StatusCodes.Status403Forbidden,
                "a page of another origin may not change anything here");
    }

    /// <summary>Why a role does not suffice; null: it does.</summary>
    public static AccessRefusal? RoleRefusal(AccessRole has, AccessRole needed) => has >= needed
        ? null
        : new AccessRefusal(
            StatusCodes.Status403Forbidden,
            $"this takes the role {NameOf(needed)}, and the token has the role {NameOf(has)}:"
            + $" 'backprop token create --role {NameOf(needed)}' makes one that may");

    /// <summary>Why a request without a token is refused.</summary>
    public static AccessRefusal TokenMissing { get; } = new(
        StatusCodes.Status401Unauthorized,
        "a token is needed: 'backprop token create --role viewer', or operator, makes one where the"
        + " cluster's state database can be reached; it is sent in the header 'Authorization:"
        + " Bearer ...', given to commands by --token or BACKPROP_TOKEN, and logged in with at the"
        + " page");

    /// <summary>Why one with a wrong token is.</summary>
    /// <param name="reason">In words; null: it is unknown.</param>
    public static AccessRefusal TokenWrong(string? reason) => new(
        StatusCodes.Status401Unauthorized,
        $"{reason ?? "the token or the login is not known here"}: 'backprop token create' makes a"
        + " new one, 'backprop token list' shows those that there are")
    {
        IsInvalid = true,
    };

    /// <summary>Why one is that comes after too many wrong ones.</summary>
    public static AccessRefusal TooManyFailures(TimeSpan pause) => new(
        StatusCodes.Status429TooManyRequests,
        "too many wrong tokens came from this address: wait before another is tried")
    {
        RetryAfter = pause,
    };

    /// <summary>Why one is while the database does not answer.</summary>
    public static AccessRefusal Unknowable(string reason) => new(
        StatusCodes.Status503ServiceUnavailable, reason)
    {
        RetryAfter = TimeSpan.FromSeconds(1),
    };

    /// <summary>Why a browser's request is that does not prove to be the page's own.</summary>
    public static AccessRefusal NotFromPage { get; } = new(
        StatusCodes.Status403Forbidden,
        "the header X-CSRF-Token has to repeat the cookie backprop-csrf of this login");

    /// <summary>What the page repeats to show that it could read its cookies. A function of the
    /// login, so that another login's does not fit, and that tells nothing about it.</summary>
    /// <param name="secret">The login's secret.</param>
    public static string CsrfOf(string secret) => Convert.ToHexStringLower(
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), "backprop-csrf"u8));

    /// <summary>A role, as users write it.</summary>
    public static string NameOf(AccessRole role) => role.ToString().ToLowerInvariant();

    /// <summary>Whose failures are counted together, one of so many: what an attacker can make
    /// many of does not make many counters.</summary>
    /// <param name="client">The address; null: it is not known.</param>
    /// <param name="salt">Chosen when the process starts, so that nobody can choose whose
    /// counter to share.</param>
    /// <param name="counters">How many there are.</param>
    public static int CounterOf(IPAddress? client, ReadOnlySpan<byte> salt, int counters)
    {
        // Who has one address of IPv6 has 2^64.
        const int networkBytes = 8;
        byte[] bytes = client is null ? []
            : client.IsIPv4MappedToIPv6 ? client.MapToIPv4().GetAddressBytes()
            : client.GetAddressBytes();
        if (bytes.Length > networkBytes && client!.AddressFamily == AddressFamily.InterNetworkV6)
        {
            bytes = bytes[..networkBytes];
        }

        byte[] hash = HMACSHA256.HashData(salt, bytes);
        return (int)(BitConverter.ToUInt32(hash) % (uint)counters);
    }

    private static bool IsOrigin(string origin, string host) =>
        Uri.TryCreate(origin, UriKind.Absolute, out Uri? uri)
        && uri.Scheme is "http" or "https"
        && string.Equals(origin, $"{uri.Scheme}://{host}", StringComparison.OrdinalIgnoreCase);

    private static bool IsLoopback(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out IPAddress? address)
            && IPAddress.IsLoopback(address));
}
