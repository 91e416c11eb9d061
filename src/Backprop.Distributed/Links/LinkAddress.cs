namespace Backprop.Distributed.Links;

/// <summary>Where a node listens for links.</summary>
/// <param name="Host">A host name or an IP address.</param>
/// <param name="Port">0 to 65535; where 0 is listened on, the system chooses.</param>
public readonly record struct LinkAddress(string Host, int Port)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Host}:{Port}";
}
