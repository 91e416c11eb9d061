using System.Security.Cryptography.X509Certificates;

namespace Backprop.Distributed.Security;

/// <summary>How certificates of the cluster's authority are followed up to it.</summary>
public static class AuthorityTrust
{
    /// <summary>Believes these authorities and nobody else, and asks nothing of the network: an
    /// authority that issues short lives needs no list of revoked certificates.</summary>
    public static X509ChainPolicy PolicyOf(X509Certificate2Collection authorities)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        return policy;
    }
}
