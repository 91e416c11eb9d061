using System.Net;

namespace Backprop.Distributed.Security;

/// <summary>A connection that was refused.</summary>
/// <param name="What">What it was for, such as "tensor link".</param>
/// <param name="Remote">Where it came from: an address, with a port or without.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record Refusal(string What, string Remote, string Reason)
{
    /// <summary>The machine that it came from.</summary>
    public string Machine => IPEndPoint.TryParse(Remote, out IPEndPoint? end)
        ? $"{(end.Address.IsIPv4MappedToIPv6 ? end.Address.MapToIPv4() : end.Address)}"
        : Remote;

    /// <summary>For people.</summary>
    public override string ToString() => $"A {What} from {Machine} was refused: {Reason}";
}
