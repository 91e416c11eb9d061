using Akka.Configuration;
using Akka.Event;
using Akka.Remote.Transport.DotNetty;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Security;

/// <summary>TLS of control messages: TLS 1.2, the newest that Akka.Remote's transport has, in which
/// both ends show a certificate of the cluster.</summary>
public static class AkkaTls
{
    private const NodeRoles AnyRole = NodeRoles.Coordinator | NodeRoles.ParameterServer
        | NodeRoles.Worker | NodeRoles.Console;

    /// <summary>Turns it on; to be put before the rest of Akka's configuration.</summary>
    public static Config Config { get; } = ConfigurationFactory.ParseString("""
        akka.remote.dot-netty.tcp.enable-ssl = on
        """);

    /// <summary>What the transport shows and whom it lets in. The certificate stays the one of the
    /// moment, for as long as the actor system lives; authorities are read again.</summary>
    /// <param name="certificates">The node's.</param>
    public static DotNettySslSetup Setup(NodeCertificates certificates) =>
        new(
            certificates.Certificate, suppressValidation: false, requireMutualAuthentication: true,
            customValidator: (shown, _, remote, _, log) =>
            {
                string? refusal = certificates.RefusalOf(shown, AnyRole);
                if (refusal is not null)
                {
                    log.Warning("{0}", new Refusal("control connection", remote, refusal));
                }

                return refusal is null;
            });
}
