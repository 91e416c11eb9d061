using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Security;

/// <summary>Whether a certificate lets whoever shows it be a node of the cluster. Both ends of
/// every connection between nodes ask it.</summary>
/// <remarks>Names of hosts are not compared: nodes come and go at addresses that nobody knows when
/// certificates are issued, and only nodes have certificates of the authority.</remarks>
public static class PeerCheck
{
    private const string ServerUsage = "1.3.6.1.5.5.7.3.1";
    private const string ClientUsage = "1.3.6.1.5.5.7.3.2";

    /// <summary>Why a certificate is refused, in words; null: it is good.</summary>
    /// <param name="shown">What the peer has shown; null: nothing.</param>
    /// <param name="authorities">Whose certificates are believed.</param>
    /// <param name="wanted">It has to be for one of these roles.</param>
    /// <param name="now">The time.</param>
    public static string? Refusal(
        X509Certificate2? shown, X509Certificate2Collection authorities, NodeRoles wanted,
        DateTimeOffset now)
    {
        if (shown is null)
        {
            return "it shows no certificate";
        }

        string name = $"certificate '{NameOf(shown)}'";
        if (now < shown.NotBefore || now > shown.NotAfter)
        {
            return now < shown.NotBefore
                ? $"it shows {name}, which is good only from {Written(shown.NotBefore)} on"
                : $"it shows {name}, which expired at {Written(shown.NotAfter)}";
        }

        if (ChainRefusal(shown, authorities, now) is { } refusal)
        {
            return $"it shows {name}, {refusal}";
        }

        NodeRoles roles = CertifiedRoles.Of(shown);
        return roles switch
        {
            NodeRoles.None => $"it shows {name}, which is for no role of a node",
            _ when (roles & wanted) == 0 =>
                $"it shows {name}, which is for {string.Join(", ", RoleNames.OfEach(roles))}, not"
                + $" for {string.Join(" or ", RoleNames.OfEach(wanted))}",
            _ => null,
        };
    }

    /// <summary>What a certificate is called: its subject's common name.</summary>
    public static string NameOf(X509Certificate2 certificate) =>
        Plain(certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false));

    private static string? ChainRefusal(
        X509Certificate2 shown, X509Certificate2Collection authorities, DateTimeOffset now)
    {
        using var chain = new X509Chain { ChainPolicy = AuthorityTrust.PolicyOf(authorities) };
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ServerUsage));
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientUsage));
        try
        {
            if (chain.Build(shown))
            {
                return null;
            }

            X509ChainStatusFlags status = chain.ChainStatus
                .Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status);
            const X509ChainStatusFlags otherAuthority = X509ChainStatusFlags.UntrustedRoot
                | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid;
            string issuer = Plain(shown.GetNameInfo(X509NameType.SimpleName, forIssuer: true));
            return (status & otherAuthority) != 0
                ? $"which '{issuer}' has issued, not this cluster's authority"
                : $"which is not good for a node: {status}";
        }
        catch (CryptographicException failure)
        {
            return $"which cannot be checked: {failure.Message}";
        }
        finally
        {
            foreach (X509ChainElement element in chain.ChainElements)
            {
                element.Certificate.Dispose();
            }
        }
    }

    /// <summary>A time, for people.</summary>
    public static string Written(DateTime time) =>
        $"{time.ToUniversalTime():yyyy-MM-dd HH:mm} UTC";

    // A stranger's words go into logs.
    private static string Plain(string name)
    {
        const int most = 64;
        return string.Concat(
            name.Take(most).Select(c => char.IsControl(c) || c == '\'' ? '?' : c));
    }
}
