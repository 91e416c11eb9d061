using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether the name that others are told leads here.</summary>
internal static class HostCheck
{
    private const string Check = "host";
    private const string Key = "backprop.node.host";

    public static IEnumerable<Finding> Examine(NodeConfiguration node)
    {
        string host;
        IPAddress[] addresses;
        Finding? refusal = null;
        try
        {
            host = node.Member.ResolveHost();
            addresses = Dns.GetHostAddresses(host);
        }
        catch (NodeConfigurationException failure)
        {
            (host, addresses) = ("", []);
            refusal = Finding.Problem(
                Check, failure.Message, $"set {Key} to an address of this machine");
        }
        catch (SocketException failure)
        {
            (host, addresses) = ("", []);
            refusal = Finding.Problem(
                Check, $"'{node.Member.Host}' is not known: {failure.Message}",
                $"add it to the name server or to /etc/hosts, or set {Key} to an address");
        }

        yield return refusal ?? Judge(node, host, addresses);
        if (refusal is null && addresses.All(IPAddress.IsLoopback)
            && node.Cluster.Join.Any(peer => !IsHere(peer.Host)))
        {
            yield return Finding.Problem(
                Check, $"other machines cannot reach {host}, and nodes to join are on others",
                $"set {Key} to the name or address that they reach this machine at, or to auto");
        }
    }

    /// <summary>Whether an address is one of this machine's.</summary>
    public static bool IsOfThisMachine(IPAddress address) => IPAddress.IsLoopback(address)
        || NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(port => port.GetIPProperties().UnicastAddresses)
            .Any(own => own.Address.Equals(address));

    private static Finding Judge(NodeConfiguration node, string host, IPAddress[] addresses)
    {
        string text = host == $"{addresses.FirstOrDefault()}"
            ? host
            : $"{host} is {string.Join(", ", addresses.Select(address => $"{address}"))}";
        if (addresses.Any(IsOfThisMachine))
        {
            return Finding.Ok(Check, $"{text}, of this machine");
        }

        return node.Member.BindHost.Length > 0
            ? Finding.Ok(Check, $"{text}, reached from outside; it listens at"
                + $" {node.Member.BindHost}")
            : Finding.Problem(
                Check, $"{text}, which is no address of this machine",
                $"correct {Key} or the name server; where ports are mapped, as in containers, set"
                + " backprop.node.bind-host to 0.0.0.0 as well");
    }

    private static bool IsHere(string host)
    {
        try
        {
            return Dns.GetHostAddresses(host).Any(IsOfThisMachine);
        }
        catch (SocketException)
        {
            return false; // The look at the peers says so.
        }
    }
}
