using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Security;

/// <summary>A certificate and its key, in PEM.</summary>
/// <param name="Certificate">The certificate.</param>
/// <param name="Key">The key, in PKCS#8, not encrypted.</param>
public sealed record CertifiedKey(string Certificate, string Key);

/// <summary>A cluster's own authority: makes itself, and certificates of nodes (RFC 5280), with
/// ECDSA keys on the curve P-256.</summary>
public static class CertificateAuthority
{
    // A clock that is a little behind does not refuse what has just been made.
    private static readonly TimeSpan s_clockError = TimeSpan.FromMinutes(5);

    private static readonly OidCollection s_usages =
        [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")];

    /// <summary>Makes an authority.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="now">The time.</param>
    /// <param name="life">How long it is good for.</param>
    public static CertifiedKey Create(string name, DateTimeOffset now, TimeSpan life)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NameOf(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            X509BasicConstraintsExtension.CreateForCertificateAuthority(pathLengthConstraint: 0));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(
            X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        request.CertificateExtensions.Add(
            new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        using X509Certificate2 made = request.CreateSelfSigned(now - s_clockError, now + life);
        return new CertifiedKey(made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    /// <summary>Makes a node's certificate, for both ends of a connection.</summary>
    /// <param name="authority">Whose it is to be.</param>
    /// <param name="name">What the node is called.</param>
    /// <param name="roles">What it may do.</param>
    /// <param name="hosts">Names and addresses that it is reached at by clients who compare them,
    /// beside this machine's own: localhost, 127.0.0.1 and ::1.</param>
    /// <param name="now">The time.</param>
    /// <param name="life">How long it is good for; not longer than the authority.</param>
    /// <exception cref="CertificateException">The authority cannot be used.</exception>
    public static CertifiedKey Issue(
        CertifiedKey authority, string name, NodeRoles roles, IEnumerable<string> hosts,
        DateTimeOffset now, TimeSpan life)
    {
        using X509Certificate2 issuer = Read(authority, now);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(NameOf(name), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            X509BasicConstraintsExtension.CreateForEndEntity(critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension(s_usages, critical: false));
        request.CertificateExtensions.Add(
            new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(
                issuer, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        request.CertificateExtensions.Add(NamesOf(roles, hosts));
        DateTimeOffset end = now + life;
        DateTimeOffset notAfter = end < issuer.NotAfter ? end : issuer.NotAfter;
        DateTimeOffset begin = now - s_clockError;
        DateTimeOffset notBefore = begin > issuer.NotBefore ? begin : issuer.NotBefore;
        Span<byte> serial = stackalloc byte[16];
        RandomNumberGenerator.Fill(serial);
        serial[0] &= 0x7f; // A positive number, as the standard wants it.
        using X509Certificate2 made = request.Create(issuer, notBefore, notAfter, serial);
        return new CertifiedKey(made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private static X509Certificate2 Read(CertifiedKey authority, DateTimeOffset now)
    {
        X509Certificate2 issuer;
        try
        {
            issuer = X509Certificate2.CreateFromPem(authority.Certificate, authority.Key);
        }
        catch (Exception failure) when (failure is CryptographicException or ArgumentException)
        {
            throw new CertificateException(
                $"the authority's certificate and key do not belong together: {failure.Message}",
                failure);
        }

        bool isAuthority = issuer.Extensions.OfType<X509BasicConstraintsExtension>()
            .Any(one => one.CertificateAuthority);
        string? refusal = !isAuthority ? "is no authority's"
            : now > issuer.NotAfter ? $"expired at {issuer.NotAfter:yyyy-MM-dd}"
            : null;
        if (refusal is null)
        {
            return issuer;
        }

        string name = PeerCheck.NameOf(issuer);
        issuer.Dispose();
        throw new CertificateException(
            $"certificate '{name}' {refusal}; 'backprop certs init' makes one in another"
            + " directory");
    }

    private static X500DistinguishedName NameOf(string name)
    {
        var builder = new X500DistinguishedNameBuilder();
        builder.AddCommonName(name);
        return builder.Build();
    }

    private static X509Extension NamesOf(NodeRoles roles, IEnumerable<string> hosts)
    {
        var names = new SubjectAlternativeNameBuilder();
        string[] own = ["localhost", "127.0.0.1", "::1"];
        foreach (string host in own.Concat(hosts).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            if (IPAddress.TryParse(host, out IPAddress? address))
            {
                names.AddIpAddress(address);
            }
            else
            {
                names.AddDnsName(host);
            }
        }

        CertifiedRoles.Add(names, roles);
        return names.Build();
    }
}
