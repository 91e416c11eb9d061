using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Configuration;

namespace Backprop.Distributed.Security;

/// <summary>Where a node would be reached by other machines without TLS.</summary>
public static class ExposedListeners
{
    /// <summary>What is told of a node without TLS where there are none.</summary>
    public const string None = "none: only this machine reaches the node";

    /// <summary>Why a node must not start as it is configured; null: it may.</summary>
    /// <param name="node">The node.</param>
    /// <param name="address">Where others reach it.</param>
    public static string? Refusal(NodeConfiguration node, string address)
    {
        return Find(node, address) is not { } exposed || node.IsInsecure
            ? null
            : $"other machines would reach {exposed} without TLS: set"
                + " backprop.tls, for which 'backprop certs' makes the files, or, if that is meant,"
                + " --insecure (backprop.insecure = true)";
    }

    /// <summary>The listeners, each with its address, in words; null: there are none.</summary>
    /// <param name="node">The node.</param>
    /// <param name="address">Where others reach it.</param>
    public static string? Find(NodeConfiguration node, string address)
    {
        if (node.Tls is not null)
        {
            return null;
        }

        string host = node.Member.BindHost.Length > 0 ? node.Member.BindHost : address;
        var found = new List<string>();
        if (!IsLocal(host))
        {
            found.Add($"control messages and tensor links at {host}");
        }

        if (node.Member.ServesApi && node.Api.Certificate is null && !IsLocal(node.Api.Host))
        {
            found.Add($"the API at {node.Api.Host}");
        }

        if (node.Metrics.Enabled && !IsLocal(node.Metrics.Host))
        {
            found.Add($"metrics at {node.Metrics.Host}");
        }

        return found.Count == 0 ? null : string.Join(", ", found);
    }

    // A name that is not known is told where it is listened on.
    private static bool IsLocal(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? address))
        {
            return IPAddress.IsLoopback(address);
        }

        try
        {
            return Dns.GetHostAddresses(host).All(IPAddress.IsLoopback);
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
