using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether a node can listen where it is to.</summary>
internal static class PortCheck
{
    public static IEnumerable<Finding> Examine(NodeConfiguration node)
    {
        List<Place> places = [.. PlacesOf(node)];
        foreach (Place place in places)
        {
            Place? same = places.Find(other => other != place && other.Port == place.Port);
            yield return place.Port > 0 && same is not null
                ? Finding.Problem(
                    place.Check, $"{place.Key} and {same.Key} are both {place.Port}",
                    "give each its own, or 0 for any free one")
                : Examine(place);
        }
    }

    private static IEnumerable<Place> PlacesOf(NodeConfiguration node)
    {
        MemberConfiguration member = node.Member;
        string host = member.BindHost.Length > 0 ? member.BindHost
            : member.Host == MemberConfiguration.AutoHost ? Dns.GetHostName()
            : member.Host;
        yield return new Place(
            "control port", host, member.BindPort > 0 ? member.BindPort : member.Port,
            "backprop.node.port");
        yield return new Place(
            "links port", host, node.Links.BindPort > 0 ? node.Links.BindPort : node.Links.Port,
            "backprop.links.port");
        if (member.ServesApi)
        {
            yield return new Place(
                "API port", node.Api.Host, node.Api.Port, "backprop.api.port");
        }

        if (node.Metrics.Enabled)
        {
            yield return new Place(
                "metrics port", node.Metrics.Host, node.Metrics.Port, "backprop.metrics.port");
        }
    }

    private static Finding Examine(Place place)
    {
        string where = $"{place.Host}:{place.Port}";
        if (place.Port == 0)
        {
            return Finding.Ok(place.Check, $"any free one, at {place.Host}");
        }

        try
        {
            using var probe = new TcpListener(Dns.GetHostAddresses(place.Host)[0], place.Port);
            probe.Start();
            return Finding.Ok(place.Check, $"{where} is free");
        }
        catch (SocketException failure)
            when (failure.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            return Taken(place, where);
        }
        catch (SocketException failure)
        {
            return Finding.Problem(
                place.Check, $"{where} cannot be listened at: {failure.Message}",
                failure.SocketErrorCode == SocketError.AccessDenied
                    ? $"set {place.Key} to a port from 1024 on"
                    : $"correct the host, or set {place.Key} to another port");
        }
    }

    private static Finding Taken(Place place, string where)
    {
        string advice = $"end that process, or set {place.Key} to another port, or to 0 for any"
            + " free one";
        return PortOwner.Of(place.Port) switch
        {
            { Command: "backprop" or "dotnet" } node => Finding.Warning(
                place.Check,
                $"{where} is taken by process {node.Process} ({node.Command}), perhaps this node",
                $"if it is not: {advice}"),
            { } other => Finding.Problem(
                place.Check, $"{where} is taken by process {other.Process} ({other.Command})",
                advice),
            null => Finding.Problem(
                place.Check, $"{where} is taken by a process of another user", advice),
        };
    }

    private sealed record Place(string Check, string Host, int Port, string Key);
}
