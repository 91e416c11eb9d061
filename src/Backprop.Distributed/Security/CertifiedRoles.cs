using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Security;

/// <summary>The roles that a certificate is for. Each is a URI among the subject's alternative
/// names (RFC 5280, 4.2.1.6), <c>urn:backprop:role:worker</c>, where tools show it.</summary>
public static class CertifiedRoles
{
    private const string Prefix = "urn:backprop:role:";
    private const string AlternativeNames = "2.5.29.17";

    private static readonly Asn1Tag s_uri = new(TagClass.ContextSpecific, 6);

    /// <summary>The roles of a certificate; none where it is no node's.</summary>
    public static NodeRoles Of(X509Certificate2 certificate)
    {
        NodeRoles roles = NodeRoles.None;
        foreach (string uri in Uris(certificate))
        {
            if (uri.StartsWith(Prefix, StringComparison.Ordinal))
            {
                roles |= RoleNames.Find(uri[Prefix.Length..]);
            }
        }

        return roles;
    }

    /// <summary>Adds roles to the names that a certificate is to have.</summary>
    internal static void Add(SubjectAlternativeNameBuilder names, NodeRoles roles)
    {
        foreach (string role in RoleNames.OfEach(roles))
        {
            names.AddUri(new Uri(Prefix + role));
        }
    }

    private static IEnumerable<string> Uris(X509Certificate2 certificate)
    {
        X509Extension? extension = certificate.Extensions
            .FirstOrDefault(one => one.Oid?.Value == AlternativeNames);
        var uris = new List<string>();
        if (extension is null)
        {
            return uris;
        }

        try
        {
            AsnReader names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
            while (names.HasData)
            {
                if (names.PeekTag() == s_uri)
                {
                    uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, s_uri));
                }
                else
                {
                    names.ReadEncodedValue();
                }
            }
        }
        catch (AsnContentException)
        {
            // Names that cannot be read are for no role.
            uris.Clear();
        }

        return uris;
    }
}
