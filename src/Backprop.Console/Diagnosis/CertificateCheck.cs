using Backprop.Distributed.Configuration;
using Backprop.Distributed.Security;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether others would know the node by its certificate, or whether it has need of
/// one.</summary>
internal static class CertificateCheck
{
    private const string Check = "tls";

    private static readonly TimeSpan s_soon = TimeSpan.FromDays(14);

    public static Finding Examine(NodeConfiguration node, TimeProvider time)
    {
        if (node.Tls is null)
        {
            return Exposed(node);
        }

        try
        {
            var certificates = NodeCertificates.Load(node.Tls, node.Member.Roles, time);
            TimeSpan left = certificates.Certificate.NotAfter.ToUniversalTime()
                - time.GetUtcNow().UtcDateTime;
            return left > s_soon
                ? Finding.Ok(Check, certificates.Description)
                : Finding.Warning(
                    Check, $"{certificates.Description}: {left.TotalDays:0.0} days are left",
                    "'backprop certs issue' with the same name makes the next one");
        }
        catch (CertificateException failure)
        {
            return Finding.Problem(
                Check, failure.Message, "docs/security.md says how they are made");
        }
    }

    private static Finding Exposed(NodeConfiguration node)
    {
        // What is told where there is no name to look up is told by the look at the host.
        string host = node.Member.Host == MemberConfiguration.AutoHost ? "0.0.0.0"
            : node.Member.Host;
        return ExposedListeners.Find(node, host) is not { } exposed
            ? Finding.Ok(Check, ExposedListeners.None)
            : node.IsInsecure ? Finding.Warning(
                Check, $"none, as is meant: other machines reach {exposed}",
                "set backprop.tls where whoever is on the network is not trusted")
            : Finding.Problem(
                Check, $"none, and other machines would reach {exposed}",
                "set backprop.tls, for which 'backprop certs' makes the files, or --insecure");
    }
}
