using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Security;

namespace Backprop.Console.Client;

/// <summary>By whose word a command knows the cluster that it asks: an authority's, beside those
/// that the machine knows.</summary>
internal static class TrustedAuthority
{
    /// <summary>Names the file with the authority's certificate where no option does: the same as
    /// on nodes.</summary>
    public const string Variable = "BACKPROP__TLS__AUTHORITY";

    /// <summary>Makes clients of HTTP that know the cluster.</summary>
    /// <param name="option">The file that an option names; null: none.</param>
    /// <param name="variables">Environment variables.</param>
    /// <exception cref="CertificateException">The file has no certificates.</exception>
    public static HttpMessageHandler Handler(
        string? option, IReadOnlyDictionary<string, string> variables)
    {
        var handler = new SocketsHttpHandler();
        string? file = option ?? variables.GetValueOrDefault(Variable);
        if (!string.IsNullOrEmpty(file))
        {
            X509Certificate2Collection own = CertificateFiles.ReadAll(file);
            handler.SslOptions.RemoteCertificateValidationCallback =
                (_, shown, _, errors) => IsKnown((X509Certificate2?)shown, errors, own);
        }

        return handler;
    }

    // That the name is the one that was asked for has been looked at by then.
    private static bool IsKnown(
        X509Certificate2? shown, SslPolicyErrors errors, X509Certificate2Collection own)
    {
        if (shown is null || errors is SslPolicyErrors.None)
        {
            return errors is SslPolicyErrors.None;
        }

        if (errors is not SslPolicyErrors.RemoteCertificateChainErrors)
        {
            return false;
        }

        using var chain = new X509Chain { ChainPolicy = AuthorityTrust.PolicyOf(own) };
        return chain.Build(shown);
    }
}
