using System.Net;
using System.Net.Sockets;

namespace Backprop.Distributed.Configuration;

/// <summary>What this machine is called, where that can be used.</summary>
internal static class MachineName
{
    /// <summary>This machine's name, if it has an address.</summary>
    /// <exception cref="NodeConfigurationException">It has none.</exception>
    public static string Resolve()
    {
        string name = Dns.GetHostName();
        try
        {
            if (Dns.GetHostAddresses(name).Length > 0)
            {
                return name;
            }
        }
        catch (SocketException)
        {
            // Told below, as a name without an address.
        }

        throw new NodeConfigurationException(
        [
            $"backprop.node.host: is '{MemberConfiguration.AutoHost}', but the name of this"
            + $" machine, '{name}', has no address; give the host that other nodes reach it at",
        ]);
    }
}
