using System.Net.Security;
using System.Security.Authentication;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Security;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Backprop.Console.Api;

/// <summary>What a listener for users shows them, read again when its files have changed.
/// </summary>
internal sealed class ServerCertificate
{
    private readonly Func<SslStreamCertificateContext> _current;

    private ServerCertificate(Func<SslStreamCertificateContext> current) => _current = current;

    /// <summary>The files have changed and cannot be used: why.</summary>
    public event Action<string>? RereadFailed;

    /// <summary>That of some files, else the node's own; null: there is none.</summary>
    /// <exception cref="CertificateException">The files cannot be used.</exception>
    public static ServerCertificate? Of(ApiCertificate? files, NodeCertificates? node)
    {
        if (files is null)
        {
            return node is null ? null : new ServerCertificate(() => node.Context);
        }

        var read = new RereadFiles<SslStreamCertificateContext>(
            [files.Certificate, files.Key],
            () => CertificateFiles.ReadWithChain(files.Certificate, files.Key),
            TimeProvider.System);
        var certificate = new ServerCertificate(() => read.Current);
        read.Failed += why => certificate.RereadFailed?.Invoke(why);
        return certificate;
    }

    /// <summary>Has a listener speak TLS.</summary>
    public void Secure(ListenOptions listener) =>
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = _current(),
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            }),
        });
}
