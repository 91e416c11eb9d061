using System.Collections.Immutable;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Remote.Transport.DotNetty;

namespace Backprop.Chaos.Tests;

/// <summary>Those who knock at a node's doors and do not belong there.</summary>
internal static class Strangers
{
    private const int Longest = 4_096;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    /// <summary>Sends bytes that mean nothing, half of them with the beginning of TLS before them,
    /// until it is told to stop.</summary>
    /// <returns>How often it was there.</returns>
    public static Task<int> PourAsync(IPEndPoint door, int seed, CancellationToken stop) =>
        KnockAsync(door, stop, async (stream, random) =>
        {
            var bytes = new byte[random.Next(1, Longest)];
            random.NextBytes(bytes);
            if (random.Next(2) == 0 && bytes.Length > 5)
            {
                bytes[0] = 0x16;
                bytes[1] = 3;
                bytes[2] = 1;
            }

            await stream.WriteAsync(bytes, stop);
        }, seed);

    /// <summary>Sends what a peer with a good certificate would not: bytes that mean nothing, and
    /// frames that promise more than there is.</summary>
    public static Task<int> PourSecurelyAsync(
        IPEndPoint door, X509Certificate2 certificate, int seed, CancellationToken stop) =>
        KnockAsync(door, stop, async (stream, random) =>
        {
            await using var secure = new SslStream(stream, leaveInnerStreamOpen: true);
            await secure.AuthenticateAsClientAsync(Client(certificate), stop);
            var bytes = new byte[random.Next(8, Longest)];
            random.NextBytes(bytes);
            if (random.Next(2) == 0)
            {
                // A length of 2^31 - 1, in either order of bytes; of 2^60 with what follows.
                byte[] promise = random.Next(2) == 0
                    ? [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
                    : [0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0, 0x10];
                promise.CopyTo(bytes, 0);
            }

            await secure.WriteAsync(bytes, stop);
        }, seed);

    /// <summary>Shakes hands and goes.</summary>
    public static async Task ShowAsync(IPEndPoint door, X509Certificate2? certificate)
    {
        using var limit = new CancellationTokenSource(s_patience);
        using var client = new TcpClient();
        await client.ConnectAsync(door, limit.Token);
        try
        {
            await using var secure = new SslStream(client.GetStream());
            await secure.AuthenticateAsClientAsync(Client(certificate), limit.Token);
            await secure.WriteAsync(new byte[16], limit.Token);
            await secure.ReadExactlyAsync(new byte[16], limit.Token);
        }
        catch (Exception refusal) when (refusal is IOException or AuthenticationException)
        {
            // As it should be; the node's log is what is looked at.
        }
    }

    /// <summary>Sends a message of a type that the node does not know, and one that JSON has
    /// written.</summary>
    /// <returns>Whether anybody there has answered a question that came after.</returns>
    public static async Task<bool> TellAsync(
        IPEndPoint door, X509Certificate2? certificate, TimeSpan patience)
    {
        Config configuration = ConfigurationFactory.ParseString($$"""
            akka {
              actor.provider = remote
              loglevel = OFF
              stdout-loglevel = OFF
              remote.dot-netty.tcp {
                hostname = 127.0.0.1, port = 0
                enable-ssl = {{(certificate is null ? "off" : "on")}}
              }
            }
            """);
        ActorSystemSetup setup = ActorSystemSetup.Create(
            BootstrapSetup.Create().WithConfig(configuration));
        if (certificate is not null)
        {
            setup = setup.And(new DotNettySslSetup(
                certificate, suppressValidation: true, requireMutualAuthentication: true));
        }

        using ActorSystem system = ActorSystem.Create("backprop", setup);
        string scheme = certificate is null ? "akka.tcp" : "akka.ssl.tcp";
        ActorSelection membership = system.ActorSelection(
            $"{scheme}://backprop@{door}/user/membership");
        membership.Tell(new Unknown("who are you?", ImmutableArray.Create(1, 2, 3)));
        try
        {
            // Of an address that cannot be reached, one's own system says that nobody is there.
            ActorIdentity answer =
                await membership.Ask<ActorIdentity>(new Identify(1), patience);
            return answer.Subject is not null;
        }
        catch (AskTimeoutException)
        {
            return false;
        }
        finally
        {
            await system.Terminate();
        }
    }

    private static async Task<int> KnockAsync(
        IPEndPoint door, CancellationToken stop, Func<Stream, Random, Task> knock, int seed)
    {
        var random = new Random(seed);
        int times = 0;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(door, stop);
                times++;
                await knock(client.GetStream(), random);
                if (random.Next(4) > 0)
                {
                    client.Client.Shutdown(SocketShutdown.Send);
                }

                await Task.Delay(random.Next(20), stop);
            }
            catch (Exception refusal) when (refusal is IOException or SocketException
                or AuthenticationException or OperationCanceledException)
            {
                // The next one.
            }
        }

        return times;
    }

    private static SslClientAuthenticationOptions Client(X509Certificate2? certificate) => new()
    {
        TargetHost = "",
        ClientCertificateContext = certificate is null
            ? null
            : SslStreamCertificateContext.Create(certificate, null, offline: true),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        RemoteCertificateValidationCallback = (_, _, _, _) => true,
    };

    private sealed record Unknown(string Question, ImmutableArray<int> Numbers);
}
