using System.Text.Json.Serialization;

namespace Backprop.Distributed.Links;

/// <summary>Where a node listens for links.</summary>
/// <param name="Host">A host name or an IP address.</param>
/// <param name="Port">0 to 65535; where 0 is listened on, the system chooses.</param>
public readonly record struct LinkAddress(string Host, int Port)
{
    /// <summary>The node that is expected there, by which its socket is found if it is on this
    /// machine; null: it is dialled over the network alone. Nobody is told of it.</summary>
    [JsonIgnore]
    public string? Node { get; init; }

    /// <inheritdoc/>
    public override string ToString() => $"{Host}:{Port}";
}
